"""Where the level of a series changes: CUSUM, split in two again and again, each split by a permutation test.

The statistic of a split after ``k`` of ``n`` values is the difference of the two means, over what it varies
by: ``|S_k| * sqrt(n / (k * (n - k)))`` with the sums ``S_k`` of what the values are above their mean. A level
that holds for five runs only, at the end, weighs as much there as one in the middle. The largest statistic is
compared with those of the same values in random orders, so no distribution of the noise is assumed; what is
assumed is that runs without a step do not depend on each other.

Sources: E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954); D. S. Matteson and N. A. James, "A
    nonparametric approach for multiple change point analysis of multivariate data", J. Am. Stat. Assoc. 109
    (2014), whose division and permutation test this has, with a difference of means in place of energies.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

ALPHA = 0.01
"""Chance of a false split of a series that has none, before the least effect is demanded."""
LEAST = 3
"""Runs that a level needs: one or two that differ may be anything."""
PERMUTATIONS = 500
_BATCH = 10
"""Permutations made at once: few stay in the processor's cache, and a plain no needs no more."""
_EQUAL = 1 - 1e-9
"""Statistics of equal splits differ by roundings."""


@dataclasses.dataclass(frozen=True)
class ChangePoint:
    """A split of a series.

    Attributes:
        place: index of the first value after it.
        p: of the permutation test; None where the values on either side are all the same.
    """

    place: int
    p: float | None


def change_points(values: Doubles, effect: float) -> list[ChangePoint]:
    """Return where the level changes by at least ``effect``, in order; the same values give the same places.

    Args:
        values: one per run, in their order; of a figure that is compared by its ratio, logarithms.
        effect: the least difference between neighbouring levels.
    """
    found = {point.place: point for point in _split(values, 0, np.random.default_rng(0))}
    while weak := _weakest(values, sorted(found), effect):
        del found[weak]
    return [found[place] for place in sorted(found)]


def levels(values: Doubles, places: Sequence[int]) -> list[Doubles]:
    """Return the stretches of values between places."""
    return np.split(values, places)


def _weakest(values: Doubles, places: Sequence[int], effect: float) -> int | None:
    """Return the place of the smallest difference between levels, if that is less than the effect."""
    if not places:
        return None
    means = [float(stretch.mean()) for stretch in levels(values, places)]
    difference, place = min((abs(after - before), place) for before, after, place in _pairs(means, places))
    return place if difference < effect * _EQUAL else None


def _pairs(means: Sequence[float], places: Sequence[int]) -> list[tuple[float, float, int]]:
    return list(zip(means[:-1], means[1:], places, strict=True))


def _split(values: Doubles, start: int, random: np.random.Generator) -> list[ChangePoint]:
    """Return all significant splits of a stretch that begins at ``start`` of the series."""
    if len(values) < 2 * LEAST or np.ptp(values) == 0:
        return []
    if (place := _constant_split(values)) is not None:
        p = None
    else:
        place, statistic = _largest(values)
        p = _p_value(values, statistic, random)
        if p > ALPHA:
            return []
    return [
        *_split(values[:place], start, random),
        ChangePoint(start + place, p),
        *_split(values[place:], start + place, random),
    ]


def _constant_split(values: Doubles) -> int | None:
    """Return a place with equal values before and other, equal values after it: that needs no test."""
    constant = np.ptp(np.lib.stride_tricks.sliding_window_view(values, LEAST), axis=1) == 0
    differ = values[LEAST - 1 : -LEAST] != values[LEAST : len(values) - LEAST + 1]
    steps = np.flatnonzero(constant[:-LEAST] & constant[LEAST:] & differ)
    return int(steps[0]) + LEAST if steps.size else None


def _largest(values: Doubles) -> tuple[int, float]:
    """Return the best split of a stretch, and its statistic."""
    statistics = _statistics((values - values.mean())[None, :], _weights(len(values)))[0]
    place = int(statistics.argmax())
    return place + LEAST, float(statistics[place])


def _weights(count: int) -> Doubles:
    """Return the factor of the sum before every split that leaves enough values."""
    before = np.arange(LEAST, count - LEAST + 1)
    weights: Doubles = np.sqrt(count / (before * (count - before)))
    return weights


def _statistics(centred: Doubles, weights: Doubles) -> Doubles:
    """Return the statistic of every split; of several orders, in rows."""
    sums: Doubles = centred.cumsum(axis=1)[:, LEAST - 1 : LEAST - 1 + len(weights)]
    return np.abs(sums, out=sums) * weights


def _p_value(values: Doubles, statistic: float, random: np.random.Generator) -> float:
    """Return the part of random orders with at least this statistic; of many, as soon as it is too large."""
    orders, weights = np.tile(values - values.mean(), (_BATCH, 1)), _weights(len(values))
    reached = made = 0
    while made < PERMUTATIONS and reached < ALPHA * (PERMUTATIONS + 1):
        random.permuted(orders, axis=1, out=orders)
        reached += int(np.count_nonzero(_statistics(orders, weights).max(axis=1) >= statistic * _EQUAL))
        made += _BATCH
    return (1 + reached) / (1 + made)
