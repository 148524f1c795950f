"""Ways in which a card may compute the mean over height and width in half floats.

Every one takes (height, width, channels), float32 that holds halves, and returns the mean of each channel.
Sums are rounded to half, ties away from zero, and saturate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.numerics.half import round_to_half

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Array = np.ndarray[Any, Any]
    Sum = Callable[[Array], Array]
    Mean = Callable[[Array], Array]

HEIGHT, WIDTH = 0, 1
LARGEST, HALF_STEP, KEPT = np.uint32(0x477FE000), np.uint32(0x1000), np.uint32(0xFFFFE000)
"""Bits of float32: 65504, half a step of halves, and what is left of a number in half."""
SIGN = np.uint32(0x80000000)


def stored(x: Array) -> Array:
    """Return numbers as the card stores them."""
    wide = np.asarray(x, np.float32)
    return round_to_half(wide, rounding="ties-away", overflow="saturate", tiny="smallest").astype(np.float32)


def _added(total: Array, term: Array) -> Array:
    """Return the sum of halves in half: below the normal halves it is exact, so that bits alone decide."""
    bits = (total + term).view(np.uint32)
    magnitude = np.minimum(((bits & ~SIGN) + HALF_STEP) & KEPT, LARGEST)
    return (magnitude | (bits & SIGN)).view(np.float32)


def in_turn(x: Array) -> Array:
    """Sum over the first axis, one term after the other, in half."""
    total = np.zeros_like(x[0])
    for term in x:
        total = _added(total, term)
    return total


def wide(x: Array) -> Array:
    """Sum in float32, stored once as a half."""
    return stored(x.sum(0, dtype=np.float32))


def in_pairs(x: Array) -> Array:
    """Sum neighbours, then sums of neighbours, and so on."""
    while len(x) > 1:
        even = x[: len(x) // 2 * 2]
        x = np.concatenate([_added(even[::2], even[1::2]), x[len(even) :]])
    return x[0]


def in_lanes(count: int) -> Sum:
    """Every ``count``-th term belongs to one sum; then these are summed."""
    return lambda x: in_turn(in_turn(_split(x, count))) if len(x) % count == 0 else in_turn(x)


def in_blocks(length: int) -> Sum:
    """Sum ``length`` terms that follow each other; then the sums of these blocks."""
    return lambda x: (
        in_turn(in_turn(_split(x, length).swapaxes(0, 1))) if len(x) % length == 0 else in_turn(x)
    )


def _split(x: Array, count: int) -> Array:
    return x.reshape(-1, count, *x.shape[1:])


def over(order: tuple[int, ...], total: Sum = in_turn) -> Mean:
    """One axis at a time: sum, division by the number of terms, storage."""

    def mean(x: Array) -> Array:
        for axis in order:
            x = np.expand_dims(stored(total(np.moveaxis(x, axis, 0)) / np.float32(x.shape[axis])), axis)
        return x[0, 0]

    return mean


def divided_last(order: tuple[int, ...], total: Sum = in_turn) -> Mean:
    """One axis at a time: sums of sums, and one division."""

    def mean(x: Array) -> Array:
        count = np.float32(x.shape[HEIGHT] * x.shape[WIDTH])
        for axis in order:
            x = np.expand_dims(total(np.moveaxis(x, axis, 0)), axis)
        return stored(x[0, 0] / count)

    return mean


def divided_first(order: tuple[int, ...], total: Sum = in_turn) -> Mean:
    """One axis at a time: every term is divided and stored before it is summed."""

    def mean(x: Array) -> Array:
        for axis in order:
            x = np.expand_dims(total(np.moveaxis(stored(x / np.float32(x.shape[axis])), axis, 0)), axis)
        return x[0, 0]

    return mean


def times_reciprocal(order: tuple[int, ...], total: Sum = in_turn) -> Mean:
    """One axis at a time: sum, then the product with 1/n, which is a half itself."""

    def mean(x: Array) -> Array:
        for axis in order:
            factor = stored(np.float32(1 / x.shape[axis]))
            x = np.expand_dims(stored(total(np.moveaxis(x, axis, 0)) * factor), axis)
        return x[0, 0]

    return mean


def at_once(mean: Mean) -> Mean:
    """Height and width as one axis."""
    return lambda x: mean(x.reshape(-1, 1, x.shape[-1]))


def of_groups(length: int, total: Sum = in_turn) -> Mean:
    """Means of ``length`` values that follow each other, row by row; then the mean of these."""
    return lambda x: over((WIDTH, HEIGHT), total)(x.reshape(-1, length, x.shape[-1]))


def of_lanes(count: int) -> Mean:
    """Means of every ``count``-th value, row by row; then the mean of these."""
    return lambda x: over((HEIGHT, WIDTH))(x.reshape(-1, count, x.shape[-1]))


def of_parts(axis: int, count: int, mean: Mean) -> Mean:
    """As many cores share an axis; each takes the mean of its part; then the mean of these."""

    def whole(x: Array) -> Array:
        parts = [mean(part) for part in np.split(x, min(count, x.shape[axis]), axis)]
        return over((HEIGHT, WIDTH))(np.stack(parts)[:, None])

    return whole


FIRST, LAST = (HEIGHT, WIDTH), (WIDTH, HEIGHT)
SUMS: Mapping[str, Sum] = {
    "": in_turn,
    ", float32 inside an axis": wide,
    ", 64 lanes": in_lanes(64),
    ", 128 lanes": in_lanes(128),
    ", blocks of 16": in_blocks(16),
    ", in pairs": in_pairs,
}
ORDERS: Mapping[str, tuple[int, ...]] = {"H, then W": FIRST, "W, then H": LAST}
DIVISIONS: Mapping[str, Callable[[tuple[int, ...]], Mean]] = {
    ", times 1/n in half": times_reciprocal,
    ", x/n before each sum": divided_first,
    ", one division at the end": divided_last,
}
WAYS: Mapping[str, Mean] = {
    **{f"{order}{how}": over(axes, total) for order, axes in ORDERS.items() for how, total in SUMS.items()},
    **{f"{order}{how}": way(axes) for order, axes in ORDERS.items() for how, way in DIVISIONS.items()},
    "one pass": at_once(over((HEIGHT,))),
    "one pass, float32 inside": at_once(over((HEIGHT,), wide)),
    "one pass, x/n before the sum": at_once(divided_first((HEIGHT,))),
    **{f"means of {count} in a row, then of these": of_groups(count) for count in (64, 128, 256, 512)},
    **{f"means of {count} lanes, then of these": of_lanes(count) for count in (64, 128, 256)},
    **{f"{count} parts of H, each H, then W": of_parts(HEIGHT, count, over(FIRST)) for count in (2, 4, 16)},
    **{f"{count} parts of H, each W, then H": of_parts(HEIGHT, count, over(LAST)) for count in (4, 16)},
    **{f"{count} parts of W, each W, then H": of_parts(WIDTH, count, over(LAST)) for count in (2, 4, 16)},
}
"""All ways that are tried, by what they are."""
