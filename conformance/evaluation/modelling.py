"""Results that say nothing of a card: they rest on nodes whose numerics the emulator does not model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.graph.dataflow import computed_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.graph.frozen import FrozenGraph

NAMED = 3
"""Nodes that a sentence names; of others it has the number."""


def not_modelled(
    graph: FrozenGraph, fetches: Iterable[str], unmodelled: Sequence[str], precision: str
) -> dict[str, str]:
    """Return a sentence per fetch that rests on unmodelled nodes; none for the others.

    Args:
        graph: what the device ran; where goldens were fed in place of nodes, these end what a fetch rests on.
        fetches: names of nodes.
        unmodelled: what the device's session said. A name that the graph does not have counts for all.
        precision: at which it ran, in words.
    """
    if not unmodelled:
        return {}
    after = computed_from(graph, [name for name in unmodelled if name in graph.nodes])
    resting = {fetch: [name for name in unmodelled if fetch in after.get(name, {fetch})] for fetch in fetches}
    return {fetch: _sentence(graph, names, precision) for fetch, names in resting.items() if names}


def _sentence(graph: FrozenGraph, names: Sequence[str], precision: str) -> str:
    words = [f"{name} ({graph.nodes[name].op})" if name in graph.nodes else name for name in names[:NAMED]]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"its numerics at {precision} are not modelled: {', '.join(words)}{more} ran in float"
