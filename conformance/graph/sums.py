"""How many numbers an operator makes one number of: the terms of a convolution, the elements of a Mean."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from conformance.graph.frozen import output_index, producer
from conformance.graph.lazy_tensorflow import op_definition
from conformance.graph.operators import PRODUCT_SUMS, known
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph, Node

Shape: TypeAlias = tuple[int | None, ...]
ShapeOf: TypeAlias = Callable[[str], Shape | None]
"""Returns the shape of a tensor: of a static type, of a golden; None where it is not known."""

TRANSPOSING = (("transpose_a", "adj_x"), ("transpose_b", "adj_y"))
"""Attributes by which matmuls transpose their first and second argument."""


def static_shapes(types: Mapping[str, Sequence[TensorType]]) -> ShapeOf:
    """Return what gives the shapes that are known without running: those of ``types``, by node."""
    return lambda tensor: types[producer(tensor)][output_index(tensor)].shape


@dataclasses.dataclass(frozen=True)
class Sum:
    """What one output of a sum of products or a reduction is made of.

    Attributes:
        op: the operator.
        numbers: how many terms or elements at most; None where the shapes do not tell. A transposed
            convolution with strides has fewer at most of its outputs, a pool at the edge of an image.
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
        if self.op in PRODUCT_SUMS:
            return f"{title}, {_counted(self.numbers, 'term')}"
        return f"{title} over {_counted(self.numbers, 'element')}{self._listed_axes}"

    @property
    def _listed_axes(self) -> str:
        if not self.axes:
            return ""
        return f" ({'axis' if len(self.axes) == 1 else 'axes'} {', '.join(map(str, self.axes))})"


def sum_of(graph: FrozenGraph, name: str, shape_of: ShapeOf) -> Sum:
    """Return what a sum of products or a reduction sums.

    Args:
        graph: the network.
        name: a node whose operator is one of ``PRODUCT_SUMS`` or ``REDUCTIONS``.
        shape_of: returns the shapes of the tensors that it reads and makes.
    """
    node = graph.nodes[name]
    entry = known(node.op)
    if entry.window_axes:
        return _convolution(node, shape_of)
    if node.op in PRODUCT_SUMS:
        return Sum(node.op, _contracted(node, shape_of))
    if entry.reduces == "window":
        return _pool(graph, node, shape_of)
    return _reduction(graph, node, shape_of)


def _convolution(node: Node, shape_of: ShapeOf) -> Sum:
    entry = known(node.op)
    shape = shape_of(node.input[entry.data_arguments[1]])
    if shape is None:
        return Sum(node.op, None)
    return Sum(node.op, _product(shape[axis] for axis in entry.summed_axes), shape[: entry.window_axes])


def _contracted(node: Node, shape_of: ShapeOf) -> int | None:
    """Return the length over which a matmul sums, which both of its arguments have."""
    for position, axis in ((0, -1), (1, -2)):
        shape = shape_of(node.input[position])
        length = None if shape is None else shape[-3 - axis if transposes(node, position) else axis]
        if length is not None:
            return length
    return None


def transposes(node: Node, position: int) -> bool:
    """Whether a matmul transposes an argument; the attribute's name depends on the operator."""
    declared = {entry.name for entry in op_definition(node.op).attr}
    return any(bool(attribute(node, key).b) for key in TRANSPOSING[position] if key in declared)


def _pool(graph: FrozenGraph, node: Node, shape_of: ShapeOf) -> Sum:
    sizes, shape = _window(graph, node), shape_of(node.input[0])
    inside = sizes if shape is None else tuple(map(_smaller, sizes, shape))
    return Sum(node.op, _product(inside), _spatial(node, sizes))


def _smaller(size: int | None, length: int | None) -> int | None:
    """Return how much of a window lies inside an image at most."""
    return size if size is None or length is None else min(size, length)


def _window(graph: FrozenGraph, node: Node) -> Shape:
    """Return the sizes of a window: an attribute, or the second argument of later versions of an operator."""
    if any(entry.name == "ksize" for entry in op_definition(node.op).attr):
        return tuple(attribute(node, "ksize").list.i)
    given = graph.constant(node.input[1])
    return (None,) * 4 if given is None else tuple(int(edge) for edge in given)


def same_padding(length: int, size: int, step: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding of an axis before and after: as even as can be, the odd one after."""
    total = max((-(-length // step) - 1) * step + size - length, 0)
    return total // 2, total - total // 2


def _spatial(node: Node, sizes: Shape) -> Shape:
    """Return the sizes of a window without those along samples and channels."""
    return sizes[2:] if attribute(node, "data_format").s.startswith(b"NC") else sizes[1:-1]


def _reduction(graph: FrozenGraph, node: Node, shape_of: ShapeOf) -> Sum:
    """Return what a reduction sums, by its axes or else by how much smaller its result is."""
    shape, result = shape_of(node.input[0]), shape_of(node.name)
    if known(node.op).reduces == "last axis":  # its result has the shape of what it reads
        shape = result
    axes = reduced_axes(graph, node, None if shape is None else len(shape))
    if shape is not None and axes is not None:
        return Sum(node.op, _product(shape[axis] for axis in axes), axes=axes)
    return Sum(node.op, _quotient(shape, result), axes=axes)


def reduced_axes(graph: FrozenGraph, node: Node, rank: int | None) -> tuple[int, ...] | None:
    """Return the axes that a reduction without a window reduces, or None where they are not constant.

    Args:
        graph: the network.
        node: the reduction.
        rank: of the tensor that it reads. Where it is known, axes are sorted and counted from the front.
    """
    value = np.array(-1) if known(node.op).reduces == "last axis" else graph.constant(node.input[1])
    if value is None:
        return None
    axes = tuple(int(axis) for axis in value.reshape(-1))
    return axes if rank is None else tuple(sorted(axis % rank for axis in axes))


def _quotient(whole: Shape | None, parts: Shape | None) -> int | None:
    if whole is None or parts is None:
        return None
    elements, results = _product(whole), _product(parts)
    return None if elements is None or results is None else elements // max(results, 1)


def _product(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else math.prod(size for size in known if size is not None)


def _counted(number: int | None, noun: str) -> str:
    if number is None:
        return f"an unknown number of {noun}s"
    return f"{number} {noun}{'' if number == 1 else 's'}"
