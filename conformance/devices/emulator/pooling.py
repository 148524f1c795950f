"""Average pooling and softmax as loops whose order and roundings are fixed; see :mod:`.kernels`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.kernels import round_to_float, running_sum, running_total
from conformance.graph.tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.devices.emulator.profile import Profile

    Tensor = Any

ROWS, COLUMNS = 1, 2
"""Axes of an image, channels last, along which a window slides."""


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
    extent: tuple[Tensor, list[Tensor]],
    length: Tensor,
    size: int,
    step: int,
    dtype: Any,  # noqa: ANN401
) -> Tensor:
    """Return how many positions of the window lie in the image, per output along an axis."""
    tf = tensorflow()
    out, (before, _) = extent
    first = tf.range(out) * step - before
    return tf.cast(tf.minimum(first + size, length) - tf.maximum(first, 0), dtype)


def softmax(x: Tensor, *, kind: str, step_bits: int, float_bits: int, profile: Profile) -> Tensor:
    """Return exp(x − max) over its sum, along the last axis.

    Args:
        x: logits, of known rank.
        kind: type of the running sum, see :func:`conformance.devices.emulator.kernels.running_sum`.
        step_bits: float type to which difference, exponential and sum are rounded; 64: they are not.
        float_bits: bits of the result.
        profile: says how halves round.
    """
    tf = tensorflow()

    def step(value: Tensor) -> Tensor:
        return value if step_bits == 64 else round_to_float(value, step_bits, profile)  # noqa: PLR2004

    wide = tf.cast(x, tf.float64)
    powers = step(tf.exp(step(wide - tf.reduce_max(wide, -1, keepdims=True))))
    rank = x.shape.rank
    terms = tf.transpose(powers, [rank - 1, *range(rank - 1)])
    total = step(running_sum(terms, kind, profile))
    return tf.cast(round_to_float(powers / total[..., None], float_bits, profile), x.dtype)
