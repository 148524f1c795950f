"""Building NodeDefs: the few shapes of node that rewriting a graph needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.graph.tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from conformance.graph.frozen import Node


def copied(node: Node, *, name: str | None = None, inputs: Sequence[str] | None = None) -> Node:
    """Return a copy of ``node``, renamed or rewired."""
    copy = type(node)()
    copy.CopyFrom(node)
    if name is not None:
        copy.name = name
    if inputs is not None:
        del copy.input[:]
        copy.input.extend(inputs)
    return copy


def plain(name: str, op: str, inputs: Sequence[str], **types: Any) -> Node:  # noqa: ANN401 - dtypes by attribute
    """Return a node whose attributes are all dtypes: ``plain("a", "Neg", ["b"], T=tf.float32)``."""
    tf = tensorflow()
    node = tf.compat.v1.NodeDef(name=name, op=op, input=list(inputs))
    for key, dtype in types.items():
        node.attr[key].type = tf.as_dtype(dtype).as_datatype_enum
    return node


def constant(name: str, value: np.ndarray[Any, Any]) -> Node:
    """Return a Const node that holds ``value``."""
    tf = tensorflow()
    node = plain(name, "Const", [], dtype=value.dtype)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node


def cast(name: str, source: str, from_dtype: Any, to_dtype: Any) -> Node:  # noqa: ANN401 - TensorFlow or NumPy dtypes
    """Return a Cast node."""
    return plain(name, "Cast", [source], SrcT=from_dtype, DstT=to_dtype)


def placeholder(name: str, dtype: Any, shape: Sequence[int | None] | None) -> Node:  # noqa: ANN401
    """Return a Placeholder; ``None`` is an unknown dimension or, as the shape, an unknown rank."""
    tf = tensorflow()
    node = plain(name, "Placeholder", [], dtype=dtype)
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return node


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
