"""The list of evidence files, and finding them where a user put them."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from conformance.errors import UsageError
from conformance.files import read_bytes, read_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = 16
"""Of a SHA-256, as many as a sentence shows."""


class EvidenceFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A public file: where it is, and what it must be."""

    repository: str
    commit: str
    path: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's name, without folders."""
        return PurePosixPath(self.path).name

    @property
    def origin(self) -> str:
        """Where to take it from, in words."""
        return f"take {self.path} of github.com/{self.repository} at commit {self.commit}"


class Listing(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole list.

    Attributes:
        input, output: of the network, by node.
        size: height and width to which the picture is scaled before it is fed.
        graph: the network, quantised.
        picture: what it was fed.
        cpu, card, again: what a CPU made of it, what the card did, and what the card did another time.
    """

    input: str
    output: str
    size: tuple[int, int]
    graph: EvidenceFile
    picture: EvidenceFile
    cpu: EvidenceFile
    card: EvidenceFile
    again: EvidenceFile


@dataclasses.dataclass(frozen=True)
class Places:
    """Where each file of the list lies."""

    graph: Path
    picture: Path
    cpu: Path
    card: Path
    again: Path


def read_listing(path: Path) -> Listing:
    """Read the list.

    Raises:
        UsageError: it is missing or malformed.
    """
    return read_toml(path, Listing, "list of evidence")


def located(listing: Listing, directory: Path) -> Places:
    """Return where the files are, each the one that the list means.

    Raises:
        UsageError: there is no such directory, or a file is missing or another one.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory; name the one that holds the evidence files")
    names = [field.name for field in dataclasses.fields(Places)]
    return Places(**{name: _found(getattr(listing, name), directory) for name in names})


def _found(file: EvidenceFile, directory: Path) -> Path:
    """Return the file of this name below a directory that has the right content: clones have several."""
    candidates = sorted(path for path in directory.rglob(file.name) if path.is_file())
    if not candidates:
        raise UsageError(f"{file.name} is not below {directory}; {file.origin}")
    digests = [hashlib.sha256(read_bytes(path, "evidence file")).hexdigest() for path in candidates]
    if file.sha256 not in digests:
        raise UsageError(_another(file, candidates, digests))
    return candidates[digests.index(file.sha256)]


def _another(file: EvidenceFile, candidates: Sequence[Path], digests: Sequence[str]) -> str:
    shown = f"{candidates[0]} has SHA-256 {digests[0][:DIGITS]}…, the evidence {file.sha256[:DIGITS]}…"
    return f"{shown}; {file.origin}"
