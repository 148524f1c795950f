"""From nodes whose own error exceeds its bound to the operators that are to blame."""

from __future__ import annotations

import collections
import itertools
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
"""Share of an operator type's nodes that must fail before the type is to blame, not its nodes."""
REFINED = 8
"""Failing key nodes whose inner nodes are looked at, the first ones in order: more show no more."""
APART = 30.0
"""How many times farther off a node is that fails for another reason than the rest of its type."""
FAILED = ("deviates", "broken", "unsupported")


def failing(errors: Iterable[NodeErrors]) -> list[NodeErrors]:
    """Return the nodes whose own error exceeds its bound, or that the device could not compute."""
    return [item for item in errors if item.outcome in FAILED]


class Segments:
    """The segments of a graph that is cut at its key nodes: each a key node and what it computes of goldens.

    Args:
        graph: the network.
        key: its key nodes.
        judgeable: the nodes that can be judged, producers first.
    """

    def __init__(self, graph: FrozenGraph, key: Collection[str], judgeable: Sequence[str]) -> None:
        self._graph, self._key, self._judgeable = graph, set(key), judgeable
        self._flow: nx.DiGraph = dataflow(graph)
        self._inside: dict[str, list[str]] = {}

    def inside(self, node: str) -> list[str]:
        """Return the judgeable nodes between ``node`` and the key nodes that it reads, producers first."""
        if node not in self._inside:
            found = set(segment(self._flow, node, self._key))
            self._inside[node] = [name for name in self._judgeable if name in found]
        return self._inside[node]

    def unclear(self, errors: Iterable[NodeErrors]) -> list[str]:
        """Return the failing key nodes whose segment holds other operators that may be to blame.

        Where a segment is one operator, that one is to blame; and if all such segments of a type fail, others
        that end in it and are about as far off need no closer look, but for the farthest of them.
        """
        listed = list(errors)
        proven = self._proven(listed)
        several = [item for item in failing(listed) if self.inside(item.node)]
        farthest = {item.op: item.node for item in sorted(several, key=_size)}
        return [
            item.node
            for item in several
            if not _size(item) <= APART * proven.get(item.op, 0.0)
            or (item.node == farthest[item.op] and _size(item) > proven[item.op])
        ]

    def _proven(self, errors: Sequence[NodeErrors]) -> dict[str, float]:
        """Return the operator types that fail wherever they are a whole segment, and how far at most."""
        alone = [item for item in errors if not self.inside(item.node)]
        right = {item.op for item in alone if item.outcome not in FAILED}
        sizes: dict[str, float] = {}
        for item in alone:
            if item.op not in right:
                sizes[item.op] = max(sizes.get(item.op, 0.0), _size(item))
        return sizes

    def to_judge(self, unclear: Sequence[str]) -> list[str]:
        """Return the nodes whose own errors tell which operator of these key nodes' segments fails."""
        wanted = {name for node in unclear[:REFINED] for name in (node, *self.inside(node))}
        return [name for name in self._judgeable if name in wanted]

    def origins(self, errors: Sequence[NodeErrors], inner: Sequence[NodeErrors]) -> list[NodeErrors]:
        """Return the failing nodes that read nothing which fails in the same segment: where failures begin.

        Of segments that were not looked into, those are left out whose likes all turned out to be innocent.

        Args:
            errors: of the key nodes.
            inner: of the nodes of segments that were looked into, key nodes among them.
        """
        known = {item.node: item for item in (*errors, *inner)}
        failed = {item.node for item in failing(known.values())}
        ordered = [name for name in topological(self._graph) if name in failed]
        begun = [known[name] for name in ordered if not failed.intersection(self.inside(name))]
        looked = {item.node for item in inner if item.node in self._key}
        guilty = {item.op for item in begun if item.node in looked}
        innocent = {known[name].op for name in looked} - guilty
        unseen = {name for name in self._key - looked if self.inside(name)}
        return [item for item in begun if item.node not in unseen or item.op not in innocent]

    def cleared(self, errors: Sequence[NodeErrors], inner: Sequence[NodeErrors]) -> list[str]:
        """Return the failing key nodes that are right as soon as all nodes of their segment are fetched."""
        right = {item.node for item in inner} - {item.node for item in failing(inner)}
        return [item.node for item in failing(errors) if item.node in right]

    def looked_at(self, errors: Sequence[NodeErrors], inner: Sequence[NodeErrors]) -> set[str]:
        """Return the nodes of which it is known whether they fail, if only because their segment is right."""
        judged = {item.node for item in (*errors, *inner)}
        hidden = {name for item in failing(errors) for name in self.inside(item.node)} - judged
        return set(self._judgeable) - hidden


def grouped(
    begun: Sequence[NodeErrors], operators: Iterable[str], failures: Mapping[str, str]
) -> list[Culprit]:
    """Return the culprits: an operator type where at least half of its nodes fail alike, else single nodes.

    Args:
        begun: the failing nodes where failures begin, producers first.
        operators: the type of every node of which it is known whether it fails.
        failures: a sentence per node that gave nothing to compare.
    """
    totals = collections.Counter(operators)
    by_type: dict[str, list[NodeErrors]] = {}
    for item in begun:
        by_type.setdefault(item.op, []).append(item)
    culprits = []
    for op, items in by_type.items():
        apart = _apart(items)
        alike = [item for item in items if item.node not in apart]
        if len(alike) > 1 and len(alike) >= WHOLE_KIND * totals[op]:
            culprits.append(_culprit(op, "operator", alike, failures))
        else:
            apart = {item.node for item in items}
        culprits += [_culprit(item.node, "node", [item], failures) for item in items if item.node in apart]
    return culprits


def _apart(items: Sequence[NodeErrors]) -> set[str]:
    """Return the few nodes that are much farther off than all others."""
    ordered = sorted(items, key=_size, reverse=True)
    for count, (farther, nearer) in enumerate(itertools.pairwise(ordered), start=1):
        if _size(farther) > APART * _size(nearer):
            return {item.node for item in ordered[:count]} if 2 * count < len(items) else set()
    return set()


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
