"""Filters as integers: pure functions from an array and what to make of it to compact arrays.

Nothing here depends on a graph, so that what is made of one filter can be kept and shared.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.numerics.fixed_point import quantize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Array = np.ndarray[Any, Any]

BLOCK = 2**20
"""How many weights are quantised at once: the float64 numbers in between take nine times as many bytes."""

PARTS_AT_MOST = 64
"""Into more parts than these, channels are not split: their sums would take more time than their products."""

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
    """The filter of a convolution as 8-bit integers, for sums that stay below a limit.

    Attributes:
        digits: int8, (rows, columns, channels of a part, outputs): the filter of a grouped convolution, with
            a group for each part of the channels of each group there was. Its outputs lie side by side by
            group, then part, then digit, the low one first.
        parts: into how many parts the channels of a group fall.
        negated: which outputs are turned to minus themselves; None: none.
    """

    digits: Array
    parts: int
    negated: Array | None


def digit_filter(integers: Array, groups_of_outputs: int, largest: int, limit: int) -> DigitFilter | None:
    """Return the digits of a filter, or None where they are too large, or their sums over any parts are.

    An integer of 16 bits is 256·high + low with low in -128 to 127. High would be 128 for the largest ones.
    An output that has one of them is turned to minus itself, unless it has one of the smallest, too.

    Args:
        integers: int8 or int16, (rows, columns, channels of a group, outputs).
        groups_of_outputs: of a grouped convolution.
        largest: the largest magnitude of an input integer.
        limit: the most that a sum of digits may be.
    """
    negated = None
    if integers.dtype == np.int8:
        digits = [integers]
    else:
        negated = integers.max((0, 1, 2), initial=0) > LARGEST_WITHOUT_CARRY
        if np.any(negated & (integers.min((0, 1, 2), initial=0) < -LARGEST_WITHOUT_CARRY)):
            return None
        if not np.any(negated):
            negated = None
        digits = _two_digits(integers if negated is None else np.where(negated, -integers, integers))
    parts = _parts(digits, largest, limit)
    return None if parts is None else DigitFilter(_arranged(digits, groups_of_outputs, parts), parts, negated)


def _two_digits(integers: Array) -> list[Array]:
    low = (integers & 255).astype(np.uint8).view(np.int8)
    return [low, ((integers >> 8) + ((integers >> 7) & 1)).astype(np.int8)]


def _parts(digits: list[Array], largest: int, limit: int) -> int | None:
    """Return into how few equal parts the channels must fall, or None where no number of parts will do."""
    channels = digits[0].shape[2]
    whole = _largest_sum(digits, largest, 1)
    for parts in range(-(-whole // limit), min(channels, PARTS_AT_MOST) + 1):
        if channels % parts == 0 and _largest_sum(digits, largest, parts) <= limit:
            return parts
    return None


def _largest_sum(digits: list[Array], largest: int, parts: int) -> int:
    """Return the largest magnitude of any sum of digits over a part of the channels.

    Two digits of an input are 0 to 255 and -128 to 127; one is up to ``largest``.
    """
    sums = [0]
    for digit in digits:
        rows, columns, channels, outputs = digit.shape
        of_parts = digit.reshape(rows, columns, parts, channels // parts, outputs)
        positive, negative = signed_sums(of_parts, (0, 1, 3))
        if len(digits) > 1:
            sums.append(int(np.maximum(positive, negative).max(initial=0)) * 255)
        sums.append(int((positive + negative).max(initial=0)) * (largest if len(digits) == 1 else 128))
    return max(sums)


def _arranged(digits: list[Array], groups_of_outputs: int, parts: int) -> Array:
    """Return the filter of a grouped convolution of every part; see :class:`DigitFilter`."""
    rows, columns, channels, outputs = digits[0].shape
    split = (rows, columns, parts, channels // parts, groups_of_outputs, outputs // groups_of_outputs)
    by_part = [digit.reshape(split).transpose(0, 1, 3, 4, 2, 5)[..., None, :] for digit in digits]
    return np.concatenate(by_part, -2).reshape(rows, columns, channels // parts, -1)
