"""Handing a graph to TensorFlow: its structure as a GraphDef, its large constants as tensors of the process.

Every array becomes a tensor once, whatever graphs it is a constant of. A function captures the tensor, so
that no constant is copied, serialised or looked at by TensorFlow's importer.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from conformance.graph.constants import fill, same_numbers
from conformance.graph.dataflow import topological
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
_TENSORS: dict[tuple[Any, ...], Tensor] = {}
"""The tensors of all arrays that TensorFlow has got, as long as these live."""


def tensor_of(array: Array) -> Tensor:
    """Return an array as a tensor, the same one for the same array."""
    owner, key = same_numbers(array)
    if key not in _TENSORS:
        with tensorflow().init_scope():  # outside of the function that is being traced
            _TENSORS[key] = tensorflow().constant(array)  # a copy, which does not keep the array
        weakref.finalize(owner, _TENSORS.pop, key, None)
    return _TENSORS[key]


def tensor_on(array: Array) -> Tensor:
    """Return an array as a tensor, on the same memory where that is aligned as TensorFlow wants it.

    The tensor keeps the array alive. ``tf.constant`` always copies, as its argument could be changed later.

    Args:
        array: read-only, so that nothing changes it while the tensor lives.
    """
    assert not array.flags.writeable, "what shares its memory with a tensor must not change"
    tf = tensorflow()
    from tensorflow.python.eager import context
    from tensorflow.python.framework import ops

    eager = context.context()
    eager.ensure_initialized()
    return ops.EagerTensor(array, eager.device_name, tf.as_dtype(array.dtype).as_datatype_enum)


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
    for name in topological(graph):
        node = graph.nodes[name]
        sources = [producer(tensor) for tensor in data_inputs(node)]
        read = set().union(*(behind.get(source, ()) for source in sources))
        live = [source for source in sources if source not in behind and graph.nodes[source].op != "Const"]
        if not live and read and node.op != "Const":
            behind[name] = behind.get(name, set()) | read
        for constant in read if live else ():
            found.setdefault(constant, live[:1])
    return found
