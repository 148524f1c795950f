"""How many terms a node adds up, and how large they are together: what an allowance for sums is made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conformance.cached_methods import cached_method
from conformance.errors import GoldenError
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.graph.composing import reference_graph
from conformance.graph.cut import cut
from conformance.graph.editing import copied, plain
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import PRODUCT_SUMS, known
from conformance.graph.retype import input_types
from conformance.graph.sums import sum_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.goldens import GoldenStore
    from conformance.graph.constants import Array
    from conformance.graph.frozen import FrozenGraph, Node

    GoldenShapeOf = Callable[[str], tuple[int, ...] | None]

MAGNITUDE = "magnitude/"


class TermSums(NamedTuple):
    """The terms of a node's sums.

    Attributes:
        terms: how many one output adds up, at most.
        magnitude: largest Σ|terms| of its outputs on any sample.
        magnitude_square: mean square of Σ|terms|, of the worst sample.
    """

    terms: int = 0
    magnitude: float = 0.0
    magnitude_square: float = 0.0


class SummedTerms:
    """The terms of every node of a manifest that sums, seen sample by sample.

    Σ|terms| is what the same operator computes, in float64, on the absolute values of its golden inputs. The
    result of a Softmax is a positive term over the sum of all: what the sum is off by, relatively, it is.

    Args:
        store: the goldens.
    """

    def __init__(self, store: GoldenStore) -> None:
        self._store = store
        self._kinds = {
            node.name: known(node.op).running_sum
            for node in store.manifest.nodes
            if node.op in PRODUCT_SUMS or known(node.op).running_sum
        }
        self._found: dict[str, tuple[float, float]] = {}
        self._shape_of = golden_shapes(store)

    def add(self, sample: int, goldens: Mapping[str, Array]) -> None:
        """Look at some nodes on one sample.

        Args:
            sample: the sample.
            goldens: the nodes, with their goldens.
        """
        summing = [name for name in goldens if name in self._kinds]
        for name in summing:
            if self._kinds[name] == "share":
                self._keep(name, goldens[name])
        others = tuple(name for name in summing if self._kinds[name] != "share")
        if others:
            run = self._magnitudes(others)
            results = run(golden_feeds(self._store, run.feeds, sample))
            for name in others:
                self._keep(name, results.pop(MAGNITUDE + name))

    def of(self, name: str) -> TermSums:
        """Return the terms of a node on all samples that were added; none for one that does not sum.

        Raises:
            GoldenError: nothing tells how many terms it adds up.
        """
        if name not in self._kinds:
            return TermSums()
        return TermSums(_terms(self._store, name, self._shape_of), *self._found[name])

    def _keep(self, name: str, sums: Array) -> None:
        """Take the sums of a node on one sample into the largest Σ|terms| and mean square of all."""
        largest, square = self._found.get(name, (0.0, 0.0))
        mean_square = float(np.mean(np.square(sums, dtype=np.float64)))
        self._found[name] = (max(largest, float(sums.max())), max(square, mean_square))

    @cached_method
    def _magnitudes(self, names: tuple[str, ...]) -> GraphRunner:
        graph = cut(self._store.network.graph, key_shapes(self._store), names)
        return GraphRunner(_absolute_sums(graph, names), [MAGNITUDE + name for name in names])


def _absolute_sums(graph: FrozenGraph, names: Sequence[str]) -> FrozenGraph:
    """Return the float64 graph with, per node, the same operator on the absolutes of its float inputs."""
    wide, _ = reference_graph(graph)
    double = tensorflow().float64.as_datatype_enum
    nodes: list[Node] = []
    for name in names:
        data = data_inputs(wide.nodes[name])
        inputs = []
        for index, (tensor, dtype) in enumerate(zip(data, input_types(wide.nodes[name]), strict=True)):
            if dtype != double:
                inputs.append(tensor)
                continue
            nodes.append(plain(f"{MAGNITUDE}{name}/abs_{index}", "Abs", [tensor], T="float64"))
            inputs.append(nodes[-1].name)
        nodes.append(copied(wide.nodes[name], name=MAGNITUDE + name, inputs=inputs))
    fetches = [MAGNITUDE + name for name in names]
    return wide.replaced([*wide.nodes.values(), *nodes], outputs=fetches).prune(fetches)


def _terms(store: GoldenStore, name: str, shape_of: GoldenShapeOf) -> int:
    """Return how many terms one output adds up, at most: all that it reads where the shapes do not tell."""
    node = store.network.graph.nodes[name]
    numbers = sum_of(store.network.graph, name, shape_of).numbers
    if numbers is not None:
        return numbers
    source = node.input[known(node.op).data_arguments[0]]
    shape = shape_of(source)
    if shape is None:
        raise GoldenError(f"nothing tells how many terms {name!r} adds up: {source!r} has no golden")
    return math.prod(shape)


def golden_shapes(store: GoldenStore) -> GoldenShapeOf:
    """Return what gives the shape of a golden, an input or a constant; None of any other tensor."""
    shapes = {node.name: tuple(node.samples[0].shape) for node in store.manifest.nodes}
    shapes |= {name: feed.shape for name, feed in store.network.feeds(0).items()}

    def shape_of(tensor: str) -> tuple[int, ...] | None:
        value = store.network.graph.constant(tensor)
        return shapes.get(producer(tensor)) if value is None else value.shape

    return shape_of
