"""The error along the network: what each node adds, what reaches it, and what it makes of that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.diagnosis.model import NodeErrors
from conformance.graph.dataflow import dataflow
from conformance.judging.bounds import excess

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import networkx as nx

    from conformance.graph.frozen import FrozenGraph
    from conformance.judging.bounds import Attainable, ErrorValues
    from conformance.judging.findings import Finding
    from conformance.numerics.metrics import Metrics


def errors_along(
    graph: FrozenGraph,
    own: Mapping[str, Finding],
    chained: Mapping[str, Finding],
    attainable: Mapping[str, Attainable],
) -> list[NodeErrors]:
    """Return the errors of every node of ``own``, in its order: producers first.

    The inherited error is what of the chained one the own error does not explain; as two errors that have
    nothing to do with each other they add up as squares.

    Args:
        graph: the network.
        own: findings fed with goldens.
        chained: findings of the whole network, fusion broken at these nodes.
        attainable: what an ideal device attains.
    """
    flow = dataflow(graph)
    branches = branches_of(graph)
    sources = {node: reading(flow, node, own.keys()) for node in own}
    relative = {node: _relative(finding.metrics, attainable[node]) for node, finding in chained.items()}
    return [
        _errors(
            finding,
            branches[node],
            attainable[node],
            relative.get(node),
            max((relative.get(source) or 0.0 for source in sources[node]), default=0.0),
        )
        for node, finding in own.items()
    ]


def _errors(
    finding: Finding, branch: str, attainable: Attainable, chained: float | None, reached: float
) -> NodeErrors:
    own = _relative(finding.metrics, attainable)
    inherited = None if own is None or chained is None else math.sqrt(max(chained**2 - own**2, 0.0))
    return NodeErrors(
        node=finding.case.node,
        op=finding.case.op,
        branch=branch,
        outcome=finding.outcome,
        own=own,
        attainable=_rms(attainable.errors, attainable),
        chained=chained,
        inherited=inherited,
        amplification=inherited / reached if inherited is not None and reached > 0 else None,
        excess=_excess(finding),
    )


def _relative(metrics: Metrics | None, attainable: Attainable) -> float | None:
    return None if metrics is None else _rms(metrics, attainable)


def _rms(errors: Metrics | ErrorValues, attainable: Attainable) -> float:
    """Return the root mean square of an error over that of the golden; absolute where the golden is zero."""
    return (
        math.sqrt(errors.mse / attainable.golden_square)
        if attainable.golden_square
        else math.sqrt(errors.mse)
    )


def _excess(finding: Finding) -> float | None:
    verdict = finding.verdict
    if verdict is None or verdict.bounds is None or verdict.needed is None:
        return None
    found = excess(verdict.needed, verdict.bounds)
    return found if math.isfinite(found) else None


def own_squares(errors: Iterable[NodeErrors]) -> float:
    """Return what own errors add together, as errors that have nothing to do with each other: squares."""
    return sum((item.own or 0.0) ** 2 for item in errors)


def branches_of(graph: FrozenGraph) -> dict[str, str]:
    """Return, for every node, the inputs that it descends from, joined by ``+`` in their order."""
    import networkx as nx

    flow = dataflow(graph)
    inputs = [name for name in graph.inputs if name in flow]
    reached = {name: nx.descendants(flow, name) | {name} for name in inputs}
    return {node: "+".join(name for name in inputs if node in reached[name]) for node in graph.nodes}


def reading(flow: nx.DiGraph, node: str, among: Iterable[str]) -> list[str]:
    """Return those of ``among`` whose values reach ``node`` through none of the others."""
    stops = set(among)
    return sorted(_before(flow, node, stops) & stops)


def segment(flow: nx.DiGraph, node: str, key: Iterable[str]) -> list[str]:
    """Return the nodes between the key nodes that ``node`` reads and ``node`` itself, in no order."""
    stops = set(key)
    return list(_before(flow, node, stops) - stops)


def _before(flow: nx.DiGraph, node: str, stops: Collection[str]) -> set[str]:
    """Return what leads to ``node``, back to the first of ``stops`` on every way."""
    seen: set[str] = set()
    waiting = list(flow.predecessors(node)) if node in flow else []
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += () if name in stops else flow.predecessors(name)
    return seen


def side_by_side(errors: Sequence[NodeErrors]) -> tuple[list[tuple[NodeErrors, ...]], list[NodeErrors]]:
    """Return rows of corresponding nodes of parallel branches, and the nodes that stand alone.

    Branches are parallel from the inputs on, while their operator types agree one by one. Every node is in
    exactly one place, in the order of ``errors``.
    """
    names = [name for name in dict.fromkeys(item.branch for item in errors) if "+" not in name]
    columns = [[item for item in errors if item.branch == name] for name in names]
    rows: list[tuple[NodeErrors, ...]] = []
    for row in zip(*columns, strict=False) if len(columns) > 1 else ():
        if len({item.op for item in row}) > 1:
            break
        rows.append(row)
    paired = {item.node for row in rows for item in row}
    return rows, [item for item in errors if item.node not in paired]
