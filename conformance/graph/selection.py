"""Key nodes: the nodes worth a golden and a verdict, chosen by the graph's structure, each with reasons.

The rules find what an engineer looks at by hand: where branches meet, where many terms are summed, where
numbers become fixed point, what is rare, and where modules end.
"""

from __future__ import annotations

import collections
import fnmatch
from typing import TYPE_CHECKING

from conformance.errors import UsageError, near_names
from conformance.graph.dataflow import dataflow, tensor_types, topological, unobservable
from conformance.graph.operators import FIXED_POINT, REDUCTIONS, STRUCTURAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import networkx as nx

    from conformance.graph.frozen import FrozenGraph

RARE_AT_MOST = 2
"""An operator type that occurs at most this often in the dataflow is rare."""

KEY = "key"
ALL = "all"


def judgeable_nodes(graph: FrozenGraph) -> list[str]:
    """Return the nodes whose first output is floating point and depends on an input, producers first."""
    live = set(dataflow(graph)).difference(graph.inputs, unobservable(graph))
    types = tensor_types(graph)
    return [name for name in topological(graph) if name in live and types[name] and types[name][0].floating]


def key_nodes(graph: FrozenGraph) -> dict[str, list[str]]:
    """Return the key nodes of ``graph``, producers first, each with the reasons why it was chosen."""
    live = dataflow(graph)
    candidates = judgeable_nodes(graph)
    reasons: dict[str, list[str]] = {name: [] for name in candidates}
    for chosen, reason in (
        (graph.outputs, "output of the network"),
        (_of_operators(graph, candidates, FIXED_POINT), "fixed-point operator"),
        (_of_operators(graph, candidates, REDUCTIONS), "reduction"),
        (_joins(graph, live), "first join of branches from different inputs"),
        (_module_ends(live, graph.outputs), "end of a module"),
        (_rare(graph, candidates), "rare operator"),
    ):
        for name in chosen:
            if name in reasons and reason not in reasons[name]:
                reasons[name].append(reason)
    return {name: why for name, why in reasons.items() if why}


def select(pattern: str, names: Sequence[str], key: Iterable[str], source: str) -> list[str]:
    """Return the nodes that ``--nodes pattern`` means: ``key``, ``all``, a name, or a glob.

    Raises:
        UsageError: nothing matches.
    """
    if pattern == ALL:
        return list(names)
    chosen = set(key) if pattern == KEY else set(fnmatch.filter(names, pattern))
    if not chosen:
        raise UsageError(f"--nodes {pattern!r} matches no node of {source}{near_names(pattern, list(names))}")
    return [name for name in names if name in chosen]


def _of_operators(graph: FrozenGraph, names: Iterable[str], operators: frozenset[str]) -> list[str]:
    return [name for name in names if graph.nodes[name].op in operators]


def _rare(graph: FrozenGraph, names: Sequence[str]) -> list[str]:
    """Nodes of rare operator types; operators without arithmetic or movement of their own do not count."""
    counts = collections.Counter(graph.nodes[name].op for name in names)
    return [
        name
        for name in names
        if counts[graph.nodes[name].op] <= RARE_AT_MOST and graph.nodes[name].op not in STRUCTURAL
    ]


def _joins(graph: FrozenGraph, live: nx.DiGraph) -> list[str]:
    """Nodes whose predecessors descend from different inputs, none from all that the node descends from."""
    import networkx as nx

    ancestry: dict[str, frozenset[str]] = {}
    joins = []
    for name in nx.topological_sort(live) if nx.is_directed_acyclic_graph(live) else ():
        before = [ancestry[source] for source in live.predecessors(name)]
        ancestry[name] = frozenset({name}) if name in graph.inputs else frozenset().union(*before)
        if before and all(inherited != ancestry[name] for inherited in before):
            joins.append(name)
    return joins


def _module_ends(live: nx.DiGraph, outputs: Sequence[str]) -> list[str]:
    """Where the branches of each fork have all come together again: the fork's immediate post-dominator."""
    import networkx as nx

    end = "\0end"
    backwards = live.reverse(copy=True)
    backwards.add_edges_from((end, name) for name in outputs if name in live)
    dominators = nx.immediate_dominators(backwards, end)
    forks = (name for name in live if live.out_degree(name) > 1)
    return [dominators[name] for name in forks if dominators.get(name) not in (None, end)]
