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
    groups: int,
    parts: int,
    negates: bool,
    squeeze: tuple[int, ...],
    float_bits: int,
    profile: Profile,
    out: Any,
) -> Tensor:
    """Put the sums of digits together and turn them into real numbers, rounded to the float type once.

    Args:
        tensors: int32 sums over one digit of the input, or over its low and over its high one, (samples,
            rows, columns, outputs), with outputs as :class:`.integer_filters.DigitFilter` orders them. Then,
            where ``negates``, which outputs are minus what they should be; last the divisor.
        groups: into how many groups the outputs fall.
        parts: into how many parts the channels of a group fall.
        negates: whether any output is negated.
        squeeze: axes of length 1 that the result has not.
        float_bits: bits of the result.
        profile: says how halves round.
        out: dtype of the result.
    """
    tf = tensorflow()
    *sums, divisor = tensors
    negated = sums.pop() if negates else None
    digits = [_of_digits(of_digit, groups, parts, len(sums)) for of_digit in sums]
    total = digits[0][0] if len(sums) == 1 else _of_two_digits(*digits)
    if negated is not None:
        total = tf.where(negated, 0 - total, total)  # not a negation: 0 stays +0
    return rescale(tf.squeeze(total, squeeze) if squeeze else total, divisor, float_bits, profile, out)


def _of_digits(sums: Tensor, groups: int, parts: int, count: int) -> list[Tensor]:
    """Return the sums over all parts of the channels with each digit of the filter."""
    tf = tensorflow()
    shape = tf.unstack(tf.shape(sums))
    each = shape[-1] // (groups * parts * count)
    ordered = tf.reshape(sums, [*shape[:-1], groups, parts, count, each])
    by_digit = [tf.add_n([ordered[..., part, digit, :] for part in range(parts)]) for digit in range(count)]
    return [tf.reshape(total, [*shape[:-1], groups * each]) for total in by_digit]


def _of_two_digits(of_low: list[Tensor], of_high: list[Tensor]) -> Tensor:
    """Return low·low + 256·(low·high + high·low) + 65536·high·high in float64.

    Args:
        of_low: sums over the input's low digits, with the filter's low and with its high digits.
        of_high: the same over its high digits.
    """
    tf = tensorflow()
    low, high = tf.cast(of_low[0], tf.float64), tf.cast(of_high[1], tf.float64)
    return low + tf.cast(of_low[1] + of_high[0], tf.float64) * 256 + high * 65536
