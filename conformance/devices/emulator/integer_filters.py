"""Filters as integers: pure functions from an array and what to make of it to compact arrays.

Nothing here depends on a graph, so that what is made of one filter can be kept and shared.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator.constants import made_of
from conformance.graph.constants import on_own_pages
from conformance.numerics.fixed_point import quantize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Array = np.ndarray[Any, Any]

BLOCK = 2**20
"""How many weights are quantised at once: the float64 numbers in between take nine times as many bytes."""

LARGEST_WITHOUT_CARRY = 2**15 - 2**7 - 1
"""Up to here, the high digit of 16 bits, which is next to a low digit of -128 to 127, is at most 127."""


@dataclasses.dataclass(frozen=True)
class Quantization:
    """How a filter's real numbers become integers; see :func:`conformance.numerics.fixed_point.quantize`.

    Attributes:
        factor: what they are multiplied by.
        bits: 8 or 16.
        product_rounds: whether the product is a float32, as that of position and scale one after the other.
        rounding, range_: as in :func:`quantize`.
    """

    factor: float
    bits: int
    product_rounds: bool
    rounding: str
    range_: str


def quantized(values: Array, how: Quantization) -> Array:
    """Return the integers of a filter, as int8 or int16.

    Args:
        values: float32, or float64 that hold float32 numbers; any shape.
        how: see :class:`Quantization`.
    """
    integers: Array = np.empty(values.size, np.int8 if how.bits == 8 else np.int16)
    flat = np.reshape(values, -1)
    for start in range(0, values.size, BLOCK):
        block, factor = flat[start : start + BLOCK].astype(np.float32), how.factor
        if how.product_rounds:
            block, factor = block * np.float32(factor), 1.0
        integers[start : start + BLOCK] = quantize(
            block,
            factor,
            how.bits,
            rounding=how.rounding,  # type: ignore[arg-type]
            range_=how.range_,  # type: ignore[arg-type]
        )
    return np.reshape(integers, values.shape)


def magnitudes(integers: Array, axes: tuple[int, ...]) -> Array:
    """Return the sums of |integers| over ``axes``, as int64, without an array of wide integers on the way."""
    positive, negative = signed_sums(integers, axes)
    return np.asarray(positive + negative)


def signed_sums(integers: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return what the positive and what the negative integers sum up to over ``axes``, both as int64 ≥ 0."""
    positive = np.maximum(integers, 0).sum(axes, dtype=np.int64)
    return positive, -np.minimum(integers, 0).sum(axes, dtype=np.int64)


def groups(shares: Iterable[Array], limit: int, channels: int) -> list[slice]:
    """Return the fewest groups of neighbouring channels whose sums keep to a limit, greedily filled.

    Args:
        shares: what each channel adds to every sum, all of one shape and not negative.
        limit: the most that any sum of a group may be.
        channels: how many there are.

    Returns:
        Slices of the channels; none where one share alone is above the limit.
    """
    starts: list[int] = [0]
    running: Any = 0
    for channel, share in enumerate(shares):
        if share.max(initial=0) > limit:
            return []
        running = running + share
        if running.max(initial=0) > limit:
            starts.append(channel)
            running = share
    return [slice(*bounds) for bounds in zip(starts, [*starts[1:], channels], strict=True)]


def channel_magnitudes(integers: Array, axis: int, summed: Sequence[int]) -> Iterator[Array]:
    """Yield, for each position of ``axis``, the sums of |integers| over the other axes of ``summed``."""
    others = tuple({other % integers.ndim for other in summed} - {axis})
    for channel in range(integers.shape[axis]):
        at = (slice(None),) * axis + (slice(channel, channel + 1),)
        yield magnitudes(integers[at], others)


@dataclasses.dataclass(frozen=True)
class DigitFilter:
    """The filter of a convolution as 8-bit integers.

    Attributes:
        digits: int8, (rows, columns, channels, outputs × digits). Of two digits, those of each group of
            outputs lie side by side, the low ones first.
        largest_sum: the largest magnitude of any sum of products of digits, whatever the input.
        negated: of two digits: which outputs are turned to minus themselves.
    """

    digits: Array
    largest_sum: int
    negated: Array | None


def digits_of(integers: Array, groups_of_outputs: int, largest: int) -> DigitFilter | None:
    """Return the digits of a filter, found once, or None where they do not have 8 bits.

    An integer of 16 bits is 256·high + low with low in -128 to 127. High would be 128 for the largest ones.
    An output that has one of them is turned to minus itself, unless it has one of the smallest, too.

    Args:
        integers: int8 or int16, (rows, columns, channels, outputs).
        groups_of_outputs: of a grouped convolution.
        largest: the largest magnitude of an input integer.
    """
    if integers.dtype == np.int8:
        return DigitFilter(integers, largest * made_of(integers, "largest sum", _largest_sum), None)
    how = ("digits", groups_of_outputs)
    return made_of(integers, how, lambda integers: _of_two_digits(integers, groups_of_outputs))


def _largest_sum(integers: Array) -> int:
    """Return the largest sum of magnitudes of one output."""
    return int(magnitudes(integers, (0, 1, 2)).max(initial=0))


def _of_two_digits(integers: Array, groups_of_outputs: int) -> DigitFilter | None:
    """Return the two digits of integers of 16 bits; see :func:`digits_of`."""
    negated = integers.max((0, 1, 2), initial=0) > LARGEST_WITHOUT_CARRY
    if np.any(negated & (integers.min((0, 1, 2), initial=0) < -LARGEST_WITHOUT_CARRY)):
        return None
    if np.any(negated):
        integers = np.where(negated, -integers, integers)
    low = (integers & 255).astype(np.uint8).view(np.int8)
    high = ((integers >> 8) + ((integers >> 7) & 1)).astype(np.int8)
    *window, outputs = integers.shape
    grouped = [digit.reshape(*window, groups_of_outputs, 1, -1) for digit in (low, high)]
    digits = np.concatenate(grouped, -2).reshape(*window, 2 * outputs)
    return DigitFilter(on_own_pages(digits), _largest_sum_of_two(digits), negated)


def _largest_sum_of_two(digits: Array) -> int:
    """Return the largest sum of products with input digits of 0 to 255, and of -128 to 127."""
    positive, negative = signed_sums(digits, (0, 1, 2))
    of_low = int(np.maximum(positive, negative).max(initial=0)) * 255
    return max(of_low, int((positive + negative).max(initial=0)) * 128)
