"""From nodes whose own error exceeds its bound to the operators that are to blame."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from conformance.diagnosis.model import Culprit
from conformance.diagnosis.network_errors import segment
from conformance.graph.dataflow import dataflow, topological

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import networkx as nx

    from conformance.diagnosis.model import NodeErrors
    from conformance.graph.frozen import FrozenGraph

WHOLE_KIND = 0.5
"""Share of an operator type's judged nodes that must fail before the type is to blame, not its nodes."""
REFINED = 8
"""Failing key nodes whose inner nodes are looked at, the first ones in order: more show no more."""


def failing(errors: Iterable[NodeErrors]) -> list[NodeErrors]:
    """Return the nodes whose own error exceeds its bound, or that the device could not compute."""
    return [item for item in errors if item.outcome in ("deviates", "broken")]


def inner_nodes(
    graph: FrozenGraph, errors: Sequence[NodeErrors], key: Collection[str], judgeable: Collection[str]
) -> list[str]:
    """Return the nodes that must be judged to tell which operator of a failing key node's piece fails.

    A cut graph falls into pieces, each a key node and what it computes of goldens. Where the piece is one
    operator, that one is to blame; and if nodes of a type fail so, others of the type need no closer look.
    """
    flow = dataflow(graph)
    unclear = _unclear(flow, failing(errors), key, judgeable)
    wanted = {name for node in unclear[:REFINED] for name in (node, *segment(flow, node, key))}
    return [name for name in judgeable if name in wanted]


def _unclear(
    flow: nx.DiGraph, failed: Sequence[NodeErrors], key: Collection[str], judgeable: Collection[str]
) -> list[str]:
    """Return the failing key nodes whose piece holds other operators that may be to blame."""
    inner = {item.node: set(segment(flow, item.node, key)).intersection(judgeable) for item in failed}
    proven = {item.op for item in failed if not inner[item.node]}
    return [item.node for item in failed if inner[item.node] and item.op not in proven]


def origins(
    graph: FrozenGraph, errors: Sequence[NodeErrors], inner: Sequence[NodeErrors], key: Collection[str]
) -> list[NodeErrors]:
    """Return the failing nodes that read nothing which fails in the same piece: where failures begin.

    Of key nodes that were not looked into, those are left out whose likes all turned out to be innocent.
    """
    flow = dataflow(graph)
    known = {item.node: item for item in (*errors, *inner)}
    failed = {item.node for item in failing(known.values())}
    begun = [
        known[name] for name in _in_order(graph, failed) if not failed.intersection(segment(flow, name, key))
    ]
    looked = {item.node: item.op for item in inner if item.node in failed and item.node in key}
    innocent = set(looked.values()) - {item.op for item in begun if item.node in looked}
    return [item for item in begun if item.node in looked or item.node not in key or item.op not in innocent]


def _in_order(graph: FrozenGraph, names: Collection[str]) -> list[str]:
    return [name for name in topological(graph) if name in names]


def grouped(
    begun: Sequence[NodeErrors], judged: Iterable[NodeErrors], failures: Mapping[str, str]
) -> list[Culprit]:
    """Return the culprits: an operator type where at least half of its judged nodes fail, else single nodes.

    Args:
        begun: the failing nodes where failures begin, producers first.
        judged: every node that was judged.
        failures: what the device said of nodes that it could not compute.
    """
    totals = collections.Counter({item.node: item.op for item in judged}.values())
    by_type: dict[str, list[NodeErrors]] = {}
    for item in begun:
        by_type.setdefault(item.op, []).append(item)
    culprits = []
    for op, items in by_type.items():
        if len(items) > 1 and len(items) >= WHOLE_KIND * totals[op]:
            culprits.append(_culprit(op, "operator", items, failures))
        else:
            culprits += [_culprit(item.node, "node", [item], failures) for item in items]
    return culprits


def _culprit(what: str, kind: str, items: Sequence[NodeErrors], failures: Mapping[str, str]) -> Culprit:
    worst = max(items, key=_size)
    return Culprit(
        what=what,
        kind=kind,  # type: ignore[arg-type]
        nodes=[item.node for item in items],
        worst=worst.node,
        excess=worst.excess,
        failure=failures.get(worst.node, ""),
    )


def _size(item: NodeErrors) -> float:
    """Return how far a node is off; one that gave no comparable result is farthest."""
    return float("inf") if item.excess is None else item.excess
