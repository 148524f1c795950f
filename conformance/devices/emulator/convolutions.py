"""Fixed-point operators as convolutions over images, channels last: what each multiplies with what."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator.constants import made_of
from conformance.graph.operators import known
from conformance.graph.retype import attribute
from conformance.graph.sums import same_padding, transposes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.graph.frozen import Node
    from conformance.graph.sums import Shape, ShapeOf

Array = np.ndarray[Any, Any]

IMAGE_RANK = 4


@dataclasses.dataclass(frozen=True)
class Interleave:
    """How outputs of a convolution, phase by phase, become the pixels of a larger image.

    Attributes:
        steps: how many phases there are along rows and columns.
        first: the row and column at which the image begins.
        size: its rows and columns.
    """

    steps: tuple[int, int]
    first: tuple[int, int]
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A fixed-point operator as a convolution.

    Attributes:
        filters: integers, (rows, columns, channels, outputs); fewer channels than the input's: a grouped one.
        positions: at how many places of one sample, as far as is known, it sums over the filter.
        groups: into how many groups channels and outputs fall.
        strides, dilations: along rows and columns.
        padding: ``SAME`` or ``VALID``.
        pads: two numbers per axis of the input, in place of ``padding``.
        spread: axes of length 1 by which the input becomes an image, and that the result loses.
        interleave: what becomes of the outputs, where they are not the result.
    """

    filters: Array
    positions: int
    groups: int = 1
    strides: tuple[int, ...] = (1, 1)
    dilations: tuple[int, ...] = (1, 1)
    padding: bytes = b"VALID"
    pads: tuple[int, ...] = ()
    spread: tuple[int, ...] = ()
    interleave: Interleave | None = None

    @property
    def products(self) -> int:
        """How many products one sample takes."""
        return self.positions * int(self.filters.size)


def _positions(shape: Shape) -> int:
    return math.prod(length or 1 for length in shape[:-1])


def as_convolution(node: Node, filters: Array, shape_of: ShapeOf) -> Convolution | None:
    """Return a fixed-point operator as a convolution, or None where it is not modelled as one.

    Args:
        node: the operator.
        filters: its integers, not transposed any more.
        shape_of: returns the shapes of its input and its result, as far as they are known.
    """
    describe = _OF_OPERATOR.get(node.op)
    shape, result = shape_of(node.input[known(node.op).data_arguments[0]]), shape_of(node.name)
    if describe is None or shape is None or result is None:
        return None
    return describe(node, filters, shape, result)


def _conv2d(node: Node, filters: Array, shape: Shape, result: Shape) -> Convolution | None:
    channels, each = shape[-1], filters.shape[2]
    if attribute(node, "data_format").s != b"NHWC" or channels is None or channels % each:
        return None
    if each == 1 < channels:  # a depthwise one: integer kernels take as long, or far longer
        return None
    padding = attribute(node, "padding").s
    explicit = padding == b"EXPLICIT"
    return Convolution(
        filters,
        positions=_positions(result),
        groups=channels // each,
        strides=tuple(attribute(node, "strides").list.i)[1:3],
        dilations=tuple(attribute(node, "dilations").list.i)[1:3],
        padding=b"VALID" if explicit else padding,
        pads=tuple(attribute(node, "explicit_paddings").list.i) if explicit else (),
    )


def _matmul(node: Node, filters: Array, shape: Shape, result: Shape) -> Convolution | None:
    """Return a matmul as a convolution of single points, its rows along an axis of images."""
    if transposes(node, 0) or filters.ndim != 2 or not 2 <= len(shape) <= IMAGE_RANK:
        return None
    spread = {2: (0, 2), 3: (2,), IMAGE_RANK: ()}[len(shape)]
    return Convolution(filters[None, None], _positions(result), spread=spread)


def _transposed(node: Node, filters: Array, shape: Shape, result: Shape) -> Convolution | None:
    """Return a transposed convolution as one without strides, whose outputs are the phases of its result.

    With a stride of s, an output at s·m + r sums over the taps r, r + s, r + 2s, … of the filter.
    """
    steps, images = attribute(node, "strides").list.i[1:3], result[1:3]
    plain = attribute(node, "data_format").s == b"NHWC" and set(attribute(node, "dilations").list.i) == {1}
    if not plain or shape[-1] != filters.shape[3] or None in images:
        return None
    size = [int(length or 0) for length in images]
    first = _first_pixels(node, size, filters.shape, steps)
    taps = [-(-length // step) for length, step in zip(filters.shape, steps, strict=False)]
    around = [edge for count in taps for edge in (count - 1, count - 1)]
    return Convolution(
        made_of(filters, ("phases", *steps), lambda filters: _phases(filters, steps, taps)),
        _positions(shape),
        pads=(0, 0, *around, 0, 0),
        interleave=Interleave((steps[0], steps[1]), (first[0], first[1]), (size[0], size[1])),
    )


def _first_pixels(node: Node, size: Sequence[int], taps: Sequence[int], steps: Sequence[int]) -> list[int]:
    """Return the padding before rows and columns of a transposed convolution's result."""
    padding = attribute(node, "padding").s
    if padding == b"EXPLICIT":
        return [int(attribute(node, "explicit_paddings").list.i[at]) for at in (2, 4)]
    axes = zip(size, taps, steps, strict=False)
    return [same_padding(*axis)[0] if padding == b"SAME" else 0 for axis in axes]


def _phases(filters: Array, steps: Sequence[int], taps: Sequence[int]) -> Array:
    """Return the filters of all phases: (rows, columns, channels, phases × outputs), taps turned round."""
    rows, columns, outputs, channels = filters.shape
    missing = [count * step - size for count, step, size in zip(taps, steps, (rows, columns), strict=True)]
    whole = np.pad(filters, [(0, missing[0]), (0, missing[1]), (0, 0), (0, 0)])
    by_phase = whole.reshape(taps[0], steps[0], taps[1], steps[1], outputs, channels)[::-1, :, ::-1]
    return np.reshape(by_phase.transpose(0, 2, 5, 1, 3, 4), (*taps, channels, -1))


_OF_OPERATOR: Mapping[str, Callable[[Node, Array, Shape, Shape], Convolution | None]] = {
    "BatchMatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "Conv2D": _conv2d,
    "Conv2DBackpropInput": _transposed,
    "MatMul": _matmul,
}
