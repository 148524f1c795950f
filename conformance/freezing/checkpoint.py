"""A checkpoint of TensorFlow: variables by name, in an ``.index`` file and ``.data`` files beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError, near_names
from conformance.files import read_bytes
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOOTER = 48
"""Bytes: the handles of two blocks, filled up to 40, and the magic number."""

MAGIC = bytes.fromhex("57fb808b247547db")

UNCOMPRESSED = 0

TRAILER = 5
"""Bytes after a block: how it is compressed, and its checksum."""

HEADER_KEY = b""

SLICE_KEY = b"\0"
"""How keys of slices begin, whose entries stand beside the one of the whole variable."""

Array = np.ndarray[Any, Any]

DIGITS = 8
"""Hexadecimal digits that tell checkpoints apart in names."""


def read_index(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the BundleHeaderProto and, by variable, the BundleEntryProto that a checkpoint's index holds.

    Raises:
        UsageError: the file is missing, damaged or compressed.
    """
    data = read_bytes(path, "checkpoint index")
    tensorflow()
    from google.protobuf.message import DecodeError
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
        if data[at - 1] < 0x80:
            break
    return number, at


@dataclasses.dataclass(frozen=True)
class StoredVariable:
    """What the index says of a variable.

    Attributes:
        dtype: as TensorFlow enumerates dtypes.
        shape: of the whole variable.
        shard, offset, size: the data file, and the bytes in it; none for a variable that is kept in slices.
        crc32c: masked checksum of these bytes.
        slices: (start, length) per axis of each slice, in order; empty for a variable kept in one piece.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[tuple[tuple[int, int], ...], ...]


class Checkpoint:
    """The checkpoint whose files begin with ``prefix``; values are read when they are asked for.

    Raises:
        UsageError: a file is missing or shorter than the index says, or the index is damaged.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.index = Path(f"{prefix}.index")
        self._reader = self._opened()
        header, entries = read_index(self.index)
        self.shards = max(header.num_shards, 1)
        self.variables = {name: _stored(entry) for name, entry in entries.items()}
        self._check_data()

    def _check_data(self) -> None:
        """Demand every data file, as long as the last variable in it."""
        ends = dict.fromkeys(range(self.shards), 0)
        for variable in self.variables.values():
            end = variable.offset + variable.size
            ends[variable.shard] = max(ends.get(variable.shard, 0), end)
        for shard, end in ends.items():
            path = Path(f"{self.prefix}.data-{shard:05d}-of-{self.shards:05d}")
            if not path.is_file():
                raise UsageError(f"checkpoint {self.prefix} lacks its data file {path}; copy it here, too")
            if path.stat().st_size < end:
                raise UsageError(
                    f"data file {path} has {path.stat().st_size} bytes, but {self.index} says {end}: it is "
                    "truncated; copy or download it again"
                )

    def require(self, names: Iterable[str], wanted_by: str) -> None:
        """Demand that these variables are stored.

        Raises:
            UsageError: one is not; names near ones.
        """
        missing = [name for name in names if name not in self.variables]
        if missing:
            others = f" and {len(missing) - 1} more" if missing[1:] else ""
            raise UsageError(
                f"checkpoint {self.prefix} lacks variable {missing[0]!r}{others}, which {wanted_by} "
                f"needs{near_names(missing[0], list(self.variables))}; give the checkpoint of this graph"
            )

    def value(self, name: str) -> Array:
        """Return the value of a variable; TensorFlow checks its bytes against the index's checksum.

        Raises:
            UsageError: the bytes are damaged.
        """
        tf = tensorflow()
        try:
            value: Array = np.asarray(self._reader.get_tensor(name))
        except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
            raise UsageError(
                f"variable {name!r} of checkpoint {self.prefix} is damaged: its bytes do not have the "
                "CRC-32C that the index says; copy or download the checkpoint again"
            ) from error
        return value

    def _opened(self) -> Any:
        """Let TensorFlow read the index, whose checksums it verifies."""
        if not self.index.is_file():
            raise UsageError(
                f"checkpoint {self.prefix} has no index: {self.index} is missing; copy it here, too"
            )
        tf = tensorflow()
        try:
            return tf.train.load_checkpoint(str(self.prefix))
        except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
            raise UsageError(
                f"checkpoint index {self.index} is damaged; copy or download it again"
            ) from error


def checkpoint_name(prefix: Path) -> str:
    """Return digits that differ when any variable does: the index holds the checksums of all.

    TensorFlow is not needed for it.

    Raises:
        UsageError: there is no index.
    """
    return hashlib.sha256(read_bytes(Path(f"{prefix}.index"), "checkpoint index")).hexdigest()[:DIGITS]


def _stored(entry: Any) -> StoredVariable:
    shape = tuple(dim.size for dim in entry.shape.dim)
    slices = sorted(
        tuple(
            (extent.start, extent.length if extent.HasField("length") else full)
            for extent, full in zip(piece.extent, shape, strict=True)
        )
        for piece in entry.slices
    )
    return StoredVariable(
        entry.dtype, shape, entry.shard_id, entry.offset, entry.size, entry.crc32c, tuple(slices)
    )
