"""Putting operators with a float64 kernel in place of those that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.cached_methods import cached_per_object
from conformance.graph.compositions import COMPOSITIONS
from conformance.graph.editing import cast, copied
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.retype import attribute, input_types, output_types, retyped, to_float64

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph, Node

    Tensor = Any
    Composition = Callable[[Node, Sequence[Tensor]], Tensor]

INSIDE = "/wide/"
"""Below it, after the node's name, stand the nodes that it is composed of."""
FED = "fed_"
"""Of these, what hands in an input in float64."""


def composable(graph: FrozenGraph) -> list[str]:
    """Return the nodes whose operator has a composition, which says all that is read of them."""
    read = {
        producer(tensor)
        for node in graph.nodes.values()
        for tensor in node.input
        if ":" in tensor and not tensor.endswith(":0")
    }
    return [
        name
        for name, node in graph.nodes.items()
        if node.op in COMPOSITIONS and name not in read and _is_known(node)
    ]


def _is_known(node: Node) -> bool:
    """Whether float32 comes out, and a batch normalisation does not train."""
    trains = node.op.startswith("FusedBatchNorm") and attribute(node, "is_training").b
    single: int = tensorflow().float32.as_datatype_enum
    return output_types(node)[0] == single and not trains


def composed(graph: FrozenGraph, compositions: Mapping[str, Composition]) -> FrozenGraph:
    """Return ``graph`` with some nodes composed of others, under ``<name>/wide/…``, that compute in float64.

    Each keeps its name, and is a Cast of the float64 result.

    Args:
        graph: in float32.
        compositions: what makes the first output of a node of its inputs, by the node's name.
    """
    nodes: list[Node] = []
    for node in graph.nodes.values():
        made = compositions.get(node.name)
        nodes += [node] if made is None else _parts(node, made)
    return graph.replaced(nodes) if compositions else graph


def _parts(node: Node, composition: Composition) -> list[Node]:
    tf = tensorflow()
    data = data_inputs(node)
    single = tf.float32.as_datatype_enum
    types = [tf.float64 if dtype == single else tf.as_dtype(dtype) for dtype in input_types(node)]
    with tf.Graph().as_default() as drawn:
        fed = [tf.compat.v1.placeholder(dtype, name=f"{FED}{index}") for index, dtype in enumerate(types)]
        made = tf.identity(composition(node, fed), name="made")
    inside = f"{node.name}{INSIDE}"
    sources = {f"{FED}{index}": tensor for index, tensor in enumerate(data)}
    before = [
        cast(f"{inside}{FED}{index}", tensor, tf.float32, tf.float64)
        for index, tensor in enumerate(data)
        if types[index] == tf.float64
    ]
    sources.update({part.name.removeprefix(inside): part.name for part in before})
    parts = [
        _inside(part, inside, sources, f"^{producer(data[0])}")
        for part in drawn.as_graph_def().node
        if part.op != "Placeholder"
    ]
    after = cast(node.name, f"{inside}{made.op.name}", tf.float64, tf.float32)
    after.input.extend(tensor for tensor in node.input if tensor.startswith("^"))
    return [*before, *parts, after]


def _inside(part: Node, inside: str, sources: Mapping[str, str], after: str) -> Node:
    """Return a node that was drawn by itself as it is called in the graph, in the frame of its inputs."""
    inputs = [_outer(tensor, inside, sources) for tensor in part.input] or [after]
    return copied(part, name=f"{inside}{part.name}", inputs=inputs)


def _outer(tensor: str, inside: str, sources: Mapping[str, str]) -> str:
    mark = "^" if tensor.startswith("^") else ""
    name = producer(tensor)
    if name in sources:
        return f"^{producer(sources[name])}" if mark else sources[name]
    return f"{mark}{inside}{tensor.removeprefix('^')}"


@cached_per_object
def reference_graph(graph: FrozenGraph) -> tuple[FrozenGraph, tuple[str, ...]]:
    """Return ``graph`` computing in float64, and the nodes that stay in float32.

    These have neither a float64 kernel nor a composition.
    """
    return composed_in_float64(graph, dict.fromkeys(composable(graph), exact_composition))


def composed_in_float64(
    graph: FrozenGraph, compositions: Mapping[str, Composition]
) -> tuple[FrozenGraph, tuple[str, ...]]:
    """Return ``graph`` computing in float64, some nodes composed, and the nodes that stay in float32.

    Inside a composition every step keeps its type.
    """
    if not compositions:
        return to_float64(graph)
    made = composed(graph, compositions)
    inside = {name for name in made.nodes.keys() - graph.nodes.keys() if INSIDE + FED not in name}
    return retyped(made, inside)


def exact_composition(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """Return what an operator computes in float64, no step of which is rounded."""
    return COMPOSITIONS[node.op](node, inputs, lambda step: step)
