"""Whether a result is one that a right device of its precision may give, element by element.

The reference is the ideal device: exact arithmetic on what the precision's fixed point and float type hold.
What a right device may differ by is the node's radius, and half a unit in the last place of the precision's
float type at each element's magnitude, by which every result is rounded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from conformance.judging.bounds import ErrorValues

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]

HALF = 16
LARGEST = float(np.finfo(np.float64).max)
CHANCE = 7.0
"""Exceeded once in 10^10 times: 2 exp(-49 / 2)."""
ROUNDING = 1 + 2.0**-40
"""Allowed of the comparison itself, which computes in float64."""


class Conformity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A result beside what right devices of its precision give; the worst sample of several.

    Attributes:
        worst: the largest difference over what is allowed of it; above 1 it deviates. 0 where the result is
            that of an ideal device, bit for bit.
        beyond: how many elements differ by more than is allowed.
        elements: how many there are, in all samples.
        index: of the worst element.
        found: what is there; None where every bit agrees.
        ideal: what an ideal device has there, before it rounds the last time.
        allowed: by how much a right device may differ from that there.
        channel: the only channel (index on the last axis) that holds elements beyond; None where there are
            several, or but one.
        difference: root mean square of the differences.
        tolerance: root mean square of what is allowed.
        wider: how many elements are no numbers of the precision's float type.
        lean: of a function, the sum of its differences away from zero, over what roundings, which go either
            way, can come to; above 1 it deviates.
    """

    worst: float
    beyond: int
    elements: int
    index: list[int] = []
    found: float | None = None
    ideal: float | None = None
    allowed: float | None = None
    channel: int | None = None
    difference: float = 0.0
    tolerance: float = 0.0
    wider: int = 0
    lean: float = 0.0

    @property
    def conforms(self) -> bool:
        """Whether a right device may have computed this."""
        return not (self.beyond or self.wider or self.lean > 1)

    @property
    def ratio(self) -> float:
        """The largest of everything that is compared, over what is allowed of it; above 1 it deviates."""
        return max(self.worst, self.lean, 1.0 + self.wider / self.elements if self.wider else 0.0)


def identical(result: Array) -> Conformity:
    """Return the conformity of a result that agrees with a right device's in every bit."""
    return Conformity(worst=0.0, beyond=0, elements=int(result.size))


def conformity(
    value: Array, radius: Array, result: Array, float_bits: int, *, chance: tuple[Array, Array] | None = None
) -> Conformity:
    """Compare a result with what right devices give.

    Args:
        value: of the ideal device before its last rounding, float64, finite.
        radius: what right devices may differ by before their last rounding, of the same shape.
        result: what a device returned, of the same shape, finite.
        float_bits: of the precision's float type.
        chance: of a function, the part of the radius that may go one way everywhere, and the standard
            deviation of the other, which is roundings inside it.
    """
    wide = np.asarray(result, np.float64)
    allowed = (radius + half_unit(np.abs(value) + radius, float_bits)) * ROUNDING
    apart = np.abs(wide - value)
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isnan(allowed) | np.isinf(allowed), 0.0, apart / allowed)
    at = int(ratios.argmax())
    index = [int(axis) for axis in np.unravel_index(at, ratios.shape)]
    return Conformity(
        worst=min(float(ratios.flat[at]), LARGEST),
        beyond=int(np.count_nonzero(ratios > 1)),
        elements=int(ratios.size),
        index=index,
        channel=_only_channel(ratios > 1),
        found=float(wide.flat[at]),
        ideal=float(value.flat[at]),
        allowed=min(float(allowed.flat[at]), LARGEST),
        difference=_root_mean_square(apart),
        tolerance=_root_mean_square(np.where(np.isfinite(allowed), allowed, 0.0)),
        wider=_wider(result, float_bits),
        lean=0.0 if chance is None else _lean(value, wide - value, *chance, float_bits),
    )


def _lean(value: Array, apart: Array, steady: Array, deviation: Array, float_bits: int) -> float:
    """Return how far differences lean away from zero or to it, over what is possible.

    Roundings of different numbers are independent and go either way. A sum of uniform ones exceeds ``CHANCE``
    standard deviations as good as never: the uniform distribution is strictly sub-Gaussian. Equal numbers are
    rounded alike.

    Source: J. Arbel, O. Marchal, H. D. Nguyen, "On strict sub-Gaussianity, optimal proxy variance and
        symmetry for bounded random variables", ESAIM: Probability and Statistics 24 (2020), 39-55.
    """
    _, first, counts = np.unique(value, return_index=True, return_counts=True)
    last = half_unit(np.abs(value).reshape(-1)[first], float_bits)
    squares = np.square(counts) * (np.square(deviation.reshape(-1)[first]) + np.square(last) / 3)
    limit = float(steady.sum()) + CHANCE * math.sqrt(float(squares.sum()))
    return abs(float((np.sign(value) * apart).sum())) / limit if limit > 0 else 0.0


def half_unit(magnitude: Array, float_bits: int) -> Array:
    """Return half a unit in the last place at each magnitude, which is not negative; float64.

    It is a whole unit of the smallest numbers, of which a device may make zero, or zero of these.
    """
    digits, tiny = (11, 2.0**-24) if float_bits == HALF else (24, 2.0**-126)
    exponents = np.frexp(magnitude)[1]
    units = np.where(magnitude > 0, np.ldexp(1.0, exponents - 1 - digits), 0.0)
    return np.asarray(np.maximum(units, tiny))


def worst_of(found: Sequence[Conformity]) -> Conformity:
    """Return the worst of several samples, their counts added."""
    worst = max(found, key=lambda item: item.ratio)
    return msgspec.structs.replace(
        worst,
        beyond=sum(item.beyond for item in found),
        elements=sum(item.elements for item in found),
        wider=sum(item.wider for item in found),
    )


def errors_and_limits(found: Conformity) -> tuple[ErrorValues, ErrorValues]:
    """Return differences from the ideal device and their limits in the form of errors and bounds.

    The largest error is that of the worst element; squares are those of the whole sample.
    """
    if found.found is None or found.ideal is None or found.allowed is None:
        return ErrorValues(0.0, 0.0, 0.0, 0.0), ErrorValues(0.0, 0.0, 0.0, 0.0)
    squares = [min(size * size, LARGEST) for size in (found.difference, found.tolerance)]
    largest = min(found.ratio * found.allowed, LARGEST), found.allowed
    needed, limits = (
        ErrorValues(0.0, square, most, square) for square, most in zip(squares, largest, strict=True)
    )
    return needed, limits


def _root_mean_square(x: Array) -> float:
    largest = float(x.max(initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return min(largest, LARGEST)
    return largest * math.sqrt(float(np.mean(np.square(x / largest))))


def _only_channel(beyond: Array) -> int | None:
    """Return the only channel of several that holds true elements."""
    if beyond.ndim < 2 or beyond.shape[-1] < 2:
        return None
    channels = np.flatnonzero(beyond.any(axis=tuple(range(beyond.ndim - 1))))
    return int(channels[0]) if channels.size == 1 else None


def _wider(result: Array, float_bits: int) -> int:
    """Return how many elements are not of the float type."""
    narrow = np.float16 if float_bits == HALF else np.float32
    with np.errstate(over="ignore"):
        return int(np.count_nonzero(result.astype(narrow).astype(result.dtype) != result))
