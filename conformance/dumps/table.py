"""A comparison as text: a table of all tensors, and for some of them what the table has no room for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.dumps.histogram import bars
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.dumps.comparison import TensorComparison

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


def table(tensors: Iterable[TensorComparison]) -> list[str]:
    """Return the comparisons as aligned lines of text, in the given order."""
    return aligned([HEADINGS, *map(_row, tensors)])


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
