"""Named tensors of one side of a comparison, read from their files when they are wanted."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.dumps.manifest import tensor_name
from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Reading:
    """A tensor's values.

    Attributes:
        values: float32 or float64, not empty.
        resolution: how far each may be from the device's own.
        shaped: whether the shape is the tensor's, not just a flat list.
    """

    values: Array
    resolution: float = 0.0
    shaped: bool = True


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor that can be read.

    Attributes:
        name: ``generator/concat:0``, or what a file's name leaves of it: ``generatorconcat0``.
        sample: of the network's inputs; None where the source does not tell.
        read: returns the values.
        whole: whether ``name`` is the tensor's own, not a file's.
    """

    name: str
    sample: int | None
    read: Callable[[], Reading]
    whole: bool = True


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        source: as the user calls it.
        tensors: in the order of the graph, as far as the source keeps it.
        one_file: a single tensor in a file that has room for no other, nor for its name.
        complete: False where tensors that the other side lacks do not matter.
        graph_sha256, input_sha256: what made the tensors; empty where unknown.
        prepare: called with the names of the nodes that will be read.
    """

    source: str
    tensors: Sequence[Tensor]
    one_file: bool = False
    complete: bool = True
    graph_sha256: str = ""
    input_sha256: str = ""
    prepare: Callable[[Sequence[str]], object] = lambda _: None


def canonical(name: str) -> str:
    """Return a name with its output's number: ``generator/xs`` is ``generator/xs:0``."""
    return name if name.rpartition(":")[2].isdigit() else tensor_name(name)


def floats(values: Array, where: str) -> NDArray[np.floating[Any]]:
    """Return numbers as float32, or as float64 where float32 does not hold them.

    Raises:
        UsageError: they are no real numbers, or none at all.
    """
    if values.dtype.kind not in "fiub":
        raise UsageError(f"{where} holds values of type {values.dtype}; give real numbers")
    if not values.size:
        raise UsageError(f"{where} holds no numbers (shape {values.shape}); dump it again")
    narrow = values.dtype.kind == "f" and values.dtype.itemsize <= np.dtype(np.float32).itemsize
    return values.astype(np.float32 if narrow else np.float64, copy=False)
