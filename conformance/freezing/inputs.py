"""The inputs of a frozen graph: what is fed, what is fixed, and what takes its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError
from conformance.freezing.reachable import constant_node, pruned
from conformance.graph.dataflow import tensor_types
from conformance.graph.editing import copied, plain
from conformance.graph.frozen import INPUT_OPERATORS, full_name, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.retype import attribute, output_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.graph.frozen import FrozenGraph, Node

DEFAULTED = "PlaceholderWithDefault"
PLACEHOLDERS = INPUT_OPERATORS | {DEFAULTED}
WORDS = {"true": True, "false": False}


def with_inputs(graph: FrozenGraph, fed: Iterable[str], fixed: Mapping[str, str]) -> FrozenGraph:
    """Return the graph with placeholders in place of ``fed``, and constants in place of ``fixed``.

    A PlaceholderWithDefault that is neither hands on its default.

    Args:
        graph: any graph.
        fed: tensors to feed; the placeholder of ``node:1`` is called ``node_1``.
        fixed: placeholders and their values as text, such as ``{"is_training": "false"}``.

    Raises:
        UsageError: a tensor is not in the graph, cannot be fed, or is fixed to something that does not fit.
    """
    feeds = {full_name(tensor): _fed(graph, tensor) for tensor in fed}
    constants = {name: _fixed(graph, name, text) for name, text in fixed.items()}
    renamed = {tensor: node.name for tensor, node in feeds.items()}
    placed = {node.name: node for node in feeds.values()} | constants
    old = [placed.pop(name, None) or _defaulted(graph, node) for name, node in graph.nodes.items()]
    rewired = [
        copied(node, inputs=[renamed.get(full_name(tensor), tensor) for tensor in node.input])
        if any(full_name(tensor) in renamed for tensor in node.input)
        else node
        for node in old
    ]
    return graph.replaced([*placed.values(), *rewired])


def check_fixed(graph: FrozenGraph, fixed: Iterable[str]) -> None:
    """Demand that a graph, pruned but for what waits, holds every placeholder that the user fixed.

    Raises:
        UsageError: it does not hold one.
    """
    for name in fixed:
        if name not in graph.nodes:
            raise UsageError(f"--set {name}: the outputs do not depend on it; leave it out")


def check_fed(graph: FrozenGraph, fed: Iterable[str]) -> None:
    """Demand that a pruned graph needs every input that the user named and, where any is named, no other.

    Raises:
        UsageError: it needs fewer or more.
    """
    named = [placeholder_name(tensor) for tensor in fed]
    for name in named:
        if name not in graph.nodes:
            raise UsageError(f"--input {name}: the outputs do not depend on it; leave it out")
    others = [name for name in graph.inputs if named and name not in named]
    if others:
        raise UsageError(
            f"the outputs need placeholder {others[0]!r}, too; add --input {others[0]}, or fix it with "
            f"--set {others[0]}=VALUE"
        )


def placeholder_name(tensor: str) -> str:
    """Return the name of the placeholder for a tensor: ``a`` for ``a`` and ``a:0``, ``a_1`` for ``a:1``."""
    index = output_index(tensor)
    return f"{producer(tensor)}_{index}" if index else producer(tensor)


def _fed(graph: FrozenGraph, tensor: str) -> Node:
    """Return the placeholder for ``tensor``, with as much of its shape as the graph tells."""
    node = graph.require(tensor)
    name = placeholder_name(tensor)
    if node.op in INPUT_OPERATORS:
        return node
    if name != node.name and name in graph.nodes:
        raise UsageError(f"--input {tensor} would be called {name!r}, as another node is; feed that one")
    types = output_types(node)
    if output_index(tensor) >= len(types):
        raise UsageError(
            f"--input {tensor} in {graph.source}: node {node.name!r} ({node.op}) has {len(types)} outputs "
            "that are known; feed another tensor"
        )
    made = plain(name, "Placeholder", [], dtype=types[output_index(tensor)])
    made.attr["shape"].shape.CopyFrom(_shape(graph, node, output_index(tensor)))
    return made


def _shape(graph: FrozenGraph, node: Node, index: int) -> Any:
    """Return the shape that an attribute records, or that TensorFlow infers, or an unknown one."""
    if "shape" in node.attr and node.op in PLACEHOLDERS:
        return node.attr["shape"].shape
    for key in ("output_shapes", "_output_shapes"):
        if key in node.attr and index < len(node.attr[key].list.shape):
            return node.attr[key].list.shape[index]
    return tensorflow().TensorShape(_inferred_shape(graph, node.name, index)).as_proto()


def _inferred_shape(graph: FrozenGraph, name: str, index: int) -> tuple[int | None, ...] | None:
    try:
        return tensor_types(pruned(graph, [name]))[name][index].shape
    except (ValueError, UsageError):  # TensorFlow does not open what computes it; it will not be needed
        return None


def _fixed(graph: FrozenGraph, name: str, text: str) -> Node:
    """Return a constant in place of a placeholder."""
    node = graph.require(name)
    if node.op not in PLACEHOLDERS:
        raise UsageError(f"--set {name}={text}: {name!r} in {graph.source} is no placeholder but {node.op}")
    tf = tensorflow()
    dtype = tf.as_dtype(attribute(node, "dtype").type)
    try:
        number = WORDS[text.lower()] if dtype.is_bool else float(text)
        value = np.asarray(number).astype(dtype.as_numpy_dtype)
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"--set {name}={text}: {name!r} in {graph.source} is {dtype.name}; give such a value"
        ) from error
    if value != number:
        raise UsageError(f"--set {name}={text}: {dtype.name} does not hold that value; give one that it does")
    shape = tf.TensorShape(node.attr["shape"].shape if "shape" in node.attr else None)
    if shape.rank and not shape.is_fully_defined():
        raise UsageError(f"--set {name}={text}: {name!r} in {graph.source} has shape {shape}; feed it")
    return constant_node(name, np.full(shape.as_list() if shape.rank else (), value))


def _defaulted(graph: FrozenGraph, node: Node) -> Node:
    """Return a placeholder's default in its place, and every other node as it is."""
    if node.op != DEFAULTED:
        return node
    default = graph.nodes.get(producer(node.input[0]))
    if default is not None and default.op == "Const":
        return copied(default, name=node.name)
    return plain(node.name, "Identity", list(node.input), T=node.attr["dtype"].type)
