"""Checkpoints that were published: a user's download is recognised, and every byte of it verified."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from conformance import locations
from conformance.files import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.freezing.checkpoint import Checkpoint

FILE = "published.json"


class PublishedVariable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A variable of the published checkpoint: shape, bytes in its data file, masked CRC-32C of these."""

    shape: list[int]
    offset: int
    size: int
    crc32c: int


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is published of a network.

    Attributes:
        about: where this comes from.
        nodes: names, in order, of the frozen graph.
        variables: shapes of the variables of that graph.
        checkpoint: variables of the published checkpoint; ``offset`` is where the published file has it.
    """

    about: str
    nodes: list[str]
    variables: dict[str, list[int]]
    checkpoint: dict[str, PublishedVariable]


def read_published(directory: Path) -> Published | None:
    """Return what lies beside a network in ``published.json``, or None if nothing does.

    Raises:
        UsageError: the file is malformed.
    """
    path = directory / FILE
    return read_json(path, Published, "published variables") if path.is_file() else None


@dataclasses.dataclass(frozen=True)
class Recognition:
    """How a checkpoint with the published names and shapes compares with the published one.

    Attributes:
        total: how many variables were compared.
        differing: those whose bytes are others; all of them after another training.
    """

    total: int
    differing: tuple[str, ...]

    @property
    def is_published(self) -> bool:
        """Whether it is the published one, byte for byte."""
        return not self.differing

    def __str__(self) -> str:
        if self.is_published:
            return f"all {self.total} variables have the published names, shapes and CRC-32C"
        others = f" and {len(self.differing) - 1} more" if self.differing[1:] else ""
        have = "has" if len(self.differing) == 1 else "have"
        return f"{self.differing[0]!r}{others} of {self.total} variables {have} not the published CRC-32C"


def recognised(checkpoint: Checkpoint, published: Published) -> Recognition | None:
    """Compare a checkpoint with the published one, or return None where names or shapes are others.

    The index's checksums are compared. That the bytes have them TensorFlow verifies for each variable of the
    published one, needed or not.

    Raises:
        UsageError: a variable's bytes are damaged; names it.
    """
    wanted, stored = published.checkpoint, checkpoint.variables
    if any(name not in stored or list(stored[name].shape) != wanted[name].shape for name in wanted):
        return None
    found = Recognition(
        len(wanted),
        tuple(
            name
            for name, entry in wanted.items()
            if (stored[name].crc32c, stored[name].size) != (entry.crc32c, entry.size)
        ),
    )
    for name in wanted:
        if name not in found.differing:
            checkpoint.value(name)
    return found


def recognised_networks(checkpoint: Checkpoint, root: Path | None = None) -> dict[str, Recognition]:
    """Return the networks (below ``root``, or ours) whose published variables the checkpoint has, by name.

    Raises:
        UsageError: a variable's bytes are damaged, or a list is malformed.
    """
    found = {}
    for path in sorted((root or locations.NETWORKS).glob(f"*/{FILE}")):
        published = read_published(path.parent)
        recognition = recognised(checkpoint, published) if published else None
        if recognition:
            found[path.parent.name] = recognition
    return found
