"""``.npy`` data, which may claim to be anything: its size is known before memory is taken for it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import math
import mmap
import os
import struct
import warnings
import weakref
import zipfile
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Array = np.ndarray[Any, Any]
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""What reads the header of a version; the third has names of fields in Unicode, which no tensor has."""
FAILED = 2 ** (8 * ctypes.sizeof(ctypes.c_void_p)) - 1
"""What ``mmap`` returns where it fails."""
_MAPPINGS: weakref.WeakValueDictionary[int, ctypes.Array[Any]] = weakref.WeakValueDictionary()
"""The buffers of mapped files, by address."""


def write_npy(file: BinaryIO, array: Array) -> None:
    """Write an array.

    NumPy hands what it knows for a file to the C library, and then says of a full disk how many bytes were
    written, but not why no more were; so it is shown something that only can be written to.

    Raises:
        OSError: there is no space, or whatever the system says.
    """
    np.save(SimpleNamespace(write=file.write, flush=file.flush), array, allow_pickle=False)


def read_npy(file: BinaryIO) -> Array:
    """Return the array of an open file, whose data must be as long as its header says.

    Raises:
        ValueError, EOFError: it is no such file, is damaged, or needs pickle.
    """
    start = file.tell()
    _checked(file)
    file.seek(start)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def map_npy(path: Path) -> Array:
    """Return the array of a file, read-only, read from the file when and where it is looked at.

    Unlike NumPy's own map it holds no descriptor: a process may have thousands of them.

    Raises:
        OSError: the file cannot be opened or mapped.
        ValueError, EOFError: as :func:`read_npy`.
    """
    with path.open("rb") as file:
        shape, fortran, dtype = _checked(file)
        if dtype.hasobject:
            raise ValueError("it holds objects, which only pickle reads (allow_pickle)")
        offset = file.tell()
        whole = mapped(file.fileno(), offset + _rest(file))
    flat = np.frombuffer(whole, dtype, math.prod(shape), offset)
    return flat.reshape(shape, order="F" if fortran else "C")


def mapped(descriptor: int, size: int) -> memoryview:
    """Return the first ``size`` bytes of an open file, read-only; they outlive the descriptor.

    Python's ``mmap`` keeps a copy of the descriptor, before Python 3.13 always.

    Raises:
        OSError: it cannot be mapped.
    """
    library = _library()
    address = library.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    buffer = (ctypes.c_ubyte * size).from_address(address)
    _MAPPINGS[address] = buffer
    weakref.finalize(buffer, library.munmap, address, size).atexit = False  # tensors may still lie on it
    return memoryview(buffer).cast("B").toreadonly()


def let_go(array: Array) -> None:
    """Take the pages of a file's array out of this process's memory, until it is looked at again.

    They stay in the system's cache as long as it has room. Of any other array nothing is taken.

    Source: madvise(2), MADV_DONTNEED of a shared mapping.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    buffer = base.obj if isinstance(base, memoryview) else None
    if isinstance(buffer, ctypes.Array) and _MAPPINGS.get(ctypes.addressof(buffer)) is buffer:
        _library().madvise(ctypes.addressof(buffer), len(buffer), mmap.MADV_DONTNEED)


@functools.cache
def _library() -> ctypes.CDLL:
    """Return the C library with the types of what is called, so that addresses are whole.

    Source: mmap(2).
    """
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    ]
    library.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return library


def _checked(file: BinaryIO) -> tuple[tuple[int, ...], bool, Any]:
    """Read a header, and return shape, order and type of what really comes behind it."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"it is of version {version[0]}.{version[1]}, which no plain array needs")
    shape, fortran, dtype = _header(file, version)
    wanted, there = math.prod(shape) * dtype.itemsize, _rest(file)
    if wanted > there and not dtype.hasobject:
        raise ValueError(f"it should hold {wanted} bytes of shape {shape}, but holds {there}")
    return shape, fortran, dtype


def _header(file: BinaryIO, version: tuple[int, int]) -> tuple[tuple[int, ...], bool, Any]:
    """Return shape and type of a header; of a damaged one NumPy raises whatever its parsers do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = HEADERS[version](file)
    except Exception as error:
        raise ValueError(f"its header is damaged ({error})") from error
    if min(shape, default=0) < 0 or any(isinstance(length, bool) for length in shape):
        raise ValueError(f"its shape {shape} is none: lengths are 0 and more")
    return shape, fortran, dtype


def _rest(file: BinaryIO) -> int:
    """Return how many bytes come yet."""
    at = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(at)
    return end - at


def npy_of(data: bytes) -> Array:
    """Return the array of the content of a file; errors as in :func:`read_npy`."""
    return read_npy(io.BytesIO(data))


def npz_of(data: bytes) -> dict[str, Callable[[], Array]]:
    """Return what reads each array of the content of a ``.npz`` archive, by its name.

    What it returns raises ``ValueError`` where the array is damaged.

    Raises:
        ValueError: it is no archive, or is damaged.

    Source: numpy.savez: a ZIP archive of one ``.npy`` per array, named after it.
    """
    with _as_value_error():
        archive = zipfile.ZipFile(io.BytesIO(data))
    names = archive.namelist()
    return {name.removesuffix(".npy"): functools.partial(_member, archive, name) for name in names}


def _member(archive: zipfile.ZipFile, name: str) -> Array:
    with _as_value_error():
        return npy_of(archive.read(name))


@contextlib.contextmanager
def _as_value_error() -> Iterator[None]:
    """Turn what a damaged archive makes Python's reader raise into a ``ValueError``."""
    try:
        yield
    except (EOFError, OSError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error) or type(error).__name__) from error
