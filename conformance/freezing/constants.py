"""Constants that hold a value bit for bit, and tensors whose value is decided by constants alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import ConformanceError
from conformance.freezing.reachable import pruned, reached
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import INPUT_OPERATORS
from conformance.graph.operators import CONTROL_FLOW
from conformance.graph.tensorflow import op_definition, tensorflow

if TYPE_CHECKING:
    from conformance.graph.frozen import FrozenGraph, Node

Array = np.ndarray[Any, Any]


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
