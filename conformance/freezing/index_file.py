"""The ``.index`` file of a checkpoint: a LevelDB table from names of variables to where their bytes lie.

Source: LevelDB's ``doc/table_format.md``, and TensorFlow's ``tensor_bundle.proto``; TensorFlow reads values
from such a file, but hands out neither their checksums nor their places.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from conformance.errors import UsageError
from conformance.files import read_bytes
from conformance.graph.tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOOTER = 48
"""Bytes: the handles of two blocks, filled up to 40, and the magic number."""
MAGIC = bytes.fromhex("57fb808b247547db")
UNCOMPRESSED = 0
TRAILER = 5
"""Bytes after a block: how it is compressed, and its checksum."""
HEADER_KEY = b""
SLICE_KEY = b"\0"
"""How keys of slices begin, whose entries stand beside the one of the whole variable."""


def read_index(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the BundleHeaderProto and, by variable, the BundleEntryProto that a checkpoint's index holds.

    Raises:
        UsageError: the file is missing, damaged or compressed.
    """
    data = read_bytes(path, "checkpoint index")
    tensorflow()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import tensor_bundle_pb2

    try:
        table = dict(_table(data, path))
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(table.pop(HEADER_KEY))
        entries = {
            key.decode(): tensor_bundle_pb2.BundleEntryProto.FromString(value)
            for key, value in table.items()
            if not key.startswith(SLICE_KEY)
        }
    except (DecodeError, KeyError, IndexError, ValueError) as error:
        raise UsageError(
            f"checkpoint index {path} is damaged or none at all; copy or download it again"
        ) from error
    return header, entries


def _table(data: bytes, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield all keys and values of a table."""
    footer = data[-FOOTER:]
    if len(footer) != FOOTER or not footer.endswith(MAGIC):
        raise ValueError("no table")
    _, at = _handle(footer, 0)
    index_handle, _ = _handle(footer, at)
    for _, value in _block(data, index_handle, path):
        yield from _block(data, _handle(value, 0)[0], path)


def _block(data: bytes, handle: tuple[int, int], path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of one block; a key leaves out what it shares with the one before."""
    offset, size = handle
    block = data[offset : offset + size + TRAILER]
    if block[size] != UNCOMPRESSED:
        raise UsageError(f"checkpoint index {path} is compressed; save the checkpoint again with TensorFlow")
    restarts = int.from_bytes(block[size - 4 : size], "little")
    at, end, key = 0, size - 4 * (restarts + 1), b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        yield key, block[at + fresh : at + fresh + length]
        at += fresh + length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return (offset, size) of the block that a handle points to, and where the handle ends."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits per byte, lowest first, and where it ends."""
    number = 0
    for shift in itertools.count(step=7):  # pragma: no branch
        number |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:  # noqa: PLR2004 - the highest bit says that more follows
            break
    return number, at
