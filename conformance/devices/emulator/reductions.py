"""Operators that make one number out of many, with a running sum: Mean, Sum, AvgPool, Softmax."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from conformance.devices.emulator.kernels import HALVES, round_to_float, running_sum, running_total
from conformance.devices.emulator.reduction_kernels import reduce
from conformance.graph.editing import constant
from conformance.graph.frozen import producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.graph.retype import attribute
from conformance.graph.sums import reduced_axes, static_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.devices.emulator.profile import Profile
    from conformance.devices.emulator.rounding import Rounding
    from conformance.graph.frozen import FrozenGraph, Node

    Tensor = Any

ROWS, COLUMNS = 1, 2
"""Axes of an image, channels last, along which a window slides."""

FAST_WINDOW = 36
"""Up to so many positions a window of AvgPool is faster, with a loss of precision (cnml.h 7.2.1)."""


@dataclasses.dataclass(frozen=True)
class Reductions:
    """Rewrites reductions of one graph at one precision.

    Attributes:
        graph: the graph, in the arithmetic's dtype.
        rounding: says what is emulated, and how results are rounded.
    """

    graph: FrozenGraph
    rounding: Rounding

    def rewrite(self, node: Node) -> list[Node] | None:
        """Return nodes that take over ``node``, or None where its shape, axes or window are not modelled."""
        return self.of_operator[node.op](self, node)

    def _settings(self, *, rounded: bool) -> dict[str, Any]:
        """Return what every running sum needs to know.

        Args:
            rounded: whether its terms are of the precision's float type.
        """
        kind = self.rounding.profile.reduction_sum
        kind = self.rounding.precision.floating if kind == "float-type" else kind
        plain = (
            rounded
            and self.rounding.precision.float_bits == 16
            and self.rounding.profile.half_overflow == "saturate"
        )
        return {
            "kind": HALVES if kind == "fp16" and plain else kind,
            "float_bits": self.rounding.precision.float_bits,
            "profile": self.rounding.profile,
        }

    def _passes(self, axes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        if self.rounding.profile.reduction_order == "one-pass":
            return (axes,)
        step = -1 if self.rounding.profile.reduction_order == "last-axis-first" else 1
        return tuple((axis,) for axis in axes[::step])

    def _rank(self, node: Node) -> int | None:
        """Return the rank of the reduced tensor; None where it is not known."""
        shape = static_shapes(self.rounding.types)(node.input[0])
        return None if shape is None else len(shape)

    def _sum(self, node: Node) -> list[Node] | None:
        rank = self._rank(node)
        axes = reduced_axes(self.graph, node, rank)
        if rank is None or axes is None:
            return None
        one = constant(f"{node.name}/one", np.float64(1))
        reducing = self.rounding.library.call(
            node.name,
            reduce,
            [node.input[0], one.name],
            ((self.rounding.dtype, rank), ("float64", 0)),
            self.rounding.dtype,
            passes=self._passes(axes),
            mean=known(node.op).running_sum == "mean",
            keep=bool(attribute(node, "keep_dims").b),
            **self._settings(rounded=producer(node.input[0]) not in self.rounding.kept_wide),
        )
        return [one, reducing]

    @staticmethod
    def _slides_over_images(node: Node) -> bool:
        """Whether a pool is one over rows and columns, channels last: TensorFlow runs no other on a CPU."""
        ends = {tuple(attribute(node, key).list.i)[at] for key in ("ksize", "strides") for at in (0, 3)}
        return ends == {1} and bool(attribute(node, "data_format").s == b"NHWC")

    def _average_pool(self, node: Node) -> list[Node] | None:
        if not self._slides_over_images(node):
            return None
        one = constant(f"{node.name}/one", np.float64(1))
        window = tuple(attribute(node, "ksize").list.i)[1:3]
        pooled = self.rounding.library.call(
            node.name,
            average_pool,
            [node.input[0], one.name],
            ((self.rounding.dtype, 4), ("float64", 0)),
            self.rounding.dtype,
            passes=self._passes((ROWS, COLUMNS)),
            window=window,
            strides=tuple(attribute(node, "strides").list.i)[1:3],
            same=bool(attribute(node, "padding").s == b"SAME"),
            **self._settings(rounded=False) | self._sum_of_windows(*window),
        )
        return [one, pooled]

    def _sum_of_windows(self, height: int, width: int) -> dict[str, str]:
        """Return how an AvgPool sums, where its window decides that."""
        if self.rounding.profile.average_pool_sum == "as-reductions":
            return {}
        return {"kind": self.rounding.precision.floating if height * width <= FAST_WINDOW else "fp32"}

    def _softmax(self, node: Node) -> list[Node] | None:
        rank = self._rank(node)
        if rank is None:
            return None
        bits = {"rounded": self.rounding.precision.float_bits, "fp32": 32, "exact": 64}
        shared = self.rounding.library.call(
            node.name,
            softmax,
            [node.input[0]],
            ((self.rounding.dtype, rank),),
            self.rounding.dtype,
            step_bits=bits[self.rounding.profile.softmax_steps],
            less_maximum=self.rounding.profile.softmax_maximum == "subtracted",
            **self._settings(rounded=False),
        )
        return [shared]

    of_operator: ClassVar[Mapping[str, Callable[[Reductions, Node], list[Node] | None]]] = {
        "AvgPool": _average_pool,
        "Mean": _sum,
        "Softmax": _softmax,
        "Sum": _sum,
    }
    """What rewrites each operator with a running sum."""


def average_pool(
    x: Tensor,
    one: Tensor,
    *,
    passes: tuple[tuple[int, ...], ...],
    window: tuple[int, int],
    strides: tuple[int, int],
    same: bool,
    kind: str,
    float_bits: int,
    profile: Profile,
) -> Tensor:
    """Average over a window that slides, in one or several passes, each rounded to the float type.

    Args:
        x: (batch, rows, columns, channels).
        one: 1.0; the numbers of terms are multiplied with it, so that XLA does not know them.
        passes: the axes of each pass; within a pass the terms come row by row.
        window: its size along rows and columns.
        strides: steps along rows and columns.
        same: padding is SAME; what lies outside the image is neither summed nor counted.
        kind: type of the running sum, see :func:`conformance.devices.emulator.kernels.running_sum`.
        float_bits: bits of the result.
        profile: says how halves round.

    Source: tf.nn.avg_pool: each entry of the output is the mean of the corresponding window's values.
    """
    for axes in passes:
        sizes = [window[axis - 1] if axis in axes else 1 for axis in (ROWS, COLUMNS)]
        steps = [strides[axis - 1] if axis in axes else 1 for axis in (ROWS, COLUMNS)]
        x = _pooled_once(x, one, sizes, steps, same=same, kind=kind, float_bits=float_bits, profile=profile)
    return x


def _pooled_once(
    x: Tensor,
    one: Tensor,
    window: Sequence[int],
    strides: Sequence[int],
    *,
    same: bool,
    kind: str,
    float_bits: int,
    profile: Profile,
) -> Tensor:
    tf = tensorflow()
    lengths = [tf.shape(x)[axis] for axis in (ROWS, COLUMNS)]
    extents = [_extent(*axis, same=same) for axis in zip(lengths, window, strides, strict=True)]
    padded = tf.pad(x, [[0, 0], *(before_after for _, before_after in extents), [0, 0]])
    outs = [out for out, _ in extents]
    spans = [(out - 1) * step + 1 for out, step in zip(outs, strides, strict=True)]
    shape = tf.shape(x)

    def term(index: Tensor) -> Tensor:
        at = [0, index // window[1], index % window[1], 0]
        part = tf.slice(padded, at, [shape[0], *spans, shape[3]])
        return part[:, :: strides[0], :: strides[1]]

    start = [shape[0], *outs, shape[3]]
    total = running_total(window[0] * window[1], term, start, x.dtype, kind, profile)
    rows, columns = (
        _real_terms(extent, length, size, step, total.dtype)
        for extent, length, size, step in zip(extents, lengths, window, strides, strict=True)
    )
    count = rows[:, None, None] * columns[:, None] * tf.cast(one, total.dtype)
    return tf.cast(round_to_float(total / count, float_bits, profile), x.dtype)


def _extent(length: Tensor, size: int, step: int, *, same: bool) -> tuple[Tensor, list[Tensor]]:
    """Return how long the output is along an axis, and TensorFlow's padding before and after."""
    tf = tensorflow()
    if not same:
        return (length - size) // step + 1, [0, 0]
    out = (length + step - 1) // step
    total = tf.maximum((out - 1) * step + size - length, 0)
    return out, [total // 2, total - total // 2]


def _real_terms(
    extent: tuple[Tensor, list[Tensor]], length: Tensor, size: int, step: int, dtype: Any
) -> Tensor:
    """Return how many positions of the window lie in the image, per output along an axis."""
    tf = tensorflow()
    out, (before, _) = extent
    first = tf.range(out) * step - before
    return tf.cast(tf.minimum(first + size, length) - tf.maximum(first, 0), dtype)


def softmax(
    x: Tensor, *, kind: str, step_bits: int, less_maximum: bool, float_bits: int, profile: Profile
) -> Tensor:
    """Return exp(x − max) or exp(x) over its sum, along the last axis.

    Args:
        x: logits, of known rank.
        kind: type of the running sum, see :func:`conformance.devices.emulator.kernels.running_sum`.
        step_bits: float type to which difference, exponential and sum are rounded; 64: they are not.
        less_maximum: whether the maximum is subtracted first.
        float_bits: bits of the result.
        profile: says how halves round.
    """
    tf = tensorflow()

    def step(value: Tensor) -> Tensor:
        return value if step_bits == 64 else round_to_float(value, step_bits, profile)

    wide = tf.cast(x, tf.float64)
    exponents = step(wide - tf.reduce_max(wide, -1, keepdims=True)) if less_maximum else wide
    powers = step(tf.exp(exponents))
    rank = x.shape.rank
    terms = tf.transpose(powers, [rank - 1, *range(rank - 1)])
    total = step(running_sum(terms, kind, profile))
    return tf.cast(round_to_float(powers / total[..., None], float_bits, profile), x.dtype)
