"""How many numbers an operator makes one number of: the terms of a convolution, the elements of a Mean."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from conformance.graph.frozen import output_index, producer
from conformance.graph.lazy_tensorflow import op_definition
from conformance.graph.operators import DATA_ARGUMENTS, FIXED_POINT
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph, Node

    Types = Mapping[str, Sequence[TensorType]]
    Shape = tuple[int | None, ...]

ALONG_CHANNELS = frozenset({"LogSoftmax", "Softmax"})
"""Reductions over the last axis, by definition."""

POOLS = frozenset({"AvgPool", "AvgPool3D", "MaxPool", "MaxPoolV2"})
"""Reductions over a window that slides."""

CONVOLUTIONS: dict[str, tuple[int, tuple[int, ...]]] = {
    "Conv2D": (2, (0, 1, 2)),
    "Conv2DBackpropInput": (2, (0, 1, 3)),
    "Conv3D": (3, (0, 1, 2, 3)),
    "DepthwiseConv2dNative": (2, (0, 1)),
}
"""For each convolution, how many leading axes of its filter are the window, and over which it sums."""


@dataclasses.dataclass(frozen=True)
class Sum:
    """What one output of a fixed-point operator or a reduction is made of.

    Attributes:
        op: the operator.
        numbers: how many terms or elements; None where the graph's static shapes do not tell. A transposed
            convolution with strides has fewer at most of its outputs.
        window: the sizes of a window that slides, else empty.
        axes: the axes that are reduced; None for what has a window, multiplies matrices, or does not tell.
    """

    op: str
    numbers: int | None
    window: Shape = ()
    axes: tuple[int, ...] | None = None

    def __str__(self) -> str:
        size = "x".join("?" if edge is None else str(edge) for edge in self.window)
        title = f"{self.op} {size}" if size else self.op
        if self.op in FIXED_POINT:
            return f"{title}, {_counted(self.numbers, 'term')}"
        return f"{title} over {_counted(self.numbers, 'element')}{self._listed_axes}"

    @property
    def _listed_axes(self) -> str:
        if not self.axes:
            return ""
        return f" ({'axis' if len(self.axes) == 1 else 'axes'} {', '.join(map(str, self.axes))})"


def sum_of(graph: FrozenGraph, types: Types, name: str) -> Sum:
    """Return what a fixed-point operator or a reduction sums.

    Args:
        graph: the network.
        types: the types of its tensors.
        name: a node whose operator is one of ``FIXED_POINT`` or ``REDUCTIONS``.
    """
    node = graph.nodes[name]
    if node.op in CONVOLUTIONS:
        return _convolution(types, node)
    if node.op in FIXED_POINT:
        return Sum(node.op, _contracted(types, node))
    if node.op in POOLS:
        sizes = _window(graph, node)
        return Sum(node.op, _product(sizes), _spatial(node, sizes))
    return _reduction(graph, types, node)


def _convolution(types: Types, node: Node) -> Sum:
    width, summed = CONVOLUTIONS[node.op]
    shape = _shape(types, node.input[DATA_ARGUMENTS.get(node.op, (0, 1))[1]])
    if shape is None:
        return Sum(node.op, None)
    return Sum(node.op, _product(shape[axis] for axis in summed), shape[:width])


def _contracted(types: Types, node: Node) -> int | None:
    """Return the length over which a matmul sums, which both of its arguments have."""
    for tensor, keys, axes in zip(
        node.input, (("transpose_a", "adj_x"), ("transpose_b", "adj_y")), ((-1, -2), (-2, -1)), strict=False
    ):
        shape = _shape(types, tensor)
        length = None if shape is None else shape[axes[_transposed(node, keys)]]
        if length is not None:
            return length
    return None


def _transposed(node: Node, keys: Iterable[str]) -> bool:
    """Whether a matmul takes an argument transposed; the attribute's name depends on the operator."""
    declared = {entry.name for entry in op_definition(node.op).attr}
    return any(bool(attribute(node, key).b) for key in keys if key in declared)


def _window(graph: FrozenGraph, node: Node) -> Shape:
    if node.op != "MaxPoolV2":
        return tuple(attribute(node, "ksize").list.i)
    given = graph.constant(node.input[1])
    return (None,) * 4 if given is None else tuple(int(edge) for edge in given)


def _spatial(node: Node, sizes: Shape) -> Shape:
    """Return the sizes of a window without those along samples and channels."""
    return sizes[2:] if attribute(node, "data_format").s.startswith(b"NC") else sizes[1:-1]


def _reduction(graph: FrozenGraph, types: Types, node: Node) -> Sum:
    shape = _shape(types, node.input[0])
    given = (-1,) if node.op in ALONG_CHANNELS else _constant_axes(graph, node)
    if shape is None or given is None:
        return Sum(node.op, None, axes=given)
    axes = tuple(sorted(axis % len(shape) for axis in given))
    return Sum(node.op, _product(shape[axis] for axis in axes), axes=axes)


def _constant_axes(graph: FrozenGraph, node: Node) -> tuple[int, ...] | None:
    value = graph.constant(node.input[1])
    return None if value is None else tuple(int(axis) for axis in value.reshape(-1))


def _shape(types: Types, tensor: str) -> Shape | None:
    return types[producer(tensor)][output_index(tensor)].shape


def _product(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else math.prod(size for size in known if size is not None)


def _counted(number: int | None, noun: str) -> str:
    if number is None:
        return f"an unknown number of {noun}s"
    return f"{number} {noun}{'' if number == 1 else 's'}"
