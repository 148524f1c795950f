"""Handing a graph to TensorFlow: its structure as a GraphDef, its large constants as tensors of the process.

Every array becomes a tensor once, whatever graphs it is a constant of; in a file it is read where it lies. A
function captures the tensor, so that no constant is serialised or looked at by TensorFlow's importer.
"""

from __future__ import annotations

import graphlib
import mmap
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.constants import fill, same_numbers
from conformance.graph.editing import cast, placeholder
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import CONTROL_FLOW

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from conformance.graph.constants import Array
    from conformance.graph.frozen import FrozenGraph, GraphDef, Node

Tensor = Any
STORED = "/stored"
ALIGNMENT = 64
"""Bytes to whose multiples TensorFlow's kernels want a tensor's address to be."""
_TENSORS: dict[tuple[Any, ...], Tensor] = {}
"""The tensors of all arrays that TensorFlow has got, as long as these live."""


def tensor_of(array: Array) -> Tensor:
    """Return an array as a tensor, the same one for the same array."""
    owner, key = same_numbers(array)
    if key not in _TENSORS:
        with tensorflow().init_scope():  # outside of the function that is being traced
            _TENSORS[key] = tensor_on(_placed(array, owner))
        weakref.finalize(owner, _TENSORS.pop, key, None)
    return _TENSORS[key]


def tensor_on(array: Array) -> Tensor:
    """Return an array as a tensor, on the same memory where that is aligned as TensorFlow wants it.

    The tensor keeps the array alive.

    Args:
        array: read-only, so that nothing changes it while the tensor lives.
    """
    assert not array.flags.writeable, "what shares its memory with a tensor must not change"
    return tensorflow().constant(_AsItLies(array))


def tensor_from(array: Array) -> Tensor:
    """Return an array as a tensor, on the same memory where nothing changes it."""
    lasting = array.dtype.kind in "fiub" and not array.flags.writeable
    return tensor_on(array) if lasting else tensorflow().constant(array)


class _AsItLies:
    """An aligned array that TensorFlow reads where it lies; what it knows as an array it copies first."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:  # noqa: FBT001 - NumPy's protocol
        return self._array


def _placed(array: Array, owner: Array) -> Array:
    """Return an array of the same numbers that is aligned and does not keep ``owner`` alive.

    Where the memory is not the owner's own, but that of a file or of another tensor, nothing is copied.
    """
    base: Any = owner.base
    shared = isinstance(base, (bytes, memoryview, mmap.mmap))
    if shared and array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0:
        offset = array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
        placed: Array = np.ndarray(array.shape, array.dtype, base, offset)
        placed.flags.writeable = False
        return placed
    room = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    copy: Array = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    copy.flags.writeable = False
    return copy


def importable(graph: FrozenGraph) -> tuple[GraphDef, dict[str, Array]]:
    """Return a GraphDef to import and, by tensor, the arrays that stand in for the constants in it.

    A constant whose array is narrower than its node is widened right before it is first read, so that few
    wide ones are in memory at a time.
    """
    graph_def = graph.structure()
    wide = {name for name, array in graph.arrays.items() if _dtype(graph.nodes[name]) != _dtype_of(array)}
    after = _read_with(graph, wide) if wide else {}
    arrays: dict[str, Array] = {}
    for node in graph_def.node:
        array = graph.arrays.get(node.name)
        if array is None:
            continue
        if node.input:  # it is bound to a loop or a branch, where nothing from outside can be read
            fill(node, array)
        elif node.name in wide:
            arrays[f"{node.name}{STORED}:0"] = array
            widening = cast(node.name, f"{node.name}{STORED}", _dtype_of(array), _dtype(node))
            widening.input.extend(f"^{name}" for name in after.get(node.name, ()))
            node.CopyFrom(widening)
        else:
            arrays[f"{node.name}:0"] = arrays[f"^{node.name}"] = array
            node.CopyFrom(placeholder(node.name, _dtype(node), array.shape))
    return graph_def, arrays


def captured(arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    """Return the tensors of arrays as the function that is being traced sees them."""
    function = tensorflow().compat.v1.get_default_graph()
    return {name: function.capture(tensor_of(array)) for name, array in arrays.items()}


def _dtype(node: Node) -> Any:
    return tensorflow().as_dtype(node.attr["dtype"].type)


def _dtype_of(array: Array) -> Any:
    return tensorflow().as_dtype(array.dtype)


def _read_with(graph: FrozenGraph, constants: Collection[str]) -> dict[str, list[str]]:
    """Return, by constant, the node whose result is first read together with it; no constant has two.

    Where loops and branches are, a node may never give a result; nothing waits for one there.
    """
    if any(node.op in CONTROL_FLOW for node in graph.nodes.values()):
        return {}
    behind: dict[str, set[str]] = {name: {name} for name in constants}
    found: dict[str, list[str]] = {}
    reads = {name: map(producer, node.input) for name, node in graph.nodes.items()}
    for name in graphlib.TopologicalSorter(reads).static_order():
        node = graph.nodes[name]
        sources = [producer(tensor) for tensor in data_inputs(node)]
        read = set().union(*(behind.get(source, ()) for source in sources))
        live = [source for source in sources if source not in behind and graph.nodes[source].op != "Const"]
        if not live and read and node.op != "Const":
            behind[name] = behind.get(name, set()) | read
        for constant in read if live else ():
            found.setdefault(constant, live[:1])
    return found
