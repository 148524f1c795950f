"""Retyping a graph from float32 to float64: the reference arithmetic of goldens and of the ideal device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.cached_methods import cached_per_object
from conformance.graph.editing import cast, copied, plain
from conformance.graph.lazy_tensorflow import cpu_kernel_types, op_definition, tensorflow

if TYPE_CHECKING:
    from collections.abc import Collection

    from conformance.graph.frozen import FrozenGraph, Node

DOUBLE = "float64"
IN_FLOAT32 = "/float32"
"""What the name of a node between two casts ends with, after the name that it had."""


@cached_per_object
def to_float64(graph: FrozenGraph) -> tuple[FrozenGraph, tuple[str, ...]]:
    """Return ``graph`` computing in float64, and the nodes that stay in float32 for want of a float64 kernel.

    Placeholders become float64. A node without a float64 kernel keeps its type between two casts.
    """
    return retyped(graph, ())


def retyped(graph: FrozenGraph, untouched: Collection[str]) -> tuple[FrozenGraph, tuple[str, ...]]:
    """Return what :func:`to_float64` does, but some nodes as they are.

    Args:
        graph: the graph.
        untouched: these; no float32 goes from other nodes to them, or from them to others.
    """
    rewritten: list[Node] = []
    renamed: dict[str, str] = {}
    kept: list[str] = []
    for node in graph.nodes.values():
        if node.name in untouched:
            rewritten.append(node)
        elif _retypable(node):
            rewritten.append(_retyped(node, apart=node.name in graph.arrays))
        elif _touches_float(node):
            kept.append(node.name)
            rewritten += _between_casts(node, renamed)
        else:
            rewritten.append(node)
    rewired = [
        copied(node, inputs=[renamed.get(tensor, tensor) for tensor in node.input]) for node in rewritten
    ]
    return graph.replaced(rewired), tuple(kept)


def _float() -> int:
    return int(tensorflow().float32.as_datatype_enum)


def _argument_types(node: Node, arguments: Any) -> list[int]:
    """Return the dtypes of a node's declared inputs or outputs, with lists spread out."""
    types: list[int] = []
    for argument in arguments:
        if argument.type_list_attr:
            types += attribute(node, argument.type_list_attr).list.type
            continue
        dtype = attribute(node, argument.type_attr).type if argument.type_attr else argument.type
        types += [dtype] * (attribute(node, argument.number_attr).i if argument.number_attr else 1)
    return types


def attribute(node: Node, key: str) -> Any:
    """Return an attribute of ``node``, or the default that its operator declares (files may leave it out)."""
    if key in node.attr:
        return node.attr[key]
    return next(entry.default_value for entry in op_definition(node.op).attr if entry.name == key)


def input_types(node: Node) -> list[int]:
    """Return the dtype of each data input of ``node``, as TensorFlow enumerates dtypes."""
    definition = op_definition(node.op)
    return _argument_types(node, definition.input_arg) if definition else []


def output_types(node: Node) -> list[int]:
    """Return the dtype of each output of ``node``."""
    definition = op_definition(node.op)
    return _argument_types(node, definition.output_arg) if definition else []


def _touches_float(node: Node) -> bool:
    return _float() in input_types(node) + output_types(node)


def _retypable(node: Node) -> bool:
    """Whether every float of ``node`` is typed by an attribute and a CPU kernel takes float64 there."""
    definition = op_definition(node.op)
    if definition is None or not _touches_float(node):
        return False
    arguments, tf = [*definition.input_arg, *definition.output_arg], tensorflow()
    tying = {dtype.as_datatype_enum for dtype in (tf.float32, tf.variant, tf.resource)}  # to float32 itself
    if any(argument.type in tying or argument.type_list_attr for argument in arguments):
        return False
    switched = {key for key in _float_attributes(node) if any(a.type_attr == key for a in arguments)}
    double = tf.float64.as_datatype_enum
    return any(
        all(double in kernel.get(key, {double}) for key in switched) for kernel in cpu_kernel_types(node.op)
    )


def _float_attributes(node: Node) -> list[str]:
    """Return the names of the operator's type attributes that are float32 here."""
    declared = [entry.name for entry in op_definition(node.op).attr if entry.type == "type"]
    return [key for key in declared if attribute(node, key).type == _float()]


def _retyped(node: Node, *, apart: bool) -> Node:
    """Return a node in float64; the array of a constant that lies apart may stay narrower than its node."""
    tf = tensorflow()
    copy = copied(node)
    for key in _float_attributes(node):
        copy.attr[key].type = tf.float64.as_datatype_enum
    if apart:
        copy.attr["value"].tensor.dtype = tf.float64.as_datatype_enum
    elif node.op == "Const":
        value = tf.make_ndarray(node.attr["value"].tensor).astype(DOUBLE)
        copy.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return copy


def _between_casts(node: Node, renamed: dict[str, str]) -> list[Node]:
    """Return casts to float32, the node under another name, and casts back that take over its outputs."""
    inner = f"{node.name}{IN_FLOAT32}"
    types = dict(enumerate(input_types(node)))
    before, inputs = [], []
    for index, tensor in enumerate(node.input):
        if tensor.startswith("^") or types.get(index) != _float():
            inputs.append(tensor)
            continue
        before.append(cast(f"{inner}/input_{index}", tensor, DOUBLE, "float32"))
        inputs.append(before[-1].name)
    after = []
    for index, dtype in enumerate(output_types(node)):
        outer = node.name if index == 0 else f"{node.name}/output_{index}"
        renamed[f"{node.name}:{index}"] = outer
        if dtype == _float():
            after.append(cast(outer, f"{inner}:{index}", "float32", DOUBLE))
        else:
            after.append(plain(outer, "Identity", [f"{inner}:{index}"], T=dtype))
    return [*before, copied(node, name=inner, inputs=inputs), *after]
