"""Editing graphs: nodes made and copied, and a graph that other versions of TensorFlow read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.lazy_tensorflow import op_definition, tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import FrozenGraph, Node


def copied(
    node: Node, *, name: str | None = None, op: str | None = None, inputs: Sequence[str] | None = None
) -> Node:
    """Return a copy of ``node``, renamed, of another operator, or rewired."""
    copy = type(node)()
    copy.CopyFrom(node)
    copy.name, copy.op = name or node.name, op or node.op
    if inputs is not None:
        del copy.input[:]
        copy.input.extend(inputs)
    return copy


def plain(name: str, op: str, inputs: Sequence[str], **types: Any) -> Node:
    """Return a node whose attributes are all dtypes: ``plain("a", "Neg", ["b"], T=tf.float32)``."""
    tf = tensorflow()
    node = tf.compat.v1.NodeDef(name=name, op=op, input=list(inputs))
    for key, dtype in types.items():
        node.attr[key].type = tf.as_dtype(dtype).as_datatype_enum
    return node


def constant(name: str, value: np.ndarray[Any, Any] | np.generic) -> Node:
    """Return a Const node that holds ``value``."""
    tf = tensorflow()
    node = plain(name, "Const", [], dtype=value.dtype)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def cast(name: str, source: str, from_dtype: Any, to_dtype: Any) -> Node:
    """Return a Cast node."""
    return plain(name, "Cast", [source], SrcT=from_dtype, DstT=to_dtype)


def placeholder(name: str, dtype: Any, shape: Sequence[int | None] | None) -> Node:
    """Return a Placeholder; ``None`` is an unknown dimension or, as the shape, an unknown rank."""
    tf = tensorflow()
    node = plain(name, "Placeholder", [], dtype=dtype)
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return node


def split(name: str, source: str, lengths: Sequence[int], dtype: Any) -> list[Node]:
    """Return nodes that split the last axis of ``source`` into ``name``, ``name:1``, … of these lengths."""
    sizes = constant(f"{name}/sizes", np.array(lengths, np.int32))
    axis = constant(f"{name}/axis", np.int32(-1))
    node = plain(name, "SplitV", [source, sizes.name, axis.name], T=dtype, Tlen="int32")
    node.attr["num_split"].i = len(lengths)
    return [sizes, axis, node]


def reduced(name: str, op: str, source: str, dtype: Any) -> list[Node]:
    """Return nodes of which the last, ``name``, reduces all of ``source``, whatever its rank, to a scalar.

    Args:
        name: of the last node; the others stand below it.
        op: an operator type such as ``Max`` or ``Sum``.
        source: the tensor.
        dtype: of the tensor.
    """
    shape = constant(f"{name}/flat", np.array([-1], np.int32))
    axis = constant(f"{name}/axis", np.array([0], np.int32))
    flat = plain(f"{name}/reshape", "Reshape", [source, shape.name], T=dtype, Tshape="int32")
    return [shape, axis, flat, plain(name, op, [flat.name, axis.name], T=dtype, Tidx="int32")]


def call(
    name: str, function: str, inputs: Sequence[str], in_types: Sequence[Any], out_types: Sequence[Any]
) -> Node:
    """Return a call of a library function that XLA compiles for the shapes it meets."""
    tf = tensorflow()
    node = tf.compat.v1.NodeDef(name=name, op="PartitionedCall", input=list(inputs))
    node.attr["f"].func.name = function
    node.attr["Tin"].list.type.extend(tf.as_dtype(dtype).as_datatype_enum for dtype in in_types)
    node.attr["Tout"].list.type.extend(tf.as_dtype(dtype).as_datatype_enum for dtype in out_types)
    node.attr["_XlaMustCompile"].b = True
    return node


def portable(graph: FrozenGraph) -> FrozenGraph:
    """Return the graph without devices, colocations, and attributes that have their default.

    Its functions, too, are without such attributes.

    An older TensorFlow refuses an attribute that it does not know, even at its default, which is how newer
    ones extend operators; it fills in what is left out.

    Source: "TensorFlow version compatibility", rule for new attributes with defaults.
    """
    graph_def = graph.structure()
    functions = (node for function in graph_def.library.function for node in function.node_def)
    for node in [*graph_def.node, *functions]:
        _drop_defaults(node)
    return graph.replaced(graph_def.node, library=graph_def.library)


def _drop_defaults(node: Any) -> None:
    definition = op_definition(node.op)
    for attribute in definition.attr if definition else ():  # a call of a function has none
        present = attribute.name in node.attr and attribute.HasField("default_value")
        if present and node.attr[attribute.name] == attribute.default_value:
            del node.attr[attribute.name]
