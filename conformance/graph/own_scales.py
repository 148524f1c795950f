"""Quantisation scales that a graph brings along: attributes of its nodes, which TensorFlow takes and ignores.

A graph that Cambricon's tool quantised says how: its scales become these attributes when its nodes become
TensorFlow's, and stay with it when it is cut, saved and read again.
"""

from __future__ import annotations

import collections
import math
from typing import TYPE_CHECKING

from conformance.graph.editing import copied
from conformance.graph.operators import known

if TYPE_CHECKING:
    from conformance.graph.frozen import FrozenGraph, Node

BITS, SCALES = "_fixed_bits", ("_input_scale", "_filter_scale")
"""Attributes: the width at which the scales hold, and those of a node's input and filter."""
OPERANDS = ("input", "filter")
SHOWN = 3
OF_SHAPES = "Cambricon's tool calibrates transposed convolutions so, and the card uses it"
SAME = 1e-6
"""Scales that differ by less, relatively, are the same: they are kept as float32."""


def with_scales(node: Node, bits: int, scales: tuple[float, float]) -> Node:
    """Write scales of input and filter into a node, and return it."""
    node.attr[BITS].i = bits
    for key, scale in zip(SCALES, scales, strict=True):
        node.attr[key].f = scale
    return node


def without_scales(graph: FrozenGraph) -> FrozenGraph:
    """Return the graph without scales of its own, which are not those of other weights."""
    if not _holders(graph):
        return graph
    nodes = [copied(node) for node in graph.nodes.values()]
    for node in nodes:
        for key in (BITS, *SCALES):
            node.attr.pop(key, None)
    return graph.replaced(nodes)


def own_scales(graph: FrozenGraph) -> dict[int, dict[str, float]]:
    """Return the scales that a graph brings along: by width, then by ``NODE/input`` and ``NODE/filter``."""
    found: dict[int, dict[str, float]] = collections.defaultdict(dict)
    for node in _holders(graph):
        for which, key in zip(OPERANDS, SCALES, strict=True):
            found[node.attr[BITS].i][f"{node.name}/{which}"] = node.attr[key].f
    return dict(found)


def _holders(graph: FrozenGraph) -> list[Node]:
    return [node for node in graph.nodes.values() if BITS in node.attr]


def told_scales(graph: FrozenGraph) -> list[str]:
    """Return what a user should know of the scales that a graph brings along, as sentences."""
    holders = _holders(graph)
    by_width = collections.Counter(node.attr[BITS].i for node in holders)
    told = []
    for bits, count in sorted(by_width.items()):
        ops = collections.Counter(node.op for node in holders if node.attr[BITS].i == bits)
        kinds = ", ".join(f"{op} {number}" for op, number in ops.most_common())
        told.append(
            f"{count} nodes were quantised at int{bits} ({kinds}): their scales come from the graph and are "
            "not calibrated"
        )
    return told + _of_shapes(graph, holders)


def _of_shapes(graph: FrozenGraph, holders: list[Node]) -> list[str]:
    """Return a sentence on inputs whose scale is that of the shape which a transposed convolution reads."""
    found = [node.name for node in holders if _is_of_shape(graph, node)]
    if not found:
        return []
    more = f" and {len(found) - SHOWN} more" if found[SHOWN:] else ""
    listed = ", ".join(found[:SHOWN]) + more
    return [f"the input scale of {listed} is that of the output's shape, not of the values: {OF_SHAPES}"]


def _is_of_shape(graph: FrozenGraph, node: Node) -> bool:
    if known(node.op).data_arguments[0] == 0:
        return False
    shape = graph.constant(node.input[0])
    if shape is None or not shape.size or (longest := float(shape.max())) <= 0:
        return False
    scale = (2.0 ** (node.attr[BITS].i - 1) - 1) / longest
    return math.isclose(node.attr[SCALES[0]].f, scale, rel_tol=SAME)
