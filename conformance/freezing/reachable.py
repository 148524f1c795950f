"""What of a graph is needed: nodes by their inputs, functions by their callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import ConformanceError, UsageError
from conformance.graph.editing import copied
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import INPUT_OPERATORS, FrozenGraph, producer
from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.operators import CONTROL_FLOW

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.graph.frozen import GraphDef, Node

Array = np.ndarray[Any, Any]


def loose(graph_def: GraphDef, source: str) -> FrozenGraph:
    """Return a graph of which nothing is demanded yet: no operator need be known, no input be there."""
    return FrozenGraph.of(graph_def, (), source=source)


def reached(graph: FrozenGraph, wanted: Iterable[str], *, waiting: bool = False) -> set[str]:
    """Return the nodes whose values the nodes ``wanted`` need, themselves included.

    Args:
        graph: any graph, loops included.
        wanted: nodes or tensors.
        waiting: also follow control inputs, which order nodes and carry no value.

    Raises:
        UsageError: a node is missing; names near ones, or who reads it.
    """
    needed: set[str] = set()
    pending = [graph.require(name).name for name in wanted]
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        for tensor in graph.nodes[name].input:
            if tensor.startswith("^") and not waiting:
                continue
            if producer(tensor) not in graph.nodes:
                raise UsageError(f"node {name!r} in {graph.source} reads {tensor!r}, which is missing")
            pending.append(producer(tensor))
    return needed


def behind_identities(graph: FrozenGraph, tensor: str) -> str:
    """Return the tensor that Identity nodes hand on."""
    node = graph.nodes.get(producer(tensor))
    while node is not None and node.op == "Identity":
        tensor = node.input[0]
        node = graph.nodes.get(producer(tensor))
    return tensor


def pruned(graph: FrozenGraph, wanted: Iterable[str], *, waiting: bool = False) -> FrozenGraph:
    """Return the nodes that ``wanted`` needs, in the old order, and the functions that these call.

    Control inputs of nodes that are gone are gone, too, unless ``waiting`` keeps the nodes.
    """
    needed = reached(graph, wanted, waiting=waiting)
    kept = [_without_waiting(node, needed) for name, node in graph.nodes.items() if name in needed]
    functions = {function.signature.name: function for function in graph.library.function}
    called = _called(kept, functions)
    library = type(graph.library)(function=[functions[name] for name in functions if name in called])
    return graph.replaced(kept, outputs=(), library=library)


def _without_waiting(node: Node, needed: set[str]) -> Node:
    """Return a node that waits for none that is gone."""
    inputs = [tensor for tensor in node.input if producer(tensor) in needed]
    return node if len(inputs) == len(node.input) else copied(node, inputs=inputs)


def _called(nodes: Iterable[Node], functions: dict[str, Any]) -> set[str]:
    """Return the names of the functions that ``nodes`` call, and that these call in turn."""
    called: set[str] = set()
    pending = list(nodes)
    while pending:
        for name in _callees(pending.pop()):
            if name in functions and name not in called:
                called.add(name)
                pending += functions[name].node_def
    return called


def _callees(node: Node) -> list[str]:
    """Return what may be names of functions in a node: its operator, and functions among its attributes."""
    attributes = list(node.attr.values())
    single = [value.func.name for value in attributes if value.HasField("func")]
    several = [function.name for value in attributes for function in value.list.func]
    return [node.op, *single, *several]


def constant_node(name: str, value: Array) -> Node:
    """Return a Const node with the very bytes of ``value``: no number is written as another one's text."""
    tf = tensorflow()
    dtype = tf.as_dtype(value.dtype)
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = dtype.as_datatype_enum
    tensor = node.attr["value"].tensor
    if dtype == tf.string:
        tensor.CopyFrom(tf.make_tensor_proto(value))
        return node
    tensor.dtype = dtype.as_datatype_enum
    tensor.tensor_shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
    tensor.tensor_content = np.ascontiguousarray(value).tobytes()
    return node


def decided_value(graph: FrozenGraph, tensor: str) -> Array | None:
    """Return the value of ``tensor`` if constants alone decide it, computed by TensorFlow, else None."""
    names = reached(graph, [tensor])
    if not all(_decidable(graph.nodes[name]) for name in names):
        return None
    alone = pruned(graph, [tensor])
    try:
        return GraphRunner(alone, [tensor])({})[tensor]
    except ConformanceError:  # TensorFlow finds it wrong, and will say so where it is used
        return None


def _decidable(node: Node) -> bool:
    """Whether a node gives the same value in every run, once its inputs do."""
    definition = op_definition(node.op)
    changing = node.op in INPUT_OPERATORS | CONTROL_FLOW
    return definition is not None and not definition.is_stateful and not changing
