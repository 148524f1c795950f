"""Dominators: through which node every way from the inputs, or to the outputs, leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import networkx as nx

OUTSIDE = "\0outside"
"""What dominates a node that no single node does; no node of TensorFlow can be called so."""


def dominators(live: nx.DiGraph, inputs: Iterable[str]) -> dict[str, str]:
    """Return for each node the last other node that every way from ``inputs`` to it leads through."""
    return _immediate(live, inputs)


def post_dominators(live: nx.DiGraph, outputs: Iterable[str]) -> dict[str, str]:
    """Return for each node the first other node that every way from it to ``outputs`` leads through.

    Nodes from which no output is reached have none and are left out.
    """
    return _immediate(live.reverse(copy=True), outputs)


def _immediate(flow: nx.DiGraph, sources: Iterable[str]) -> dict[str, str]:
    import networkx as nx

    rooted = flow.copy()
    rooted.add_node(OUTSIDE)
    rooted.add_edges_from((OUTSIDE, name) for name in sources if name in flow)
    found = nx.immediate_dominators(rooted, OUTSIDE)
    return {name: found[name] for name in flow if name in found}
