"""How far a result is from its golden: cosine distance, MSE, largest error and worst channel in one pass."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from conformance.numerics.difference import DifferenceSums, difference_sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Doubles = NDArray[np.float64]

_STRETCH = 1 << 16
_WELL_CONDITIONED = 1e-6
_SAFE_SUMS = (1e-140, 1e140)


class Metrics(msgspec.Struct, frozen=True):
    """The distances of one result from its golden; every one is 0 for equal tensors and grows as they differ.

    Attributes:
        cosine_distance: 1 - cosine similarity, 0 to 2, with its first digits right however small it is; None
            where it is undefined because golden or result are all zeros.
        mse: mean squared error.
        max_abs: largest absolute error.
        worst_channel_mse: the largest mean squared error of one channel (index on the last axis).
        worst_channel: that channel.
        worst_index: the index of the first element whose absolute error is ``max_abs``.

    Numbers beyond the largest float64 are given as the largest float64, so every number is finite.
    """

    cosine_distance: float | None
    mse: float
    max_abs: float
    worst_channel_mse: float
    worst_channel: int
    worst_index: list[int]

    @property
    def cosine(self) -> float | None:
        """The cosine similarity, or None where it is undefined."""
        return None if self.cosine_distance is None else 1.0 - self.cosine_distance

    def psnr(self, output_range: float) -> float:
        """Return the peak signal-to-noise ratio in dB; infinite for equal tensors.

        Args:
            output_range: largest minus smallest value that the tensor can have (2 for tanh, 255 for a byte).

        Raises:
            ValueError: ``output_range`` is not finite and positive.
        """
        if not (math.isfinite(output_range) and output_range > 0):
            raise ValueError(f"the range of an output must be finite and positive, not {output_range!r}")
        if self.mse == 0:
            return math.inf
        return 20 * math.log10(output_range) - 10 * math.log10(self.mse)


class NonFinite(msgspec.Struct, frozen=True):
    """How many values of a tensor are not finite."""

    nan: int
    positive_inf: int
    negative_inf: int

    @property
    def total(self) -> int:
        """All of them together."""
        return self.nan + self.positive_inf + self.negative_inf


def compare(golden: Floats, result: Floats) -> Metrics:
    """Return the metrics of one pair of tensors.

    Args:
        golden: any shape, not empty, float32 or float64, finite. The last axis is the channel; a tensor of
            rank 0 or 1 is one channel.
        result: the same shape (nothing is broadcast), float32 or float64, finite.

    Raises:
        ValueError: the tensors are not so.
    """
    return compare_all([golden], [result])[0]


def compare_all(
    goldens: Sequence[Floats], results: Sequence[Floats], *, threads: int | None = None
) -> list[Metrics]:
    """Return the metrics of many pairs, on all CPUs; equal bit for bit to :func:`compare` on each.

    Args:
        goldens: see :func:`compare`.
        results: one per golden.
        threads: how many work at once; one per CPU of this process unless given.

    Raises:
        ValueError: as :func:`compare`, or there are not as many results as goldens.
    """
    if len(goldens) != len(results):
        raise ValueError(f"{len(goldens)} goldens cannot be compared with {len(results)} results")
    pairs = [
        (np.asarray(golden), np.asarray(result)) for golden, result in zip(goldens, results, strict=True)
    ]
    for golden, result in pairs:
        _check_pair(golden, result)
    sums = difference_sums([(_rows(golden), _rows(result)) for golden, result in pairs], threads)
    return [_metrics(golden, result, part) for (golden, result), part in zip(pairs, sums, strict=True)]


def worst(metrics: Sequence[Metrics]) -> Metrics:
    """Return, field by field, the largest of several samples; an undefined cosine distance is the worst.

    Raises:
        ValueError: there are no samples.
    """
    if not metrics:
        raise ValueError("no samples: the worst of nothing is not defined")
    distances = [sample.cosine_distance for sample in metrics]
    known = [distance for distance in distances if distance is not None]
    largest = max(metrics, key=lambda sample: sample.max_abs)
    channel = max(metrics, key=lambda sample: sample.worst_channel_mse)
    return Metrics(
        cosine_distance=max(known) if len(known) == len(distances) else None,
        mse=max(sample.mse for sample in metrics),
        max_abs=largest.max_abs,
        worst_channel_mse=channel.worst_channel_mse,
        worst_channel=channel.worst_channel,
        worst_index=list(largest.worst_index),
    )


def nonfinite_counts(x: NDArray[Any]) -> NonFinite:
    """Count NaN, +Inf and -Inf in an array of any shape and number type; integers have none."""
    if np.isfinite(x).all():
        return NonFinite(0, 0, 0)
    return NonFinite(
        nan=int(np.count_nonzero(np.isnan(x))),
        positive_inf=int(np.count_nonzero(np.isposinf(x))),
        negative_inf=int(np.count_nonzero(np.isneginf(x))),
    )


def _check_pair(golden: Floats, result: Floats) -> None:
    for name, tensor in (("golden", golden), ("result", result)):
        if tensor.dtype not in (np.float32, np.float64):
            raise ValueError(f"the {name} must be float32 or float64, not {tensor.dtype}")
    if golden.shape != result.shape:
        raise ValueError(
            f"a result of shape {result.shape} cannot be compared with a golden of {golden.shape}"
        )
    if golden.size == 0:
        raise ValueError(f"tensors of shape {golden.shape} hold nothing to compare")


def _rows(tensor: Floats) -> Floats:
    """Return ``tensor`` as contiguous (rows, channels)."""
    channels = tensor.shape[-1] if tensor.ndim > 1 else 1
    return np.ascontiguousarray(tensor).reshape(-1, channels)


def _metrics(golden: Floats, result: Floats, sums: DifferenceSums) -> Metrics:
    if not (math.isfinite(sums.golden_squares) and math.isfinite(sums.difference_squares)):
        _check_finite(golden, result)
    rows = golden.size // len(sums.channel_squares)
    channel = int(np.argmax(sums.channel_squares))
    channel_mse = _representable(float(sums.channel_squares[channel]) / rows)
    return Metrics(
        cosine_distance=_cosine_distance(sums, golden, result),
        # A mean of equal channels could come out above them by its rounding.
        mse=min(_representable(sums.difference_squares / golden.size), channel_mse),
        max_abs=_representable(sums.largest),
        worst_channel_mse=channel_mse,
        worst_channel=channel,
        worst_index=[int(index) for index in np.unravel_index(sums.largest_at, golden.shape)],
    )


def _check_finite(golden: Floats, result: Floats) -> None:
    for name, tensor in (("golden", golden), ("result", result)):
        counts = nonfinite_counts(tensor)
        if counts.total:
            raise ValueError(
                f"the {name} has {counts.nan} NaN, {counts.positive_inf} +Inf and {counts.negative_inf} -Inf;"
                " metrics are defined for finite values only"
            )


def _representable(value: float) -> float:
    return min(value, sys.float_info.max)


def _cosine_distance(sums: DifferenceSums, golden: Floats, result: Floats) -> float | None:
    """Return 1 - cosine from the sums where they determine it well, else from the tensors again.

    With the difference d = b - a, Lagrange's identity |a|²|b|² - (a·b)² = |a|²|d|² - (a·d)² turns the
    difference of two nearly equal numbers, 1 - cosine, into one that is small itself:

        1 - cosine = (|a|²|d|² - (a·d)²) / (|a||b| (|a||b| + a·b))

    Where that one is lost to cancellation, a and d are nearly parallel, or b is next to nothing. Where it is
    not, neither |b|² = |a|² + 2 a·d + |d|² nor the denominator is.
    """
    squares, along, difference = sums.golden_squares, sums.golden_difference, sums.difference_squares
    if sums.largest == 0 and squares > 0:
        return 0.0
    low, high = _SAFE_SUMS
    if not (low < squares < high and low < difference < high):
        return _cosine_distance_of_directions(golden, result)
    across = squares * difference - along * along
    if across <= _WELL_CONDITIONED * squares * difference:
        return _cosine_distance_of_directions(golden, result)
    norms = math.sqrt(squares) * math.sqrt(squares + 2 * along + difference)
    return across / (norms * (norms + squares + along))


def _cosine_distance_of_directions(golden: Floats, result: Floats) -> float | None:
    """Return |a/|a| - b/|b||² / 2, which is accurate for parallel tensors and of any magnitude."""
    flat_golden, flat_result = golden.reshape(-1), result.reshape(-1)
    golden_norm, result_norm = _norm(flat_golden), _norm(flat_result)
    if golden_norm is None or result_norm is None:
        return None
    total = 0.0
    directions = zip(_scaled(flat_golden, golden_norm), _scaled(flat_result, result_norm), strict=True)
    for golden_direction, result_direction in directions:
        total += float(np.square(golden_direction - result_direction).sum())
    return min(total / 2, 2.0)


def _norm(flat: Floats) -> tuple[float, float] | None:
    """Return |x| as (largest |element|, norm in units of it), or None for zeros."""
    peak = float(np.max(np.abs(flat)))
    if peak == 0:
        return None
    return peak, math.sqrt(sum(float(np.square(part).sum()) for part in _scaled(flat, (peak, 1.0))))


def _scaled(flat: Floats, norm: tuple[float, float]) -> Iterator[Doubles]:
    """Yield stretches of ``flat`` divided by its norm, in float64."""
    for start in range(0, len(flat), _STRETCH):
        yield flat[start : start + _STRETCH].astype(np.float64) / norm[0] / norm[1]
