"""Which intermediates a fused kernel may keep wider than their storage type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.graph.frozen import producer
from conformance.graph.operators import ELEMENTWISE, EXACT, MOVEMENT

if TYPE_CHECKING:
    from conformance.graph.frozen import FrozenGraph

FUSABLE = ELEMENTWISE | (EXACT - MOVEMENT)
"""Operators that read an intermediate where it was computed, before it is stored."""


def unstored(graph: FrozenGraph, fetches: set[str]) -> frozenset[str]:
    """Return the elementwise nodes that are read by fusable operators alone and not fetched.

    Args:
        graph: the graph to compile.
        fetches: nodes whose result leaves the device, so that it is stored.
    """
    readers: dict[str, list[str]] = {}
    for node in graph.graph_def.node:
        for tensor in node.input:
            readers.setdefault(producer(tensor), []).append(node.op)
    return frozenset(
        name
        for name, operators in readers.items()
        if graph.nodes[name].op in ELEMENTWISE and name not in fetches and FUSABLE.issuperset(operators)
    )
