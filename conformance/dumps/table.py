"""A comparison as text: a table of all tensors, and for some of them what the table has no room for."""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from conformance.dumps.comparison import TensorComparison

    Floats = NDArray[np.floating[Any]]


DECADES = 8
"""Decades below the largest error that are told apart."""

ROUNDED = 1 + 1e-6
"""Differences of decimal numbers are off by last bits: what is this near to a number stands for it."""

BLOCK = 1 << 18
"""Elements taken at once."""

BAR = 40
"""Width of the longest bar, in characters."""

HEADINGS = (
    "tensor",
    "order",
    "elements",
    "cosine",
    "MSE",
    "max |error|",
    "at",
    "worst channel (MSE)",
    "NaN/Inf",
)


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
    return [_power(exponent) for exponent in range(top - DECADES, top + 1)]


def _power(exponent: int) -> float:
    return min(float(f"1e{exponent}"), sys.float_info.max)


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


def table(tensors: Iterable[TensorComparison]) -> list[str]:
    """Return the comparisons as aligned lines of text, in the given order."""
    rows = [HEADINGS, *map(_row, tensors)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _row(item: TensorComparison) -> tuple[str, ...]:
    return (item.title, str(item.order), f"{math.prod(item.shape):,}", *_errors(item), _nonfinite(item))


def _errors(item: TensorComparison) -> tuple[str, ...]:
    metrics = item.metrics
    if metrics is None:
        return ("-",) * 5
    return (
        "undefined" if metrics.cosine is None else f"{metrics.cosine:.7f}",
        f"{metrics.mse:.3g}",
        f"{metrics.max_abs:.3g}",
        f"[{','.join(map(str, metrics.worst_index))}]",
        f"{metrics.worst_channel} ({metrics.worst_channel_mse:.3g})",
    )


def _nonfinite(item: TensorComparison) -> str:
    counts = f"{item.nonfinite.first.total}/{item.nonfinite.second.total}"
    return f"{counts}, {item.nonfinite.elements} differ" if item.nonfinite.elements else counts


def details(item: TensorComparison) -> list[str]:
    """Return what the table has no room for: limits, notes, and the bars of the histogram."""
    lines = [f"exceeds: {text}" for text in item.exceeded]
    lines += [f"cannot be shown by this format: {text}" for text in item.too_fine]
    lines += [*_nonfinite_lines(item), *item.notes]
    histogram = ["|error|", *bars(item.histogram)] if item.histogram else []
    return [f"{item.title}:", *(f"  {line}" for line in (*lines, *histogram))]


def _nonfinite_lines(item: TensorComparison) -> list[str]:
    if not item.nonfinite.elements:
        return []
    sides = [
        f"{side.nan} NaN, {side.positive_inf} +Inf, {side.negative_inf} -Inf"
        for side in (item.nonfinite.first, item.nonfinite.second)
    ]
    at = ",".join(map(str, item.nonfinite.index))
    return [f"NaN and Inf differ: {sides[0]} against {sides[1]}, first at [{at}]"]


def remarks(tensors: Sequence[TensorComparison]) -> list[str]:
    """Return, for tensors that are shown in the table alone, the notes that must not be lost."""
    return [f"{item.title}: {note}" for item in tensors for note in (*_nonfinite_lines(item), *item.notes)]
