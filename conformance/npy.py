"""Reading ``.npy`` data that may claim to be anything: its size is known before memory is taken for it."""

from __future__ import annotations

import io
import math
import os
import warnings
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[Any, Any]
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""What reads the header of a version; the third has names of fields in Unicode, which no tensor has."""


def read_npy(file: BinaryIO) -> Array:
    """Return the array of an open file, whose data must be as long as its header says.

    Raises:
        ValueError, EOFError: it is no such file, is damaged, or needs pickle.
    """
    start = file.tell()
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"it is of version {version[0]}.{version[1]}, which no plain array needs")
    shape, dtype = _header(file, version)
    wanted, there = math.prod(shape) * dtype.itemsize, _rest(file)
    if wanted > there and not dtype.hasobject:
        raise ValueError(f"it should hold {wanted} bytes of shape {shape}, but holds {there}")
    file.seek(start)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _header(file: BinaryIO, version: tuple[int, int]) -> tuple[tuple[int, ...], Any]:
    """Return shape and type of a header; of a damaged one NumPy raises whatever its parsers do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, _, dtype = HEADERS[version](file)
    except Exception as error:
        raise ValueError(f"its header is damaged ({error})") from error
    if min(shape, default=0) < 0:
        raise ValueError(f"its shape {shape} is negative")
    return shape, dtype


def _rest(file: BinaryIO) -> int:
    """Return how many bytes come yet."""
    at = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(at)
    return end - at


def npy_of(data: bytes) -> Array:
    """Return the array of the content of a file; errors as in :func:`read_npy`."""
    return read_npy(io.BytesIO(data))
