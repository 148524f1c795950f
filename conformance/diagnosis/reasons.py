"""Why culprits fail: evidence in the goldens' numbers, for their first and worst nodes of every branch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from conformance.diagnosis.evidence import evidence_of
from conformance.diagnosis.model import Reason
from conformance.diagnosis.network_errors import branches_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from conformance.diagnosis.forwards import Forwards
    from conformance.diagnosis.model import Culprit
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision

MOST_NODES = 4
"""Nodes of a culprit whose numbers are looked at."""


def with_reasons(culprits: Sequence[Culprit], precision: Precision, forwards: Forwards) -> list[Culprit]:
    """Return the culprits with what the goldens show of them."""
    evaluation, store = forwards.evaluation(), forwards.store
    graph = store.network.graph
    branches = branches_of(graph)
    wanted = {culprit.what: _looked_at(culprit, branches) for culprit in culprits}
    store.ensure([name for names in wanted.values() for node in names for name in _near(graph, node, store)])

    def values(name: str) -> np.ndarray[Any, Any]:
        feeds = store.network.feeds(forwards.sample)
        if name in feeds:
            return feeds[name]
        if name not in _known(store):
            raise KeyError(name)
        return store.get(name, forwards.sample)

    scales = evaluation.scales(precision.fixed_bits)
    return [
        msgspec.structs.replace(
            culprit,
            reasons=[
                Reason(node=item.node, kind=item.kind, sentence=item.sentence, figures=dict(item.figures))
                for node in wanted[culprit.what]
                for item in evidence_of(node, graph, precision, scales, values)
            ],
        )
        for culprit in culprits
    ]


def _looked_at(culprit: Culprit, branches: dict[str, str]) -> list[str]:
    """Return the worst node of a culprit, its first, and the first of every other branch."""
    firsts: dict[str, str] = {}
    for node in culprit.nodes:
        firsts.setdefault(branches.get(node, ""), node)
    return list(dict.fromkeys([culprit.worst, culprit.nodes[0], *firsts.values()]))[:MOST_NODES]


def _near(graph: FrozenGraph, node: str, store: Any) -> list[str]:  # noqa: ANN401 - a GoldenStore
    """Return a node and what it reads, as far as there are goldens."""
    from conformance.graph.frozen import producer

    known = _known(store)
    names = [node, *(producer(tensor) for tensor in graph.nodes[node].input if not tensor.startswith("^"))]
    return [name for name in names if name in known]


def _known(store: Any) -> set[str]:  # noqa: ANN401 - a GoldenStore
    return {node.name for node in store.manifest.nodes}
