"""From real numbers to digits of 8 bits that integer instructions multiply, and from their sums back.

Compiled by XLA as :mod:`conformance.devices.emulator.kernels` says. All sums here are of integers that
float64 holds exactly, in whatever order they are added.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.integer_kernels import EXACT
from conformance.devices.emulator.kernels import quantize, rescale, scaled_for_rounding
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from conformance.devices.emulator.convolutions import Interleave
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
    """Return fixed-point integers as digits.

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
    integers = _integers(x, factor, low, high, profile)
    for axis in spread:
        integers = tf.expand_dims(integers, axis)
    if bits == 8:
        return (tf.cast(integers, tf.int8),)
    high_digits = tf.bitwise.right_shift(integers, tf.constant(8, tf.int32))
    return tf.cast(integers & 255, tf.uint8), tf.cast(high_digits, tf.int8)


def _integers(x: Tensor, factor: Tensor, low: Tensor, high: Tensor, profile: Profile) -> Tensor:
    """Return the int32 that :func:`conformance.devices.emulator.kernels.quantize` returns as floats.

    Half a step is added to a magnitude, exactly, and a cast cuts off the fraction.
    """
    tf = tensorflow()
    if profile.fixed_point_rounding != "half-away":
        return quantize(x, factor, low, high, profile, tf.int32)
    scaled = tf.clip_by_value(scaled_for_rounding(x, factor, profile), low, high)
    return tf.cast(tf.where(scaled < 0, scaled - 0.5, scaled + 0.5), tf.int32)


def rescale_digits(
    *tensors: Tensor,
    groups: int,
    negates: bool,
    checks: bool,
    squeeze: tuple[int, ...],
    interleave: Interleave | None,
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
        negates: whether any output is negated.
        checks: whether sums may be so large that the kernel may have rounded them; these become NaN.
        squeeze: axes of length 1 that the result has not.
        interleave: how phases become pixels, if they do.
        float_bits: bits of the result.
        profile: says how halves round.
        out: dtype of the result.
    """
    tf = tensorflow()
    *sums, divisor = tensors
    negated = sums.pop() if negates else None
    parts = sums if len(sums) == 1 else [part for of_digit in sums for part in _by_digit(of_digit, groups)]
    total = tf.cast(sums[0], tf.float64) if len(sums) == 1 else _of_two_digits(*parts)
    if negated is not None:
        total = tf.where(negated, 0 - total, total)  # not a negation: 0 stays +0
    result = rescale(total, divisor, float_bits, profile, out)
    if checks:
        large = functools.reduce(tf.maximum, map(tf.abs, parts)) >= EXACT
        result = tf.where(large, tf.constant(math.nan, result.dtype), result)
    result = tf.squeeze(result, squeeze) if squeeze else result
    return _interleaved(result, interleave) if interleave else result


def _by_digit(sums: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Return the sums with the filter's low digits and with its high ones."""
    tf = tensorflow()
    if groups == 1:
        low, high = tf.split(sums, 2, axis=-1)
        return low, high
    shape = tf.unstack(tf.shape(sums))
    grouped = tf.reshape(sums, [*shape[:-1], groups, 2, shape[-1] // (2 * groups)])
    low, high = (tf.reshape(grouped[..., digit, :], [*shape[:-1], shape[-1] // 2]) for digit in (0, 1))
    return low, high


def _of_two_digits(low_low: Tensor, low_high: Tensor, high_low: Tensor, high_high: Tensor) -> Tensor:
    """Return low·low + 256·(low·high + high·low) + 65536·high·high in float64, which holds it exactly."""
    tf = tensorflow()
    middle = tf.cast(low_high, tf.float64) + tf.cast(high_low, tf.float64)
    return tf.cast(low_low, tf.float64) + middle * 256 + tf.cast(high_high, tf.float64) * 65536


def _interleaved(phases: Tensor, interleave: Interleave) -> Tensor:
    """Return an image of (samples, rows, columns, phases × outputs), zero where no phase reaches."""
    tf = tensorflow()
    shape = tf.shape(phases)
    samples, rows, columns = shape[0], shape[1], shape[2]
    down, across = interleave.steps
    outputs = shape[3] // (down * across)
    grid = tf.transpose(
        tf.reshape(phases, [samples, rows, columns, down, across, outputs]), [0, 1, 3, 2, 4, 5]
    )
    pixels = tf.reshape(grid, [samples, rows * down, columns * across, outputs])
    bottom, right = (first + size for first, size in zip(interleave.first, interleave.size, strict=True))
    below, beside = tf.maximum(bottom - rows * down, 0), tf.maximum(right - columns * across, 0)
    padded = tf.pad(pixels, [[0, 0], [0, below], [0, beside], [0, 0]])
    return padded[:, interleave.first[0] : bottom, interleave.first[1] : right]
