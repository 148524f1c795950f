"""Quantisation scales that a graph brings along: attributes of its nodes, which TensorFlow takes and ignores.

A graph that Cambricon's tool quantised says how: its scales become these attributes when its nodes become
TensorFlow's, and stay with it when it is cut, saved and read again.
"""

from __future__ import annotations

import collections
import math
from typing import TYPE_CHECKING

from conformance.graph.editing import copied
from conformance.graph.operators import PRODUCT_SUMS, known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.graph.frozen import FrozenGraph, Node

BITS, SCALES = "_fixed_bits", ("_input_scale", "_filter_scale")
"""Attributes: the width at which the scales hold, and those of a node's input and filter."""
OPERANDS = ("input", "filter")
SHOWN = 3
OF_SHAPES = "Cambricon's tool calibrates transposed convolutions so, and the card uses it"
SAME = 1e-5
"""Scales that differ by less, relatively, are the same: a parameter file keeps 6 digits."""


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
    return told + [
        line for bits, scales in own_scales(graph).items() for line in of_shapes(graph, scales, bits)
    ]


def of_shapes(graph: FrozenGraph, scales: Mapping[str, float], bits: int) -> list[str]:
    """Return a sentence on input scales that are those of the shape which a transposed convolution reads.

    Args:
        graph: the network.
        scales: by ``NODE/input`` and ``NODE/filter``.
        bits: the width that they are for.
    """
    found = [
        node.name
        for node in graph.nodes.values()
        if (wanted := _scale_of_shape(graph, node, bits)) is not None
        and math.isclose(scales.get(f"{node.name}/input", 0.0), wanted, rel_tol=SAME)
    ]
    if not found:
        return []
    more = f" and {len(found) - SHOWN} more" if found[SHOWN:] else ""
    listed = ", ".join(found[:SHOWN]) + more
    return [f"the input scale of {listed} is that of the output's shape, not of the values: {OF_SHAPES}"]


def _scale_of_shape(graph: FrozenGraph, node: Node, bits: int) -> float | None:
    """Return the scale of a fixed-point node's first argument where that is a shape, and not the input."""
    if node.op not in PRODUCT_SUMS or known(node.op).data_arguments[0] == 0:
        return None
    shape = graph.constant(node.input[0])
    if shape is None or not shape.size or (longest := float(shape.max())) <= 0:
        return None
    return float((2.0 ** (bits - 1) - 1) / longest)
