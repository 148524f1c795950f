"""How errors are distributed: how many elements differ by how much, decade by decade."""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

DECADES = 8
"""Decades below the largest error that are told apart."""

ROUNDED = 1 + 1e-6
"""Differences of decimal numbers are off by last bits: what is this near to a number stands for it."""

BLOCK = 1 << 18
"""Elements taken at once."""

BAR = 40
"""Width of the longest bar, in characters."""


class Histogram(msgspec.Struct, frozen=True):
    """Counts of |error|.

    Attributes:
        equal: elements without any error.
        edges: powers of ten that rise.
        counts: elements whose error is not 0 and below the first edge, then from each edge to the next.
    """

    equal: int
    edges: list[float]
    counts: list[int]


def histogram(first: Floats, second: Floats, largest: float, *, decimal: bool = False) -> Histogram:
    """Return how the absolute differences of two tensors of one shape are distributed.

    Args:
        first: finite.
        second: finite.
        largest: the largest difference.
        decimal: whether they were decimal text: then an error of 0.001, which may come out a little below,
            counts as what it is.
    """
    nudge = ROUNDED if decimal else 1.0
    edges = _decades(largest * nudge) if largest > 0 else []
    counts, equal = np.zeros(len(edges), np.int64), 0
    for start in range(0, first.size, BLOCK):
        errors = _differences(
            first.reshape(-1)[start : start + BLOCK], second.reshape(-1)[start : start + BLOCK]
        )
        equal += int(np.count_nonzero(errors == 0))
        # The logarithm behind the last edge may have been rounded down.
        places = np.minimum(np.searchsorted(edges, errors[errors > 0] * nudge, side="right"), len(edges) - 1)
        counts += np.bincount(places, minlength=len(counts))
    return Histogram(equal, edges, counts.tolist())


def _decades(largest: float) -> list[float]:
    top = math.floor(math.log10(largest)) + 1
    exponents = range(top - DECADES, top + 1)
    return [min(float(f"1e{exponent}"), sys.float_info.max) for exponent in exponents]


def _differences(first: Floats, second: Floats) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.abs(first.astype(np.float64) - second)


def bars(counted: Histogram) -> list[str]:
    """Return the histogram as lines of text, small errors first, without empty decades at either end."""
    labels = ["equal", *_labels(counted.edges)]
    counts = [counted.equal, *counted.counts]
    filled = [index for index, count in enumerate(counts) if count and index]
    shown = [0, *range(min(filled, default=1), max(filled, default=0) + 1)]
    most, digits = max(counts), len(f"{max(counts):,}")
    return [
        f"{labels[index]:<15}  {counts[index]:>{digits},}  {_bar(counts[index], most)}".rstrip()
        for index in shown
    ]


def _labels(edges: list[float]) -> list[str]:
    between = [f"{low:.0e} to {high:.0e}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]:.0e}", *between] if edges else []


def _bar(count: int, most: int) -> str:
    return "#" * max(round(BAR * count / most), 1) if count else ""
