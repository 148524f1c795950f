"""Why culprits fail: evidence in the goldens' numbers, for their first and worst nodes of every branch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from conformance.diagnosis.evidence import evidence_of
from conformance.diagnosis.model import Reason
from conformance.diagnosis.network_errors import branches_of
from conformance.graph.frozen import producer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np

    from conformance.diagnosis.model import Culprit
    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

MOST_NODES = 4
"""Nodes of a culprit whose numbers are looked at."""


def with_reasons(
    culprits: Sequence[Culprit],
    precision: Precision,
    store: GoldenStore,
    scales: QuantizationScales,
    sample: int,
) -> list[Culprit]:
    """Return the culprits with what the goldens of one sample show of them, after the reasons they have."""
    branches = branches_of(store.network.graph)
    wanted = {culprit.what: _looked_at(culprit, branches) for culprit in culprits if culprit.kind != "device"}
    nodes = list(dict.fromkeys(node for listed in wanted.values() for node in listed))
    found = explained(nodes, precision, store, scales, sample)
    return [
        msgspec.structs.replace(
            culprit,
            reasons=[
                *culprit.reasons,
                *(reason for node in wanted.get(culprit.what, []) for reason in found[node]),
            ],
        )
        for culprit in culprits
    ]


def explained(
    nodes: Sequence[str],
    precision: Precision,
    store: GoldenStore,
    scales: QuantizationScales,
    sample: int,
) -> dict[str, list[Reason]]:
    """Return what the goldens of one sample show of each node, strongest first."""
    graph, known = store.network.graph, {node.name for node in store.manifest.nodes}
    near = [name for node in nodes for name in _near(graph, node)]
    store.ensure(name for name in near if name in known)

    def values(name: str) -> np.ndarray[Any, Any]:
        feeds = store.network.feeds(sample)
        if name in feeds:
            return feeds[name]
        if name not in known:
            raise KeyError(name)
        return store.get(name, sample)

    return {
        node: [
            Reason(node=item.node, kind=item.kind, sentence=item.sentence, figures=dict(item.figures))
            for item in evidence_of(node, graph, precision, scales, values)
        ]
        for node in nodes
    }


def with_repeats(culprits: Sequence[Culprit], repeats: Mapping[str, tuple[int, int]]) -> list[Culprit]:
    """Return the culprits, those that hand out old results with a reason that says so.

    Args:
        culprits: what is to blame.
        repeats: nodes that returned what is right for the sample that ran before: (sample, before).
    """
    return [
        msgspec.structs.replace(culprit, reasons=[*_repeated(culprit.nodes, repeats), *culprit.reasons])
        for culprit in culprits
    ]


def _repeated(nodes: Collection[str], repeats: Mapping[str, tuple[int, int]]) -> list[Reason]:
    return [_old_result(node, *repeats[node]) for node in nodes if node in repeats]


def _old_result(node: str, sample: int, before: int) -> Reason:
    return Reason(
        node=node,
        kind="old result",
        sentence=f"For sample {sample}, {node} returned what is right for sample {before}, which ran before: "
        "it hands out an old result.",
        figures={"sample": sample, "before": before},
    )


def _looked_at(culprit: Culprit, branches: Mapping[str, str]) -> list[str]:
    """Return the worst node of a culprit, its first, and the first of every other branch."""
    firsts: dict[str, str] = {}
    for node in culprit.nodes:
        firsts.setdefault(branches.get(node, ""), node)
    return list(dict.fromkeys([culprit.worst, culprit.nodes[0], *firsts.values()]))[:MOST_NODES]


def _near(graph: FrozenGraph, node: str) -> list[str]:
    """Return a node and what it reads."""
    return [node, *(producer(tensor) for tensor in graph.nodes[node].input if not tensor.startswith("^"))]
