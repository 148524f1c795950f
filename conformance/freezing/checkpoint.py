"""A checkpoint of TensorFlow: variables by name, in an ``.index`` file and ``.data`` files beside it."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError, near_names
from conformance.files import read_bytes
from conformance.freezing.index_file import read_index
from conformance.graph.tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterable

Array = np.ndarray[Any, Any]
DIGITS = 8
"""Hexadecimal digits that tell checkpoints apart in names."""


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

    def _opened(self) -> Any:  # noqa: ANN401 - a tf.train.CheckpointReader
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


def checkpoint_digest(prefix: Path) -> str:
    """Return digits that differ when any variable does: the index holds the checksums of all.

    TensorFlow is not needed for it.

    Raises:
        UsageError: there is no index.
    """
    return hashlib.sha256(read_bytes(Path(f"{prefix}.index"), "checkpoint index")).hexdigest()[:DIGITS]


def _stored(entry: Any) -> StoredVariable:  # noqa: ANN401 - a BundleEntryProto
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
