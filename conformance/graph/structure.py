"""What the structure of a graph shows: where branches meet, where modules end, what is rare or named."""

from __future__ import annotations

import collections
import fnmatch
import functools
from typing import TYPE_CHECKING

from conformance.errors import UsageError, near_names
from conformance.graph.blocks import OUTSIDE, post_dominators, repeated_blocks
from conformance.graph.dataflow import (
    array_flows,
    dataflow,
    tensor_types,
    topological,
    unobservable,
)
from conformance.graph.operators import STRUCTURAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import networkx as nx

    from conformance.graph.blocks import Block
    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph

RARE_AT_MOST = 2
"""An operator type that occurs at most this often in the dataflow is rare."""


class Structure:
    """The structure of a graph; each finding is made when first asked for.

    Args:
        graph: the network.
        names: names and globs of nodes that its user names as key nodes.
    """

    def __init__(self, graph: FrozenGraph, names: Sequence[str] = ()) -> None:
        self.graph, self._names = graph, tuple(names)

    @functools.cached_property
    def live(self) -> nx.DiGraph:
        """The dataflow."""
        return dataflow(self.graph)

    @functools.cached_property
    def types(self) -> dict[str, list[TensorType]]:
        """The types of each node's outputs."""
        return tensor_types(self.graph)

    @functools.cached_property
    def order(self) -> list[str]:
        """The nodes of the dataflow but for the inputs, producers first."""
        inputs = set(self.graph.inputs)
        return [name for name in topological(self.graph) if name in self.live and name not in inputs]

    @functools.cached_property
    def judgeable(self) -> list[str]:
        """The nodes whose first output is floating point and depends on an input, producers first."""
        hidden = unobservable(self.graph) | array_flows(self.graph)
        types = self.types
        return [name for name in self.order if name not in hidden and types[name] and types[name][0].floating]

    def of_operators(self, operators: frozenset[str]) -> list[str]:
        """Return the judgeable nodes of these operator types."""
        return [name for name in self.judgeable if self.graph.nodes[name].op in operators]

    @functools.cached_property
    def rare(self) -> dict[str, tuple[int, int]]:
        """Judgeable nodes of rare operator types: its 1-based index among them, and how many there are.

        Operators without arithmetic or movement of their own do not count.
        """
        kinds: dict[str, list[str]] = collections.defaultdict(list)
        for name in self.judgeable:
            kinds[self.graph.nodes[name].op].append(name)
        return {
            name: (index, len(names))
            for op, names in kinds.items()
            if len(names) <= RARE_AT_MOST and op not in STRUCTURAL
            for index, name in enumerate(names, start=1)
        }

    @functools.cached_property
    def named(self) -> dict[str, str]:
        """Judgeable nodes that the user names, with the first name or glob that means them.

        Raises:
            UsageError: one means none.
        """
        found: dict[str, str] = {}
        for pattern in self._names:
            matching = fnmatch.filter(self.judgeable, pattern)
            if not matching:
                raise UsageError(
                    f"key node {pattern!r} is no node that computes on the inputs of {self.graph.source}"
                    f"{near_names(pattern, self.judgeable)}; mend network.toml"
                )
            found |= {name: pattern for name in matching if name not in found}
        return found

    @functools.cached_property
    def joins(self) -> dict[str, tuple[str, ...]]:
        """Where branches from different inputs first meet, with those inputs.

        Such a node's predecessors descend from different inputs, none from all that the node descends from.
        Graphs with loops have none.
        """
        import networkx as nx

        ancestry: dict[str, frozenset[str]] = {}
        joins: dict[str, tuple[str, ...]] = {}
        for name in nx.topological_sort(self.live) if nx.is_directed_acyclic_graph(self.live) else ():
            before = [ancestry[source] for source in self.live.predecessors(name)]
            ancestry[name] = frozenset({name}) if not before else frozenset().union(*before)
            if before and all(inherited != ancestry[name] for inherited in before):
                joins[name] = tuple(source for source in self.graph.inputs if source in ancestry[name])
        return joins

    @functools.cached_property
    def module_ends(self) -> dict[str, str]:
        """Where the branches of a fork have all come together again, with the first such fork.

        That is the fork's immediate post-dominator.
        """
        after = post_dominators(self.live, self.graph.outputs)
        ends: dict[str, str] = {}
        for name in [*self.graph.inputs, *self.order]:
            end = after.get(name, OUTSIDE)
            if self.live.out_degree(name) > 1 and end != OUTSIDE:
                ends.setdefault(end, name)
        return ends

    @functools.cached_property
    def blocks(self) -> dict[str, Block]:
        """Ends of repeated blocks, each with its block."""
        return {block.end: block for block in repeated_blocks(self.graph, self.live, self.types)}
