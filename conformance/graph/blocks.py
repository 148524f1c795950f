"""Repeated blocks: stretches of a graph that stand several times in a row, such as residual blocks.

A link is a part of the graph with one way in and one way out (outputs of the network that are read on do not
count as ways out). Links that follow each other form a chain; a
link's inside has chains of its own. Blocks are what repeats along a chain: the same operators with the same
attributes and shapes, wired alike. Weights may differ, their shapes may not.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.frozen import output_index, producer
from conformance.graph.operators import PRODUCT_SUMS, REDUCTIONS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    import networkx as nx

    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph, Node

OUTSIDE = "\0outside"
"""What dominates a node that no single node does; no node of TensorFlow can be called so."""


def dominators(live: nx.DiGraph, inputs: Iterable[str]) -> dict[str, str]:
    """Return for each node the last other node that every way from ``inputs`` to it leads through.

    Nodes that no input reaches have none and are left out.
    """
    import networkx as nx

    rooted = live.copy()
    rooted.add_node(OUTSIDE)
    rooted.add_edges_from((OUTSIDE, name) for name in inputs if name in live)
    found = nx.immediate_dominators(rooted, OUTSIDE)
    return {name: found[name] for name in live if name in found}


def post_dominators(live: nx.DiGraph, outputs: Iterable[str]) -> dict[str, str]:
    """Return for each node the first other node that every way from it to ``outputs`` leads through.

    Nodes from which no output is reached have none and are left out.
    """
    return dominators(live.reverse(copy=True), outputs)


@dataclasses.dataclass(frozen=True)
class Block:
    """One of several equal blocks in a row.

    Attributes:
        nodes: its nodes, producers first; the last one is its only way out.
        index: its place in the row, from 1.
        count: how many blocks the row has.
    """

    nodes: tuple[str, ...]
    index: int
    count: int

    @property
    def end(self) -> str:
        """The node that hands the block's result on."""
        return self.nodes[-1]


@dataclasses.dataclass(frozen=True)
class Link:
    """A part of the graph with one way in and one way out.

    Attributes:
        nodes: its nodes, producers first.
        signature: equal for links that compute the same but for their weights.
        weight: 2 if it holds a fixed-point operator, else 1 if it holds a reduction, else 0.
    """

    nodes: tuple[str, ...]
    signature: int
    weight: int


def repeated_blocks(
    graph: FrozenGraph, live: nx.DiGraph, types: Mapping[str, Sequence[TensorType]]
) -> list[Block]:
    """Return the repeated blocks of ``graph``, each row in order; none where the graph has loops.

    Only blocks with a fixed-point operator or a reduction count: a row of plain operators is no module.

    Args:
        graph: the network.
        live: its dataflow.
        types: the types of its tensors.
    """
    import networkx as nx

    if not nx.is_directed_acyclic_graph(live):
        return []
    place = {name: index for index, name in enumerate(graph.nodes)}
    order = list(nx.lexicographical_topological_sort(live, key=place.__getitem__))
    sign = _Signatures(graph, live, types)
    blocks: list[Block] = []
    for chain in _chains(graph, live, order):
        links = [_link(graph, nodes, sign) for nodes in _insides(live, chain, order)]
        blocks += _blocks(links)
    return blocks


def _chains(graph: FrozenGraph, live: nx.DiGraph, order: Sequence[str]) -> list[list[str]]:
    """Return every node in one chain, in which each next node is the only way out of what the last enters.

    Of the outputs only those are ends that nothing reads; others would cut a row of blocks in two.
    """
    ends = [name for name in graph.outputs if name in live and not live.out_degree(name)]
    before, after = dominators(live, graph.inputs), post_dominators(live, ends)
    following = {name: end for name, end in after.items() if before.get(end) == name}
    inner = set(following.values())
    chains: dict[str, list[str]] = {name: [name] for name in order if name not in inner}
    for chain in chains.values():
        while chain[-1] in following:
            chain.append(following[chain[-1]])
    return list(chains.values())


def _insides(live: nx.DiGraph, chain: Sequence[str], order: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Return the nodes of each link, producers first; the head of the chain is a link of its own."""
    place = {name: index for index, name in enumerate(order)}
    yield (chain[0],)
    for entry, end in itertools.pairwise(chain):
        inside: set[str] = set()
        pending = [end]
        while pending:
            name = pending.pop()
            if name != entry and name not in inside:
                inside.add(name)
                pending += live.predecessors(name)
        yield tuple(sorted(inside, key=place.__getitem__))


def _link(graph: FrozenGraph, nodes: tuple[str, ...], sign: _Signatures) -> Link:
    operators = {graph.nodes[name].op for name in nodes}
    weight = 2 if operators & PRODUCT_SUMS else 1 if operators & REDUCTIONS else 0
    return Link(nodes, sign(nodes), weight)


class _Signatures:
    """Numbers links so that equal numbers mean equal operators, attributes, shapes and wiring."""

    def __init__(
        self, graph: FrozenGraph, live: nx.DiGraph, types: Mapping[str, Sequence[TensorType]]
    ) -> None:
        self._graph, self._live, self._types = graph, live, types
        self._numbers: dict[Hashable, int] = {}
        self._own = {name: self._number(self._described(name)) for name in live}

    def __call__(self, nodes: Sequence[str]) -> int:
        """Return the number of the link of ``nodes``, producers first."""
        inside: dict[str, int] = {}
        entries: dict[str, int] = {}
        for name in nodes:
            sources = tuple(self._source(tensor, inside, entries) for tensor in self._graph.nodes[name].input)
            inside[name] = self._number((self._own[name], sources))
        return self._number(("link", inside[nodes[-1]], tuple(sorted(inside.values()))))

    def _number(self, structure: Hashable) -> int:
        return self._numbers.setdefault(structure, len(self._numbers) + 1)

    def _described(self, name: str) -> Hashable:
        """Return operator, attributes and types of a node."""
        node: Node = self._graph.nodes[name]
        attributes = tuple(
            (key, node.attr[key].SerializeToString(deterministic=True))
            for key in sorted(node.attr)
            if not key.startswith("_")
        )
        return node.op, attributes, tuple(_described_type(kind) for kind in self._types[name])

    def _source(self, tensor: str, inside: Mapping[str, int], entries: dict[str, int]) -> Hashable:
        """Return what an input is: a node of the link, what enters it (0 or less), or a constant."""
        name = producer(tensor)
        if tensor.startswith("^"):
            return None
        if name in self._live:
            number = inside[name] if name in inside else entries.setdefault(name, -len(entries))
            return number, output_index(tensor)
        return self._constant(tensor)

    def _constant(self, tensor: str) -> Hashable:
        """Return type and shape of a constant; axes, sizes and indices (integers) with their values."""
        kind = self._types[producer(tensor)][output_index(tensor)]
        value = self._graph.constant(tensor) if kind.dtype.is_integer else None
        return _described_type(kind), None if value is None else np.asarray(value).tobytes()


def _described_type(kind: TensorType) -> tuple[str, Any]:
    return kind.dtype.name, kind.shape


def _blocks(links: Sequence[Link]) -> list[Block]:
    """Return the blocks of one chain: the repetition that covers most links, then those beside it."""
    found = max(_repetitions(links), key=lambda row: (row[1] * row[2], -row[1]), default=None)
    if found is None:
        return []
    start, period, count = found
    bounds = [start + period * index for index in range(count + 1)]
    row = [
        Block(tuple(name for link in links[low:high] for name in link.nodes), index, count)
        for index, (low, high) in enumerate(itertools.pairwise(bounds), start=1)
    ]
    return [*_blocks(links[: bounds[0]]), *row, *_blocks(links[bounds[-1] :])]


def _repetitions(links: Sequence[Link]) -> Iterator[tuple[int, int, int]]:
    """Return (start, links per block, blocks) of every row of equal blocks worth the name."""
    for period in range(1, len(links) // 2 + 1):
        for first, last in _stretches(links, period):
            count = (last - first) // period
            starts = range(first, last - period * count + 1)
            start = max(starts, key=lambda index: links[index].weight)  # a block opens with its heaviest work
            if any(link.weight for link in links[start : start + period]):
                yield start, period, count


def _stretches(links: Sequence[Link], period: int) -> Iterator[tuple[int, int]]:
    """Return the longest stretches, two periods at least, in which every link recurs after ``period``."""
    first = 0
    for index in range(len(links) - period + 1):
        same = index + period < len(links) and links[index].signature == links[index + period].signature
        if not same:
            if index - first >= period:
                yield first, index + period
            first = index + 1
