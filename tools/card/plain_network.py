"""A network at int8-fp16 in NumPy, operator by operator, with any way of taking a mean.

It shares with the emulator nothing but the law by which numbers become halves, so that each holds the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from card.means import stored
from conformance.errors import UsageError
from conformance.graph.dataflow import topological
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from card.means import Array, Mean
    from conformance.graph.frozen import FrozenGraph, Node

LOW, HIGH = -128, 127
ROWS_AND_COLUMNS = (1, 2)


class PlainNetwork:
    """A network of the operators of a style transfer.

    Args:
        graph: the network; its means are over height and width.
        scales: of input and filter of every convolution, at int8.
        mean: how a mean is taken.
        factor: by what kernels before a norm are multiplied. The norm divides by it again: in float32 it
            changes nothing, but for epsilon.

    Raises:
        UsageError: an operator is not among them.
    """

    def __init__(
        self, graph: FrozenGraph, scales: Mapping[str, float], mean: Mean, factor: float = 1.0
    ) -> None:
        self._graph, self._scales, self._mean, self._factor = graph, scales, mean, factor
        self._order = [graph.nodes[name] for name in topological(graph)]
        if unknown := {node.op for node in self._order} - set(self.of_operator):
            raise UsageError(f"operator {min(unknown)!r} of {graph.source} is not one of a style transfer")
        self._normed = {producer(node.input[0]) for node in self._order if node.op == "Mean"}

    def run(self, feeds: Mapping[str, Array]) -> Array:
        """Return the output of float32 feeds, as halves in float32."""
        values: dict[str, Any] = {}
        for node in self._order:
            if node.op == "Placeholder":
                values[node.name] = stored(feeds[node.name])
            else:
                read = [values[producer(tensor)] for tensor in data_inputs(node)]
                values[node.name] = self.of_operator[node.op](self, node, *read)
        result: Array = values[self._graph.outputs[0]]
        return result

    def _constant(self, node: Node) -> Array:
        value = np.asarray(self._graph.constant(node.name))
        return stored(value) if np.issubdtype(value.dtype, np.floating) else value

    def _fixed(self, node: Node, which: str, values: Array) -> Array:
        """Return integers, halves away from zero, as float32."""
        scaled = values.astype(np.float64) * np.float64(np.float32(self._scales[f"{node.name}/{which}"]))
        whole = np.trunc(scaled + np.copysign(0.5, scaled))
        return np.clip(whole, LOW, HIGH).astype(np.float32)

    def _real(self, node: Node, sums: Any) -> Array:
        """Return a convolution's result from its sums of integers."""
        scales = [
            np.float64(np.float32(self._scales[f"{node.name}/{which}"])) for which in ("input", "filter")
        ]
        factor = self._factor if node.name in self._normed else 1.0
        return stored((np.asarray(sums, np.float64) * factor / np.prod(scales)).astype(np.float32))

    def _filter(self, node: Node) -> Array:
        return self._fixed(node, "filter", np.asarray(self._graph.constant(node.input[1])))

    def _convolution(self, node: Node, x: Array, _: Array) -> Array:
        data = self._fixed(node, "input", x)
        strides, padding = list(node.attr["strides"].list.i), node.attr["padding"].s.decode()
        return self._real(node, tensorflow().nn.conv2d(data, self._filter(node), strides, padding))

    def _transposed(self, node: Node, shape: Array, _: Array, x: Array) -> Array:
        data = self._fixed(node, "input", x)
        strides, padding = list(node.attr["strides"].list.i), node.attr["padding"].s.decode()
        sums = tensorflow().nn.conv2d_transpose(data, self._filter(node), shape, strides, padding)
        return self._real(node, sums)

    def _reduced(self, node: Node, x: Array, axes: Array) -> Array:
        if tuple(axes) != ROWS_AND_COLUMNS:
            raise UsageError(f"node {node.name!r} of {self._graph.source} is no mean over height and width")
        return np.stack([self._mean(image) for image in x])[:, None, None]

    def _resized(self, _: Node, x: Array, size: Array) -> Array:
        return x.repeat(size[0] // x.shape[1], 1).repeat(size[1] // x.shape[2], 2)

    of_operator: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "Placeholder": lambda *_: None,
        "Const": _constant,
        "Conv2D": _convolution,
        "Conv2DBackpropInput": _transposed,
        "Mean": _reduced,
        "ResizeNearestNeighbor": _resized,
        "Identity": lambda _network, _node, x: x,
        "StopGradient": lambda _network, _node, x: x,
        "ConcatV2": lambda _network, _node, *x: np.concatenate(x[:-1], int(x[-1])),
        "Relu": lambda _network, _node, x: np.maximum(x, 0),
        "Add": lambda _network, _node, x, y: stored(x + y),
        "AddV2": lambda _network, _node, x, y: stored(x + y),
        "Sub": lambda _network, _node, x, y: stored(x - y),
        "Mul": lambda _network, _node, x, y: stored(x * y),
        "RealDiv": lambda _network, _node, x, y: stored(x / y),
        "SquaredDifference": lambda _network, _node, x, y: stored(np.square(x - y)),
        "Pow": lambda _network, _node, x, y: stored(np.power(x.astype(np.float64), y).astype(np.float32)),
        "Rsqrt": lambda _network, _node, x: stored((1 / np.sqrt(x.astype(np.float64))).astype(np.float32)),
        "Tanh": lambda _network, _node, x: stored(np.tanh(x.astype(np.float64)).astype(np.float32)),
    }
    """What computes each operator, from its node and what it reads."""
