"""From real numbers to digits of 8 bits that integer instructions multiply, and from their sums back.

Compiled by XLA as :mod:`conformance.devices.emulator.kernels` says. All sums here are of integers that
float64 holds exactly, in whatever order they are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.kernels import quantize, rescale
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from conformance.devices.emulator.profile import Profile

Tensor = Any


def digits(
    x: Tensor,
    factor: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    bits: int,
    spread: tuple[int, ...],
    profile: Profile,
) -> tuple[Tensor, ...]:
    """Return fixed-point integers as digits, and the sum of ``x``, which is not finite where ``x`` has a NaN.

    Args:
        x: real numbers.
        factor: what they are multiplied by.
        low: the smallest integer.
        high: the largest integer.
        bits: 8: one digit, int8. 16: low digits, uint8, and high digits, int8: low + 256·high.
        spread: axes of length 1 that the digits get, so that they are images.
        profile: says how numbers are rounded.
    """
    tf = tensorflow()
    integers = quantize(x, factor, low, high, profile, tf.int32)
    for axis in spread:
        integers = tf.expand_dims(integers, axis)
    if bits == 8:
        return tf.cast(integers, tf.int8), tf.reduce_sum(x)
    high_digits = tf.bitwise.right_shift(integers, tf.constant(8, tf.int32))
    return tf.cast(integers & 255, tf.uint8), tf.cast(high_digits, tf.int8), tf.reduce_sum(x)


def rescale_digits(
    *tensors: Tensor,
    bits: int,
    groups: int,
    negates: bool,
    squeeze: tuple[int, ...],
    float_bits: int,
    profile: Profile,
    out: Any,
) -> Tensor:
    """Put the sums of digits together and turn them into real numbers, rounded to the float type once.

    Args:
        tensors: int32 sums of every part of the channels, (samples, rows, columns, outputs × digits); of 16
            bits, two for each part, those of the input's low and of its high digits. Then, where ``negates``,
            which outputs are minus what they should be; last the divisor.
        bits: 8 or 16.
        groups: into how many groups the outputs fall; each has its low digits first.
        negates: whether any output is negated.
        squeeze: axes of length 1 that the result has not.
        float_bits: bits of the result.
        profile: says how halves round.
        out: dtype of the result.
    """
    tf = tensorflow()
    *sums, divisor = tensors
    negated = sums.pop() if negates else None
    total = _added(sums) if bits == 8 else _of_two_digits(_added(sums[::2]), _added(sums[1::2]), groups)
    if negated is not None:
        total = tf.where(negated, 0 - total, total)  # not a negation: 0 stays +0
    return rescale(tf.squeeze(total, squeeze) if squeeze else total, divisor, float_bits, profile, out)


def _added(sums: list[Tensor]) -> Tensor:
    """Return the sum of a few int32 tensors, each at most 2^24."""
    total, *others = sums
    for other in others:
        total += other
    return total


def _of_two_digits(of_low: Tensor, of_high: Tensor, groups: int) -> Tensor:
    """Return low·low + 256·(low·high + high·low) + 65536·high·high in float64.

    Args:
        of_low: sums over the input's low digits.
        of_high: sums over its high digits.
        groups: into how many groups the outputs fall.
    """
    tf = tensorflow()
    low_low, low_high = _split_outputs(of_low, groups)
    high_low, high_high = _split_outputs(of_high, groups)
    middle = tf.cast(low_high + high_low, tf.float64)
    return tf.cast(low_low, tf.float64) + middle * 256 + tf.cast(high_high, tf.float64) * 65536


def _split_outputs(sums: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return the sums with the filter's low and with its high digits."""
    tf = tensorflow()
    shape = tf.shape(sums)
    outputs = shape[-1] // 2
    if groups == 1:
        return sums[..., :outputs], sums[..., outputs:]
    grouped = tf.reshape(sums, [*tf.unstack(shape[:-1]), groups, 2, outputs // groups])
    parts = (tf.reshape(grouped[..., digit, :], [*tf.unstack(shape[:-1]), outputs]) for digit in (0, 1))
    low, high = parts
    return low, high
