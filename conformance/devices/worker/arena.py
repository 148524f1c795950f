"""Tensors shared with a worker: a memory-mapped file in shared memory where there is room, else on disk."""

from __future__ import annotations

import errno
import math
import mmap
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from conformance.errors import DeviceError, SpaceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = np.ndarray[Any, Any]
ALIGNMENT = 64
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a private directory is made in it
ROOM = 4 * 2**30
"""Free bytes that shared memory must have; containers often give it 64 MB."""
DTYPE = r"^[<>|][A-Za-z]\d*(\[\w+\])?$"
"""What ``numpy.dtype.str`` looks like; more would be taken, such as fields."""
Size = Annotated[int, msgspec.Meta(ge=0)]


class Entry(msgspec.Struct, frozen=True):
    """Where a tensor lies in an arena, as messages say it."""

    name: str
    dtype: Annotated[str, msgspec.Meta(pattern=DTYPE)]
    shape: list[Size]
    offset: Size


class SharedDirectory:
    """A private directory for arenas, deleted when it is closed, forgotten, or the process ends."""

    def __init__(self) -> None:
        base = SHARED_MEMORY if _has_room(SHARED_MEMORY) else None
        try:
            self.path = Path(tempfile.mkdtemp(prefix="mlu-conformance-", dir=base))
        except OSError as error:
            raise not_shared("a directory of tensors", base or Path(tempfile.gettempdir()), error) from error
        self._delete = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def close(self) -> None:
        """Delete the directory and what is in it."""
        self._delete()


def _has_room(directory: Path) -> bool:
    try:
        found = os.statvfs(directory)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize >= ROOM and os.access(directory, os.W_OK)


def not_shared(what: str, directory: Path, error: OSError) -> SpaceError | DeviceError:
    """Return the error for what cannot be written where a worker would read it.

    Args:
        what: it is, with its size.
        directory: of the file.
        error: of the system.
    """
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (SpaceError if full else DeviceError)(
        f"{what} cannot be shared in {directory}: {error.strerror}; free some, or set TMPDIR to another place"
    )


class Arena:
    """A file of tensors, 64-byte aligned, that two processes map."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        self._lent: weakref.ref[Array] | None = None
        try:
            path.touch()
        except OSError as error:
            raise not_shared("a file of tensors", path.parent, error) from error

    @property
    def free(self) -> bool:
        """Whether no tensor that was taken from it is in use any more."""
        return self._lent is None or self._lent() is None

    def place(self, arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
        """Copy arrays into the file and return where each lies, as messages say it.

        Raises:
            SpaceError: there is no room for them.
            DeviceError: the file cannot be used.
        """
        entries: list[dict[str, Any]] = []
        total = 0
        for name, array in arrays.items():
            shape = list(array.shape)
            entries.append({"name": name, "dtype": array.dtype.str, "shape": shape, "offset": total})
            total += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        mapped = self._mapped(total)
        for entry, array in zip(entries, arrays.values(), strict=True):
            target: Array = np.frombuffer(mapped, array.dtype, array.size, entry["offset"])
            target.reshape(array.shape)[...] = array
        return entries

    def take(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
        """Return the tensors that another process has placed, where they lie: nothing is copied.

        Raises:
            DeviceError: an entry does not lie within the file, or is no tensor.
        """
        everything: Array = np.frombuffer(self._mapped(0), np.uint8)
        self._lent = weakref.ref(everything)  # every tensor is a view of it and keeps it
        try:
            found = msgspec.convert(entries, list[Entry])
            return {entry.name: _tensor(everything, entry) for entry in found}
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise DeviceError(
                f"the worker returned no tensor where it says that one lies: {error}"
            ) from error

    def close(self) -> None:
        """Let go of the memory, once no tensor that was taken is in use any more."""
        self._map = None

    def _mapped(self, size: int) -> mmap.mmap:
        """Return a map of the whole file, which has ``size`` bytes at least, and room for them for sure."""
        try:
            with self.path.open("r+b") as file:
                now = os.fstat(file.fileno()).st_size
                if now < max(size, 1):
                    now = max(size, 1)
                    os.posix_fallocate(file.fileno(), 0, now)
                if self._map is None or len(self._map) != now:
                    self._map = mmap.mmap(file.fileno(), now)
        except OSError as error:
            raise not_shared(f"{size} bytes of tensors", self.path.parent, error) from error
        return self._map


def _tensor(everything: Array, entry: Entry) -> Array:
    """Return a view of a tensor."""
    dtype = np.dtype(entry.dtype)
    end = entry.offset + math.prod(entry.shape) * dtype.itemsize
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"{entry.name} is of type {entry.dtype}")
    if end > everything.size:
        raise ValueError(f"{entry.name} ends at byte {end} of {everything.size}")
    return everything[entry.offset : end].view(dtype).reshape(entry.shape)


class ArenaPool:
    """Arenas for results, each used again once nothing that was taken from it is in use.

    Args:
        prefix: of the arenas' paths.
    """

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._arenas: list[Arena] = []

    def close(self) -> None:
        """Let go of all arenas."""
        for arena in self._arenas:
            arena.close()
        self._arenas.clear()

    def free(self) -> Arena:
        """Return an arena that is free, a new one if need be; memory that was used before is faster."""
        for arena in self._arenas:
            if arena.free:
                return arena
        arena = Arena(self._prefix.with_name(f"{self._prefix.name}-{len(self._arenas)}"))
        self._arenas.append(arena)
        return arena
