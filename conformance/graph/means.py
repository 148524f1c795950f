"""Means over several axes, written otherwise: the same numbers in exact arithmetic, other ones in half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.graph.dataflow import tensor_types
from conformance.graph.editing import constant, plain
from conformance.graph.retype import attribute
from conformance.graph.sums import reduced_axes, static_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from conformance.graph.frozen import FrozenGraph, Node

    Axis = tuple[int, int]

IN_TURN = "one Mean per axis, the last axis first"
DIVIDED_FIRST = "x / n before each axis' sum"


def rewritten_means(graph: FrozenGraph, how: str, names: Collection[str]) -> FrozenGraph | None:
    """Return the graph with Means over several axes written otherwise, or None where none of them can be.

    Args:
        graph: the network.
        how: a key of :data:`REWRITES`.
        names: the Means; those over one axis, or whose axes or lengths are not constant, stay.
    """
    types = tensor_types(graph)
    nodes: list[Node] = []
    changed = False
    for node in graph.nodes.values():
        shape = static_shapes(types)(node.input[0]) if node.name in names and node.op == "Mean" else None
        axes = reduced_axes(graph, node, len(shape)) if shape is not None else None
        if shape is None or axes is None or len(axes) < 2 or any(shape[axis] is None for axis in axes):
            nodes.append(node)
            continue
        lengths = [(axis, int(shape[axis] or 0)) for axis in reversed(axes)]
        nodes += _taken_apart(node, REWRITES[how], lengths)
        changed = True
    return graph.replaced(nodes) if changed else None


def _taken_apart(
    node: Node, of_axis: Callable[[str, str, Axis, int], list[Node]], axes: Sequence[Axis]
) -> list[Node]:
    """Return nodes that take over a Mean, axis by axis; the last one has its name."""
    dtype, keeps = attribute(node, "T").type, attribute(node, "keep_dims").b
    source, parts = node.input[0], []
    for index, axis in enumerate(axes):
        last = index == len(axes) - 1 and keeps
        parts += of_axis(node.name if last else f"{node.name}/axis_{axis[0]}", source, axis, dtype)
        source = parts[-1].name
    if not keeps:
        squeezed = plain(node.name, "Squeeze", [source], T=dtype)
        squeezed.attr["squeeze_dims"].list.i.extend(sorted(axis for axis, _ in axes))
        parts.append(squeezed)
    return parts


def _mean(name: str, source: str, axis: Axis, dtype: int) -> list[Node]:
    return _reduced("Mean", name, source, axis, dtype)


def _sum_of_parts(name: str, source: str, axis: Axis, dtype: int) -> list[Node]:
    share = constant(f"{name}/share", np.float32(1 / axis[1]))
    parts = plain(f"{name}/parts", "Mul", [source, share.name], T=dtype)
    return [share, parts, *_reduced("Sum", name, parts.name, axis, dtype)]


def _reduced(op: str, name: str, source: str, axis: Axis, dtype: int) -> list[Node]:
    axes = constant(f"{name}/axes", np.array([axis[0]], np.int32))
    node = plain(name, op, [source, axes.name], T=dtype, Tidx="int32")
    node.attr["keep_dims"].b = True
    return [axes, node]


REWRITES: dict[str, Callable[[str, str, Axis, int], list[Node]]] = {
    IN_TURN: _mean,
    DIVIDED_FIRST: _sum_of_parts,
}
"""Ways to write a Mean, each with what makes the nodes of one axis."""
