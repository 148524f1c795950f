"""What operators without a float64 kernel compute, written with operators of TensorFlow that have one.

Every function takes the node and its inputs, floats among them in float64, and returns the first output. It
stores each of its steps by ``stored``, which hands a tensor on as it is, or rounds it as a device would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.graph.frozen import Node

    Tensor = Any
    Stored = Callable[[Tensor], Tensor]

ROWS, COLUMNS = 1, 2
"""Axes of a picture along which it is resized."""

CUBIC_STEPS = 1024
"""Between two pixels, TensorFlow's bicubic weights know so many places."""


def batch_norm(node: Node, inputs: Sequence[Tensor], stored: Stored) -> Tensor:
    """Return (x − mean) · scale / √(variance + epsilon) + offset, channel by channel.

    Source: tf.nn.batch_normalization; FusedBatchNorm with is_training = false.
    """
    x, scale, offset, mean, variance = by_channel(node, inputs)
    factor = stored(scale / tensorflow().sqrt(variance + attribute(node, "epsilon").f))
    return stored(stored(x - mean) * factor) + offset


def folded_batch_norm(node: Node, inputs: Sequence[Tensor], stored: Stored) -> Tensor:
    """Return x · factor + shift, both known beforehand: the same as ``batch_norm``, but for roundings."""
    x, scale, offset, mean, variance = by_channel(node, inputs)
    factor = scale / tensorflow().sqrt(variance + attribute(node, "epsilon").f)
    return stored(x * stored(factor)) + stored(offset - mean * factor)


def by_channel(node: Node, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the inputs of a batch normalisation, those per channel as they lie along the channels of x."""
    if attribute(node, "data_format").s in (b"NHWC", b"NDHWC"):
        return list(inputs)
    axes = 2 if attribute(node, "data_format").s == b"NCHW" else 3
    return [inputs[0], *(tensorflow().reshape(each, [-1, *[1] * axes]) for each in inputs[1:])]


def bilinear(node: Node, inputs: Sequence[Tensor], stored: Stored) -> Tensor:
    """Return pictures resized by linear interpolation along rows, then columns.

    Where a pixel comes from is computed in float32, as TensorFlow and devices do.

    Source: tensorflow/core/kernels/image/resize_bilinear_op.cc
    """
    tf = tensorflow()
    x = tf.cast(inputs[0], tf.float64)
    for axis in (COLUMNS, ROWS):
        place, last = places(node, tf.shape(x)[axis], inputs[1][axis - 1])
        (first, _), (second, weight) = linear_taps(place, last)
        weight = stored(along(axis, weight))
        below, above = tf.gather(x, first, axis=axis), tf.gather(x, second, axis=axis)
        x = below + stored(stored(above - below) * weight)
        x = stored(x) if axis == COLUMNS else x
    return x


def linear_taps(place: Tensor, last: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the two pixels beside each place, and their weights."""
    tf = tensorflow()
    before = tf.floor(place)
    weight = tf.cast(place - before, tf.float64)
    return [(_within(before, last), 1 - weight), (_within(before + 1, last), weight)]


def bicubic(node: Node, inputs: Sequence[Tensor], stored: Stored) -> Tensor:
    """Return pictures resized by cubic convolution of four pixels along columns, then rows.

    Source: tensorflow/core/kernels/image/resize_bicubic_op.cc; Keys, "Cubic convolution interpolation".
    """
    tf = tensorflow()
    x = tf.cast(inputs[0], tf.float64)
    for axis in (ROWS, COLUMNS):
        place, last = places(node, tf.shape(x)[axis], inputs[1][axis - 1])
        keys = attribute(node, "half_pixel_centers").b
        terms = [
            stored(tf.gather(x, at, axis=axis) * stored(along(axis, weight)))
            for at, weight in cubic_taps(place, last, keys=keys)
        ]
        x = stored(stored(terms[0] + terms[1]) + terms[2]) + terms[3]
        x = stored(x) if axis == ROWS else x
    return x


def cubic_taps(place: Tensor, last: Tensor, *, keys: bool) -> list[tuple[Tensor, Tensor]]:
    """Return the four pixels about each place, and their weights.

    Args:
        place: where new pixels come from.
        last: the last pixel that there is.
        keys: weights are those of Keys, and what lies outside counts for nothing.
    """
    tf = tensorflow()
    before = tf.floor(place)
    offset = tf.cast(tf.round((place - before) * CUBIC_STEPS), tf.float64) / CUBIC_STEPS
    pixels = [before + step for step in (-1, 0, 1, 2)]
    weights = _cubic_weights(offset, -0.5 if keys else -0.75)
    if keys:
        inside = [tf.cast((at >= 0) & (at <= tf.cast(last, at.dtype)), tf.float64) for at in pixels]
        weights = [weight * there for weight, there in zip(weights, inside, strict=True)]
        weights = [weight / tf.add_n(weights) for weight in weights]
    return [(_within(at, last), weight) for at, weight in zip(pixels, weights, strict=True)]


def places(node: Node, size: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    """Return where along an axis each new pixel comes from, in float32, and the last pixel there is."""
    tf = tensorflow()
    old, wanted = tf.cast(size, tf.float32), tf.cast(new, tf.float32)
    scale = old / wanted
    if attribute(node, "align_corners").b:
        scale = tf.where(wanted > 1, (old - 1) / tf.maximum(wanted - 1, 1), scale)
    places = tf.cast(tf.range(new), tf.float32)
    shifted = attribute(node, "half_pixel_centers").b
    return (places + 0.5) * scale - 0.5 if shifted else places * scale, size - 1


def _within(place: Tensor, last: Tensor) -> Tensor:
    """Return the numbers of pixels, those outside a picture replaced by the nearest inside."""
    tf = tensorflow()
    return tf.minimum(tf.maximum(tf.cast(place, tf.int32), 0), last)


def along(axis: int, values: Tensor) -> Tensor:
    """Return one number per row or column, as it lies beside (batch, rows, columns, channels)."""
    return values[:, None, None] if axis == ROWS else values[:, None]


def _cubic_weights(offset: Tensor, a: float) -> list[Tensor]:
    """Return the weights of four pixels, for a place ``offset`` beyond the second."""

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(offset + 1), near(offset), near(1 - offset), far(2 - offset)]


def response_normalised(node: Node, inputs: Sequence[Tensor], stored: Stored) -> Tensor:
    """Return x / (bias + alpha · Σ x²)^beta, the sum over the channels beside each.

    Source: tf.nn.local_response_normalization.
    """
    tf = tensorflow()
    (x,) = inputs
    channels = tf.shape(x)[-1]
    radius = tf.minimum(channels, attribute(node, "depth_radius").i)
    ones = tf.ones([channels, channels], x.dtype)
    beside = tf.linalg.band_part(ones, radius, radius)
    sums = stored(tf.tensordot(stored(x * x), beside, [[-1], [0]]))
    bias, alpha, beta = (attribute(node, key).f for key in ("bias", "alpha", "beta"))
    return x / stored((bias + alpha * sums) ** beta)


COMPOSITIONS: Mapping[str, Callable[[Node, Sequence[Tensor], Stored], Tensor]] = {
    "FusedBatchNorm": batch_norm,
    "FusedBatchNormV2": batch_norm,
    "FusedBatchNormV3": batch_norm,
    "LRN": response_normalised,
    "ResizeBicubic": bicubic,
    "ResizeBilinear": bilinear,
}
"""What each of them computes."""
