"""The tensors of a network's goldens, one ``.npy`` file per node and sample: written, mapped and verified."""

from __future__ import annotations

import contextlib
import re
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.errors import GoldenError
from conformance.files import read_json, write_atomically, write_json_atomically
from conformance.fingerprints import alike, last_bits_differ, mismatch, tensor_sha256
from conformance.golden_places import TENSORS
from conformance.machine import helper_threads
from conformance.npy import let_go, map_npy, write_npy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from conformance.fingerprints import Fingerprint

Array = np.ndarray[Any, Any]
ACCEPTED = "accepted.json"
TENSOR = re.compile(r"(?P<node>.+)\.[0-9]+\.npy")
"""The file of a tensor; see :func:`_file`."""
HALF = re.compile(r"\..+\.(npy|json)(\.[a-z0-9_]{8})?\.part")
"""A file of these that was not written to its end."""


class Place(NamedTuple):
    """Which tensor it is.

    Attributes:
        node: the node.
        sample: the sample.
    """

    node: str
    sample: int

    @property
    def file(self) -> str:
        """Its path below a network's goldens."""
        return f"{TENSORS}/{urllib.parse.quote(self.node, safe='')}.{self.sample}.npy"


class GoldenTensors:
    """The tensors of one network's goldens.

    Args:
        directory: where tensors are made.
        find: returns where a file of these goldens is read.

    Attributes:
        notes: what a reader of results should know of them.
    """

    def __init__(self, directory: Path, find: Callable[[str], Path]) -> None:
        self._directory, self._find = directory, find
        self._verified: dict[Place, Array] = {}
        self._begun: dict[Place, tuple[Array, Future[str]]] = {}
        self.notes: list[str] = []

    def exists(self, place: Place) -> bool:
        """Return whether its file is there."""
        return self._find(place.file).exists()

    def verified(self, place: Place) -> bool:
        """Return whether it was looked at."""
        return place in self._verified

    def get(self, place: Place, expected: Fingerprint) -> Array:
        """Return a tensor: float32, read-only, memory-mapped, verified.

        Raises:
            GoldenError: its file cannot be read, or is not what the manifest says.
        """
        if place not in self._verified:
            self._verified[place] = self._looked_at(place, expected)
        return self._verified[place]

    def let_go(self, place: Place) -> None:
        """Take a tensor out of this process's memory, until it is looked at again."""
        if place in self._verified:
            let_go(self._verified[place])

    @contextlib.contextmanager
    def verifying(self, expected: Iterable[tuple[Place, Fingerprint]]) -> Iterator[None]:
        """Work out hashes of what is there in a thread while the block lasts; nothing is raised."""
        hashing = helper_threads("hashing goldens", 1)
        for place, printed in expected:
            with contextlib.suppress(OSError, ValueError, EOFError):  # said when the tensor is asked for
                if not self.verified(place) and alike(value := map_npy(self._find(place.file)), printed):
                    self._begun[place] = value, hashing.submit(_hashed, value)
        try:
            yield
        finally:
            for _, digest in self._begun.values():
                digest.cancel()
            self._begun.clear()

    def keep(self, place: Place, value: Array, expected: Fingerprint) -> None:
        """Write a tensor that was made for a manifest; if it differs in last bits, note that it was accepted.

        Raises:
            GoldenError: it differs in more.
        """
        path = self._directory / place.file
        if last_bits_differ(value, expected, str(path)):
            accepted = _accepted(path.parent) | {path.name: tensor_sha256(value)}
            write_json_atomically(path.parent / ACCEPTED, accepted)
        self.write(place, value)

    def write(self, place: Place, value: Array) -> None:
        """Write a tensor, whole or not at all."""
        stored = np.asarray(value, "<f4", order="C")
        write_atomically(self._directory / place.file, lambda file: write_npy(file, stored))

    def forget(self) -> None:
        """Verify all of them anew, when they are asked for."""
        self._verified.clear()

    def delete(self, nodes: set[str]) -> None:
        """Delete the tensors of nodes, and the list of those that were accepted."""
        for path in (self._directory / TENSORS).glob("*"):
            found = TENSOR.fullmatch(path.name)
            if path.name == ACCEPTED or (found and urllib.parse.unquote(found["node"]) in nodes):
                path.unlink()

    def delete_halves(self) -> None:
        """Delete what :func:`conformance.files.write_atomically` left of a process that was killed."""
        for path in (self._directory / TENSORS).glob(".*.part"):
            if HALF.fullmatch(path.name) and path.is_file():
                path.unlink()

    def _looked_at(self, place: Place, expected: Fingerprint) -> Array:
        path = self._find(place.file)
        try:
            value, digest = self._begun.pop(place, None) or (map_npy(path), None)
        except OSError as error:
            raise GoldenError(f"golden {path} cannot be read: {error.strerror or error}") from error
        except (ValueError, EOFError) as error:
            raise GoldenError(
                f"golden {path} cannot be read ({error}); delete it and run again to make it"
            ) from error
        if alike(value, expected):
            self._check(value, digest.result() if digest else _hashed(value), expected, path)
        else:
            raise mismatch(value, expected, str(path))
        return value

    def _check(self, value: Array, found: str, expected: Fingerprint, path: Path) -> None:
        """Demand the manifest's bits, or bits that were made here and accepted when they were made."""
        if found == expected.sha256:
            return
        if _accepted(path.parent).get(path.name) != found:
            raise mismatch(value, expected, str(path))
        if last_bits_differ(value, expected, str(path)):
            self.notes.append(
                f"golden {path} differs from the manifest in last bits only (this CPU rounds otherwise); "
                "accepted"
            )


def _hashed(value: Array) -> str:
    """Return the SHA-256 of a mapped tensor, which does not stay in memory."""
    digest = tensor_sha256(value)
    let_go(value)
    return digest


def _accepted(tensors: Path) -> dict[str, str]:
    """Return the SHA-256, by file name, of tensors made there whose last bits differ from the manifest's."""
    path = tensors / ACCEPTED
    return read_json(path, dict[str, str], "list of accepted goldens") if path.exists() else {}
