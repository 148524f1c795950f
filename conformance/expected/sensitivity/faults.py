"""Models of faults: what a device with one of them would return at a node, from what an ideal one returns."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from conformance.judging.conformity import conformity

if TYPE_CHECKING:
    from collections.abc import Callable

Array = np.ndarray[Any, Any]
HALF = 16
ROWS, COLUMNS = 1, 2
"""Axes of a picture of batch, rows, columns and channels."""
PICTURE = 4
ELEMENTS = 99.0
"""Per cent of the elements at which a fault of one element must be caught."""
STEP = 1.25
"""How much a size grows until it is caught."""
MOST_STEPS = 12

NO_EFFECT = "no effect"
PASSES = "passes"
CAUGHT = "caught"

Found: TypeAlias = "float | str"
"""The smallest size that is caught; or, of a fault that has none, whether it is."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A node at a precision, on one sample.

    Attributes:
        value, radius: what right devices may give, as :class:`Enclosure` says it.
        chance: what of the radius is by chance.
        float_bits: of the precision's float type.
        golden: of the node.
        other: the value on another sample; None where there is none.
    """

    value: Array
    radius: Array
    chance: tuple[Array, Array] | None
    float_bits: int
    golden: Array
    other: Array | None

    def stored(self, value: Array) -> Array:
        """Return values as a device of the precision returns them."""
        return stored(value, self.float_bits)

    def catches(self, result: Array) -> bool:
        """Return whether a result deviates."""
        if not np.isfinite(result).all():
            return True
        found = conformity(self.value, self.radius, result, self.float_bits, chance=self.chance)
        return not found.conforms

    def verdict(self, result: Array) -> str:
        """Return what becomes of a result with a fault in it."""
        if np.array_equal(result, self.stored(self.value)):
            return NO_EFFECT
        return CAUGHT if self.catches(result) else PASSES

    @property
    def slack(self) -> Array:
        """How far each element may go on at most before it deviates: what is allowed, and one rounding."""
        from conformance.judging.conformity import half_unit

        unit = half_unit(np.abs(self.value) + self.radius, self.float_bits)
        return np.asarray(self.radius + 2 * unit)


def stored(value: Array, float_bits: int) -> Array:
    """Return values as a device of a float type returns them."""
    with np.errstate(over="ignore"):
        narrow = value.astype(np.float16 if float_bits == HALF else np.float32)
    return narrow.astype(np.float32)


def gain(place: Place) -> Found:
    """All values too large by the same factor."""
    return _smallest(place, np.ones(place.value.shape, bool))


def channel_gain(place: Place) -> Found:
    """One channel too large, the one where it shows least."""
    if place.value.ndim < 2:
        return gain(place)
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = place.slack / np.abs(place.value)
    axes = tuple(range(place.value.ndim - 1))
    least = np.where(np.isfinite(sizes), sizes, np.inf).min(axis=axes)
    least = np.where(np.isfinite(least), least, 0)
    chosen = np.zeros(place.value.shape, bool)
    chosen[..., int(least.argmax())] = True
    return _smallest(place, chosen)


def _smallest(place: Place, where: Array) -> Found:
    """Return the smallest relative error of some elements that is caught."""
    values = np.abs(place.value[where])
    if not values.any():
        return NO_EFFECT
    size = float((place.slack[where][values > 0] / values[values > 0]).min())
    for _ in range(MOST_STEPS):
        smaller = size / STEP
        if not place.catches(place.stored(np.where(where, place.value * (1 + smaller), place.value))):
            break
        size = smaller
    for _ in range(MOST_STEPS):
        if place.catches(place.stored(np.where(where, place.value * (1 + size), place.value))):
            return size
        size *= STEP
    return PASSES


def element(place: Place) -> Found:
    """One element off, as a part of the root mean square, caught at 99 of 100 elements."""
    size = float(np.sqrt(np.mean(np.square(place.value))))
    return float(np.percentile(place.slack, ELEMENTS)) / size if size else NO_EFFECT


def sign(place: Place) -> Found:
    """The sign of one element, one of ordinary size."""
    size = np.sqrt(np.mean(np.square(place.value)))
    at = int(np.abs(np.abs(place.value) - size).argmin())
    result = place.stored(place.value)
    result.flat[at] = -result.flat[at]
    return place.verdict(result)


def rows_shifted(place: Place) -> Found:
    """All rows one further down."""
    return place.verdict(np.roll(place.stored(place.value), 1, axis=_axis(place, ROWS)))


def channels_swapped(place: Place) -> Found:
    """The first two channels in each other's place."""
    result = place.stored(place.value)
    if result.ndim < 2 or result.shape[-1] < 2:
        return NO_EFFECT
    order = [1, 0, *range(2, result.shape[-1])]
    return place.verdict(result[..., order])


def stale_sample(place: Place) -> Found:
    """The result of another sample."""
    if place.other is None or place.other.shape != place.value.shape:
        return NO_EFFECT
    return place.verdict(place.stored(place.other))


def last_row_missing(place: Place) -> Found:
    """Zeros in the last row."""
    return _without(place, _axis(place, ROWS))


def last_column_missing(place: Place) -> Found:
    """Zeros in the last column."""
    return _without(place, _axis(place, COLUMNS))


def rounded_to_half(place: Place) -> Found:
    """Results kept in half, at fp32."""
    with np.errstate(over="ignore"):
        result = place.value.astype(np.float16).astype(np.float32)
    return place.verdict(result)


def truncated(place: Place) -> Found:
    """Results cut off where they are stored, not rounded."""
    nearest = place.stored(place.value)
    beyond = np.abs(nearest.astype(np.float64)) > np.abs(place.value)
    kind = np.float16 if place.float_bits == HALF else np.float32
    towards = np.nextafter(nearest.astype(kind), kind(0)).astype(np.float32)
    return place.verdict(np.where(beyond, towards, nearest))


def in_float32(place: Place) -> Found:
    """Computed in float32: the precision is ignored."""
    return place.verdict(place.golden)


def _without(place: Place, axis: int) -> Found:
    result = place.stored(place.value)
    np.moveaxis(result, axis, 0)[-1] = 0
    return place.verdict(result)


def _axis(place: Place, axis: int) -> int:
    """Return an axis of a picture; of what has fewer axes, the first or the last."""
    if place.value.ndim == PICTURE:
        return axis
    return 0 if axis == ROWS else place.value.ndim - 1


OF_RESULTS: dict[str, Callable[[Place], Found]] = {
    "gain": gain,
    "channel gain": channel_gain,
    "element": element,
    "sign of an element": sign,
    "rows shifted": rows_shifted,
    "channels swapped": channels_swapped,
    "stale sample": stale_sample,
    "last row missing": last_row_missing,
    "last column missing": last_column_missing,
    "kept in half": rounded_to_half,
    "stored by truncation": truncated,
    "in float32": in_float32,
}
"""Faults that can be made from any node's result."""
SIZED = ("gain", "channel gain", "element", "input scale")
"""Faults that have a size; relative, of an element as a part of the root mean square."""
