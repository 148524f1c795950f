"""A graph in small parts, many of them alike: an unrolled recurrent network has the same at every time step.

Parts end at nodes that are asked for, at tensors that more than one node reads, and at what is spread over
many readers. Parts are alike if they differ in the names of their nodes alone.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.graph.constants import same_numbers
from conformance.graph.dataflow import dataflow, tensor_types, topological
from conformance.graph.editing import copied, placeholder, plain
from conformance.graph.frozen import INPUT_OPERATORS, data_inputs, full_name, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import CONTROL_FLOW

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph, Node

SPREAD = 8
"""Outputs of a node, or slices of a tensor, from which on a part ends at each of them."""
SLICES = frozenset({"Slice", "StridedSlice"})
FED = "handed/"
OFTEN = 4
"""Parts that are alike, on average, from which on a graph repeats itself."""


class Part(NamedTuple):
    """What computes some nodes from what it is fed with.

    Attributes:
        fetches: the nodes that it computes.
        nodes: all of its nodes, from the fetches backwards; of parts that are alike, in the same order.
        reads: the placeholders among them.
        like: equal for parts that are alike.
    """

    fetches: tuple[str, ...]
    nodes: tuple[str, ...]
    reads: tuple[str, ...]
    like: Hashable


class Parts:
    """A graph in parts.

    Args:
        graph: without loops and branches.
        wanted: nodes that are asked for.
        also: what must be the same at nodes that are alike, beside operator, attributes and constants.
        order: all nodes, producers first; by default as in the graph.

    Attributes:
        graph: the graph with a placeholder for what another part has computed.
        handed: the placeholder by the node that computes what is fed there.
        parts: in that order.
    """

    def __init__(
        self,
        graph: FrozenGraph,
        wanted: Sequence[str],
        also: Mapping[str, Hashable] | None = None,
        order: Sequence[str] = (),
    ) -> None:
        self._also = also or {}
        whole = graph.prune(wanted)
        ends = _ends(whole)
        self.handed = {f"{FED}{place}/value": f"{FED}{place}" for place in range(len(ends))}
        self.graph = _parted(whole, dict(zip(ends, self.handed.items(), strict=True)), wanted)
        self._described: dict[str, Hashable] = {}
        together: dict[str, list[str]] = collections.defaultdict(list)
        for node, value in [
            *zip(ends.values(), self.handed, strict=True),
            *((name, name) for name in wanted),
        ]:
            together[node].append(value)
        self.parts = [
            self._part(tuple(together[name])) for name in order or topological(whole) if name in together
        ]

    def needed(self, wanted: Collection[str], known: Collection[str] = ()) -> list[Part]:
        """Return the parts that some nodes need, producers first.

        Args:
            wanted: the nodes.
            known: placeholders whose feed need not be computed.
        """
        value_of = {fed: value for value, fed in self.handed.items() if fed not in known}
        names, found = set(wanted), []
        for part in reversed(self.parts):
            if not names.isdisjoint(part.fetches):
                found.append(part)
                names.update(value_of[name] for name in part.reads if name in value_of)
        return found[::-1]

    @property
    def repeats(self) -> bool:
        """Whether parts are alike often enough for it to pay that each kind is loaded once."""
        return len({part.like for part in self.parts}) * OFTEN <= len(self.parts)

    def _part(self, fetches: tuple[str, ...]) -> Part:
        places = {name: place for place, name in enumerate(fetches)}
        nodes, like = [*fetches], []
        for name in nodes:  # which grows on the way
            node, read = self.graph.nodes[name], []
            for tensor in node.input:
                source = producer(tensor)
                if source not in places:
                    places[source] = len(nodes)
                    nodes.append(source)
                read.append((places[source], tensor[len(source) :] if tensor[0] != "^" else "^"))
            like.append((self._description(node), *read))
        reads = tuple(name for name in nodes if self.graph.nodes[name].op in INPUT_OPERATORS)
        return Part(fetches, tuple(nodes), reads, tuple(like))

    def _description(self, node: Node) -> Hashable:
        """Return operator and attributes of a node; constants are told apart by their numbers."""
        if node.name not in self._described:
            attributes = tuple(
                (key, node.attr[key].SerializeToString(deterministic=True))
                for key in sorted(node.attr)
                if not key.startswith("_")
            )
            array = self.graph.arrays.get(node.name)
            numbers = None if array is None else same_numbers(array)[1]
            self._described[node.name] = (node.op, attributes, numbers, self._also.get(node.name))
        return self._described[node.name]


def _ends(graph: FrozenGraph) -> dict[str, str]:
    """Return the float32 tensors of known shapes at which parts end, beside nodes that are asked for.

    Each has the node with which it is computed: its own, or the first of many slices of one tensor.
    """
    if any(node.op in CONTROL_FLOW for node in graph.nodes.values()):
        return {}
    readers: collections.Counter[str] = collections.Counter()
    slices: dict[str, list[str]] = collections.defaultdict(list)
    for node in graph.nodes.values():
        tensors = [full_name(tensor) for tensor in data_inputs(node)]
        readers.update(set(tensors))
        if node.op in SLICES:
            slices[tensors[0]].append(f"{node.name}:0")
    outputs: dict[str, list[str]] = collections.defaultdict(list)
    for tensor in readers:
        outputs[producer(tensor)].append(tensor)
    groups = [group for group in (*outputs.values(), *slices.values()) if len(group) >= SPREAD]
    spread = {tensor: producer(group[0]) for group in groups for tensor in group}
    live, types, float32 = dataflow(graph).nodes, tensor_types(graph), tensorflow().float32

    def ends(tensor: str) -> bool:
        source = producer(tensor)
        kind = types[source][output_index(tensor)]
        fed = source not in live or graph.nodes[source].op in INPUT_OPERATORS
        return not fed and kind.dtype == float32 and None not in (kind.shape or (None,))

    return {
        tensor: spread.get(tensor, producer(tensor))
        for tensor in readers
        if (readers[tensor] > 1 or tensor in spread) and ends(tensor)
    }


def _parted(graph: FrozenGraph, ends: Mapping[str, tuple[str, str]], wanted: Sequence[str]) -> FrozenGraph:
    """Return the graph with placeholders for readers of some tensors, and a node for what is fed there."""
    types = tensor_types(graph)
    nodes: list[Any] = []
    for tensor, (value, fed) in ends.items():
        kind = types[producer(tensor)][output_index(tensor)]
        nodes += [placeholder(fed, kind.dtype, kind.shape), plain(value, "Identity", [tensor], T=kind.dtype)]
    nodes += [
        copied(node, inputs=[_fed(tensor, ends) for tensor in node.input]) for node in graph.nodes.values()
    ]
    return graph.replaced(nodes, outputs=(*wanted, *(value for value, _ in ends.values())))


def _fed(tensor: str, ends: Mapping[str, tuple[str, str]]) -> str:
    """Return what a node reads instead of a tensor."""
    return ends[full_name(tensor)][1] if full_name(tensor) in ends else tensor
