"""A graph computed segment by segment: what no later segment reads is not kept.

The nodes stand in topological order and are divided where enough elements have been asked for. What a
segment computes and a later one reads is kept until the last reader has run; constants, and what is computed
from them alone, belong to every segment that reads them.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from conformance.graph.composing import reference_graph
from conformance.graph.dataflow import dataflow, tensor_types, topological
from conformance.graph.editing import copied, placeholder
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import data_inputs, full_name, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import CONTROL_FLOW

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from conformance.graph.constants import Array
    from conformance.graph.frozen import FrozenGraph

MOST_ELEMENTS = 3 * 2**22
"""Elements that are asked for in one segment, unless a single node has more."""
MOST_NODES = 200
"""Nodes that are asked for in one segment: shapes that are not known count as nothing."""
FED = "segment/"


@dataclasses.dataclass(frozen=True)
class Segment:
    """A part of a graph that is computed at once.

    Attributes:
        fetches: the nodes of it that are asked for.
        reads: tensors of earlier segments that it reads.
        last_reads: those of them that no later segment reads.
        hands_on: tensors of it that later segments read.
        nodes: all of its nodes.
    """

    fetches: tuple[str, ...]
    reads: tuple[str, ...]
    last_reads: frozenset[str]
    hands_on: tuple[str, ...]
    nodes: tuple[str, ...]


class SegmentedGraph:
    """A graph divided into segments, each made ready to run when it is first computed.

    Args:
        graph: any graph; one with loops or branches of TensorFlow 1 is a single segment.
        fetches: the nodes that are asked for; they depend on inputs.
        shapes: of the inputs as they will be fed, where the graph leaves them open: sizes follow from them.
        most_elements: asked for in one segment.

    Attributes:
        segments: in the order in which they are computed.
    """

    def __init__(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        shapes: Mapping[str, Sequence[int]],
        *,
        most_elements: int = MOST_ELEMENTS,
    ) -> None:
        self._graph = graph.prune(fetches)
        self._types = tensor_types(_fixed(self._graph, shapes))
        self._wanted, self._most = frozenset(fetches), most_elements
        computed = dataflow(self._graph).nodes - set(self._graph.inputs)
        self._parts = self._divided([name for name in topological(self._graph) if name in computed])
        self._segment_of = {name: place for place, part in enumerate(self._parts) for name in part}
        self.segments = self._described()
        self._runs: dict[Segment, GraphRunner] = {}

    def compute(self, feeds: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
        """Yield, segment by segment, what the nodes that are asked for compute.

        Raises:
            UsageError: the feeds do not fit the graph.
            InfrastructureError: a kernel failed.
        """
        kept = dict(feeds)
        for segment in self.segments:
            run = self._run(segment)
            fed = {name: f"{FED}{place}" for place, name in enumerate(segment.reads)}
            given = {fed.get(name, name): value for name, value in kept.items()}
            results = run({name: given[name] for name in run.feeds})
            kept = {name: value for name, value in kept.items() if name not in segment.last_reads}
            kept |= {tensor: results[tensor] for tensor in segment.hands_on}
            yield {name: results[full_name(name)] for name in segment.fetches}

    def at_once(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return what all nodes that are asked for compute; errors as of :meth:`compute`."""
        return {name: value for part in self.compute(feeds) for name, value in part.items()}

    def _divided(self, order: Sequence[str]) -> list[list[str]]:
        """Return the computed nodes, part by part."""
        together = self._inseparable(order)
        parts: list[list[str]] = [[]]
        elements = asked = 0
        for place, name in enumerate(order):
            size = self._size(name) if name in self._wanted else 0
            full = asked and (elements + size > self._most or asked >= MOST_NODES)
            if full and place not in together:
                parts.append([])
                elements = asked = 0
            parts[-1].append(name)
            elements, asked = elements + size, asked + (name in self._wanted)
        return parts

    def _size(self, name: str) -> int:
        shape = self._types[name][0].shape
        return 0 if shape is None else math.prod(length or 1 for length in shape)

    def _inseparable(self, order: Sequence[str]) -> set[int]:
        """Return the places in ``order`` before which no segment can end, as something cannot be fed."""
        if any(node.op in CONTROL_FLOW for node in self._graph.nodes.values()):
            return set(range(len(order)))
        places = {name: place for place, name in enumerate(order)}
        unfed = {tensorflow().variant, tensorflow().resource}
        found: set[int] = set()
        for place, name in enumerate(order):
            for tensor in data_inputs(self._graph.nodes[name]):
                source = producer(tensor)
                if source in places and self._types[source][output_index(tensor)].dtype in unfed:
                    found.update(range(places[source] + 1, place + 1))
        return found

    def _described(self) -> list[Segment]:
        reads = [self._read_by(place) for place in range(len(self._parts))]
        last = {tensor: place for place, tensors in enumerate(reads) for tensor in tensors}
        return [
            Segment(
                fetches=tuple(name for name in part if name in self._wanted),
                reads=tuple(reads[place]),
                last_reads=frozenset(tensor for tensor in reads[place] if last[tensor] == place),
                hands_on=tuple(tensor for tensor in last if self._segment_of[producer(tensor)] == place),
                nodes=tuple(part),
            )
            for place, part in enumerate(self._parts)
        ]

    def _read_by(self, place: int) -> list[str]:
        """Return the tensors of earlier parts that a part reads."""
        tensors = (full_name(t) for name in self._parts[place] for t in data_inputs(self._graph.nodes[name]))
        return [t for t in dict.fromkeys(tensors) if self._segment_of.get(producer(t), place) < place]

    def _run(self, segment: Segment) -> GraphRunner:
        if segment not in self._runs:
            fetches = [*map(full_name, segment.fetches), *segment.hands_on]
            self._runs[segment] = GraphRunner(self._alone(segment).prune(fetches), fetches)
        return self._runs[segment]

    def _alone(self, segment: Segment) -> FrozenGraph:
        """Return a graph in which a segment reads what it is fed, and does not wait for earlier ones."""
        fed = {tensor: f"{FED}{place}" for place, tensor in enumerate(segment.reads)}
        types = {tensor: self._types[producer(tensor)][output_index(tensor)] for tensor in fed}
        nodes = [placeholder(fed[tensor], kind.dtype, kind.shape) for tensor, kind in types.items()]
        inside = set(segment.nodes)
        for name, node in self._graph.nodes.items():
            if name in inside or name not in self._segment_of:
                inputs = [fed.get(full_name(t), t) for t in node.input if self._is_here(t, inside)]
                nodes.append(node if inputs == list(node.input) else copied(node, inputs=inputs))
        return self._graph.replaced(nodes, outputs=())

    def _is_here(self, tensor: str, inside: Collection[str]) -> bool:
        """Whether a segment has what a node reads or waits for, or is fed with it."""
        name = producer(tensor)
        return not tensor.startswith("^") or name in inside or name not in self._segment_of


def reference(graph: FrozenGraph, nodes: Sequence[str], feeds: Mapping[str, Array]) -> SegmentedGraph:
    """Return what computes nodes in float64: rounded to float32, their results are goldens.

    Args:
        graph: the network, in float32 as it ships.
        nodes: the nodes that are asked for.
        feeds: what will be fed, or has the same shapes.
    """
    return SegmentedGraph(
        reference_graph(graph)[0], nodes, {name: value.shape for name, value in feeds.items()}
    )


def _fixed(graph: FrozenGraph, shapes: Mapping[str, Sequence[int]]) -> FrozenGraph:
    """Return the graph with inputs of these shapes, where they have a shape at all."""
    nodes = [
        placeholder(name, node.attr["dtype"].type, shapes[name]) if name in shapes else node
        for name, node in graph.nodes.items()
    ]
    return graph.replaced(nodes)
