"""How many terms a node adds up, and how large they are together: what an allowance for sums is made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conformance.errors import GoldenError
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.graph.cut import cut
from conformance.graph.editing import copied, plain
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import FIXED_POINT, known
from conformance.graph.retype import input_types, to_float64
from conformance.graph.sums import sum_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.goldens import GoldenStore
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


def term_sums(store: GoldenStore) -> dict[str, TermSums]:
    """Return the terms of every node of the manifest that sums.

    Σ|terms| is what the same operator computes, in float64, on the absolute values of its golden inputs. The
    result of a Softmax is a positive term over the sum of all: what the sum is off by, relatively, it is.
    """
    summing = {
        node.name: known(node.op).running_sum
        for node in store.manifest.nodes
        if node.op in FIXED_POINT or known(node.op).running_sum
    }
    shares = [name for name, kind in summing.items() if kind == "share"]
    magnitudes = _magnitudes(store, [name for name in summing if name not in shares])
    magnitudes |= {name: _of_golden(store, name) for name in shares}
    shape_of = _golden_shapes(store)
    return {name: TermSums(_terms(store, name, shape_of), *found) for name, found in magnitudes.items()}


def _of_golden(store: GoldenStore, name: str) -> tuple[float, float]:
    """Return the largest element and the largest mean square of a node's goldens."""
    goldens = [store.get(name, sample) for sample in range(store.network.samples)]
    largest = max(float(golden.max()) for golden in goldens)
    return largest, max(float(np.mean(np.square(golden, dtype=np.float64))) for golden in goldens)


def _magnitudes(store: GoldenStore, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return, per node, the largest Σ|terms| and the largest mean square of Σ|terms|."""
    if not names:
        return {}
    absolute = _absolute_sums(cut(store.network.graph, key_shapes(store), names), names)
    run = GraphRunner(absolute, [MAGNITUDE + name for name in names])
    found = dict.fromkeys(names, (0.0, 0.0))
    for sample in range(store.network.samples):
        results = run(golden_feeds(store, run.feeds, sample))
        for name in names:
            value = results.pop(MAGNITUDE + name)
            largest, square = found[name]
            found[name] = (
                max(largest, float(value.max())),
                max(square, float(np.mean(np.square(value)))),
            )
    return found


def _absolute_sums(graph: FrozenGraph, names: Sequence[str]) -> FrozenGraph:
    """Return the float64 graph with, per node, the same operator on the absolutes of its float inputs."""
    wide, _ = to_float64(graph)
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


def _golden_shapes(store: GoldenStore) -> GoldenShapeOf:
    """Return what gives the shape of a golden, an input or a constant; None of any other tensor."""
    shapes = {node.name: tuple(node.samples[0].shape) for node in store.manifest.nodes}
    shapes |= {name: feed.shape for name, feed in store.network.feeds(0).items()}

    def shape_of(tensor: str) -> tuple[int, ...] | None:
        value = store.network.graph.constant(tensor)
        return shapes.get(producer(tensor)) if value is None else value.shape

    return shape_of
