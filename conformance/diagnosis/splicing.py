"""Nodes computed exactly on what reaches them, on a device that leaves none of them to the host.

What such a node reads is fetched from the device, the node is computed of it in float64, and the device goes
on from there. Nodes that read others of them wait for these: each level takes a run of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.composing import reference_graph
from conformance.graph.cut import cut, cut_input
from conformance.graph.dataflow import dataflow, tensor_types, topological
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from conformance.evaluation.evaluation import Evaluation
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision

    Array = np.ndarray[Any, Any]
    Values = dict[tuple[str, int], Array]

HALF_LARGEST = 65504.0
"""What a float16 ends at: larger values of a node are handed on as this, as what stores them would."""


def levels(graph: FrozenGraph, nodes: Collection[str]) -> list[list[str]]:
    """Return nodes in groups: each reads nothing that depends on its own group or on later ones."""
    flow, chosen = dataflow(graph), set(nodes)
    order = [name for name in topological(graph) if name in flow]
    depth: dict[str, int] = {}
    for name in order:
        before = [depth[source] + (source in chosen) for source in flow.predecessors(name)]
        depth[name] = max(before, default=0)
    found = sorted({depth[name] for name in chosen})
    return [[name for name in order if name in chosen and depth[name] == at] for at in found]


class Splice:
    """Some nodes of a network, computed exactly.

    Args:
        evaluation: runs the device, on its samples.
        precision: what it runs at.
        nodes: the nodes.
    """

    def __init__(self, evaluation: Evaluation, precision: Precision, nodes: Sequence[str]) -> None:
        self._evaluation, self._precision = evaluation, precision
        self._graph = evaluation.network.graph
        self._types = tensor_types(self._graph)
        self.levels = levels(self._graph, nodes)

    def values(self) -> Values | None:
        """Return what every node computes, by node and sample; None where the device gives nothing to go on.

        Raises:
            UsageError, InfrastructureError: TensorFlow cannot compute a node.
        """
        made: Values = {}
        for level in self.levels:
            if (found := self._level(level, made)) is None:
                return None
            made |= found
        return made

    def _level(self, level: Sequence[str], made: Values) -> Values | None:
        """Return what the nodes of a level compute of what the device gives, where earlier ones are exact."""
        sources = self._sources(level)
        spliced = {node for node, _ in made}
        fetches = [name for name in sources if name not in spliced and name not in self._graph.inputs]
        results = self._fetched(fetches, made) if fetches else [{} for _ in self._evaluation.samples]
        if results is None:
            return None
        reached = [
            {name: value for (name, at), value in made.items() if at == sample and name in sources} | fetched
            for sample, fetched in zip(self._evaluation.samples, results, strict=True)
        ]
        shapes = {name: value.shape for name, value in reached[0].items()}
        run = GraphRunner(reference_graph(cut(self._graph, shapes, level))[0], level)
        found: Values = {}
        for sample, values in zip(self._evaluation.samples, reached, strict=True):
            given = {cut_input(name): value for name, value in values.items()}
            given |= self._evaluation.network.feeds(sample)
            computed = run({name: given[name] for name in run.feeds})
            found |= {(name, sample): self._stored(computed[name]) for name in level}
        run.close()
        return found

    @property
    def _first(self) -> int:
        return self._evaluation.samples[0]

    def _fetched(self, fetches: Sequence[str], made: Values) -> list[dict[str, Array]] | None:
        """Return what the device gives at nodes, sample by sample; None where something is missing."""
        shapes = {node: value.shape for (node, sample), value in made.items() if sample == self._first}
        graph = cut(self._graph, shapes, fetches)
        results = self._evaluation.computed(self._precision, graph, fetches, made)
        whole = len(results) == len(self._evaluation.samples) and all(
            isinstance(found.get(name), np.ndarray) and self._fits(name, found[name])
            for found in results
            for name in fetches
        )
        return results if whole else None

    def _fits(self, name: str, value: Array) -> bool:
        shape = self._types[name][0].shape
        right = shape is None or (
            len(shape) == value.ndim and all(a in (None, b) for a, b in zip(shape, value.shape, strict=True))
        )
        return right and value.dtype.kind == "f" and math.prod(value.shape) > 0

    def _sources(self, level: Sequence[str]) -> list[str]:
        """Return the nearest nodes before a level whose first output, a float tensor, can be fetched."""
        found: dict[str, None] = {}
        waiting, seen = list(level), set(level)
        while waiting:
            for tensor in data_inputs(self._graph.nodes[waiting.pop()]):
                source = producer(tensor)
                if self._graph.constant(tensor) is None and self._is_fetched(tensor):
                    found[source] = None
                elif source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return list(found)

    def _is_fetched(self, tensor: str) -> bool:
        floats = (tensorflow().float32, tensorflow().float64, tensorflow().float16)
        return output_index(tensor) == 0 and self._types[producer(tensor)][0].dtype in floats

    def _stored(self, value: Array) -> Array:
        """Return an exact value as what the device would go on with: float32, or one half."""
        if self._precision.float_bits == 16:
            value = np.clip(value, -HALF_LARGEST, HALF_LARGEST).astype(np.float16)
        return value.astype(np.float32)
