"""Tensors shared with a worker: a memory-mapped file in shared memory where there is room, else on disk."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array = np.ndarray[Any, Any]
ALIGNMENT = 64
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a private directory is made in it
ROOM = 4 * 2**30
"""Free bytes that shared memory must have; containers often give it 64 MB."""


class SharedDirectory:
    """A private directory for arenas, deleted when it is closed, forgotten, or the process ends."""

    def __init__(self) -> None:
        base = SHARED_MEMORY if _has_room(SHARED_MEMORY) else None
        self.path = Path(tempfile.mkdtemp(prefix="mlu-conformance-", dir=base))
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


class Arena:
    """A file of tensors, 64-byte aligned, that two processes map."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        path.touch()

    def place(self, arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
        """Copy arrays into the file and return where each lies, as messages say it."""
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
        """Return copies of the tensors that another process has placed.

        Raises:
            DeviceError: an entry does not lie within the file, or is no tensor.
        """
        mapped = self._mapped(0)
        try:
            return {str(entry["name"]): _copied(mapped, entry) for entry in entries}
        except (KeyError, TypeError, ValueError) as error:
            raise DeviceError(
                f"the worker returned no tensor where it says that one lies: {error}"
            ) from error

    def _mapped(self, size: int) -> mmap.mmap:
        """Return a map of the whole file, grown to ``size`` bytes if it is shorter."""
        now = max(self.path.stat().st_size, 1)
        if now < size or self.path.stat().st_size == 0:
            os.truncate(self.path, max(now, size))
            now = max(now, size)
        if self._map is None or len(self._map) != now:
            with self.path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), now)
        return self._map


def _copied(mapped: mmap.mmap, entry: Mapping[str, Any]) -> Array:
    shape = [int(size) for size in entry["shape"]]
    dtype = np.dtype(str(entry["dtype"]))
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"{entry['name']} is {dtype}{shape}")
    count = int(np.prod(shape, dtype=np.int64))
    flat: Array = np.frombuffer(mapped, dtype, count, int(entry["offset"]))
    copied: Array = flat.reshape(shape).copy()
    return copied
