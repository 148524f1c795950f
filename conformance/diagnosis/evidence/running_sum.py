"""What a sum loses if it is kept in half and rounded after every addition: stagnation, rounding, overflow.

After an addition the running sum S is a multiple of its own unit in the last place, ulp(S), so adding x adds
x rounded to a multiple of ulp(S). Taking ulp from the exact running sum, what every addition loses is known
for all terms at once. These are the losses of a device that adds the terms one after the other, in half, and
several axes one at a time, the first one first, as a card was seen to do or nearly so (docs/evidence.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conformance.diagnosis.evidence.half_range import OVERFLOWS_FROM
from conformance.diagnosis.evidence.statement import EIGHT_ROUNDOFFS, NOTICEABLE, Reason, number, percent
from conformance.graph.sums import same_padding
from conformance.numerics.half import LARGEST_HALF, SMALLEST_HALF

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from conformance.diagnosis.evidence.statement import Array, Doubles

STEPS = 2.0**10
"""A half's magnitude, rounded down to a power of two, is this many units in the last place."""

RANDOM = 5.0
"""Errors that point either way add up to less than this times their root sum of squares, all but surely."""

IF_SUM = "if the sum is kept in half,"
IF_RUNNING_SUM = "If the running sum is kept in half,"
"""What sentences suppose of a device; :mod:`conformance.diagnosis.measured` says what was measured of one."""

_BLOCK = 1 << 15
"""Values worked on at once: they stay in the cache."""
_EXPONENT = np.int64(0x7FF0000000000000)


class Terms(NamedTuple):
    """The terms of one or more sums.

    Attributes:
        values: (terms, sums), in the order of adding.
        kept: shape of the axes that are not summed over.
        along: which axis the sums run along, as a sentence says it; empty where there is one alone.
    """

    values: Array
    kept: tuple[int, ...]
    along: str = ""

    def place(self, index: int) -> str:
        """Return what a sentence calls a sum: `` in channel 5``, or nothing if there is only one."""
        if self.values.shape[1] == 1:
            return ""
        if self.kept[-1] == self.values.shape[1]:
            return f" in channel {index}"
        position = ", ".join(map(str, np.unravel_index(index, self.kept)))
        return f" at ({position})"


class RunningSums(NamedTuple):
    """What becomes of each of several running sums; all float64.

    Attributes:
        total: the exact sum.
        peak: the largest magnitude that it passes.
        in_half: where it ends if the terms and, after every addition, the sum are rounded to the nearest
            half, ties to even; ±65504 from where it passes that.
        noise: root sum of squares of what each addition loses.
        lost: how many terms are not 0, but at most half an ulp of the exact sum that they are added to.
    """

    total: Doubles
    peak: Doubles
    in_half: Doubles
    noise: Doubles
    lost: Doubles

    @property
    def shortfall(self) -> Doubles:
        """How much nearer to zero, or beyond it, the sum in half ends; negative if farther out."""
        return np.asarray((self.total - self.in_half) * np.sign(self.total))


def terms_of(values: Array, axes: Sequence[int]) -> Terms:
    """Return what a reduction of ``values`` over ``axes`` adds up, each sum a column."""
    summed = sorted({axis % values.ndim for axis in axes})
    kept = [axis for axis in range(values.ndim) if axis not in summed]
    shape = tuple(values.shape[axis] for axis in kept)
    moved = values.transpose(*summed, *kept)
    return Terms(moved.reshape(-1, int(np.prod(shape, dtype=np.int64))), shape or (1,))


def terms_by_axis(values: Array, axes: Sequence[int]) -> Iterator[Terms]:
    """Yield what a mean of ``values`` over ``axes`` adds up, one axis after the other, the first one first.

    The terms of an axis are the exact means over those before it.
    """
    summed = sorted({axis % values.ndim for axis in axes})
    for axis in summed:
        terms = terms_of(values, [axis])
        yield terms._replace(along=f" along axis {axis}") if summed[1:] else terms
        values = values.mean(axis=axis, keepdims=True, dtype=np.float64).astype(values.dtype)


def window_terms_by_axis(
    values: Array, window: Sequence[int], strides: Sequence[int], *, same: bool
) -> Iterator[Terms]:
    """Yield what an average pool adds up: along rows, then the means of these along columns.

    Args:
        values: (batch, rows, columns, channels).
        window: its size along rows and columns.
        strides: steps along rows and columns.
        same: padding is SAME; what lies outside is neither added nor counted.
    """
    down, across = ((window[0], 1), (strides[0], 1)), ((1, window[1]), (1, strides[1]))
    several = min(window) > 1
    for (size, steps), axis in ((down, 1), (across, 2)):
        if max(size) == 1 and max(window) > 1:
            continue
        terms = terms_of_windows(values, size, steps, same=same)
        yield terms._replace(along=f" along axis {axis}") if several else terms
        counts = terms_of_windows(np.ones_like(values), size, steps, same=same).values.sum(axis=0)
        values = (terms.values.sum(axis=0) / counts).reshape(terms.kept).astype(values.dtype)


def terms_of_windows(values: Array, window: Sequence[int], strides: Sequence[int], *, same: bool) -> Terms:
    """Return what an average pool of ``values``, channels last, adds up, each sum a column, row by row.

    Args:
        values: (batch, rows, columns, channels).
        window: its size along rows and columns.
        strides: steps along rows and columns.
        same: padding is SAME; zeros stand for what lies outside, and add nothing.
    """
    if same:
        values = np.pad(values, [(0, 0), *map(same_padding, values.shape[1:3], window, strides), (0, 0)])
    views = np.lib.stride_tricks.sliding_window_view(values, tuple(window), axis=(1, 2))
    taken = views[:, :: strides[0], :: strides[1]]
    kept = taken.shape[:4]
    return Terms(taken.transpose(4, 5, 0, 1, 2, 3).reshape(window[0] * window[1], -1), kept)


def running_sums(values: Array) -> RunningSums:
    """Return what becomes of the sum of each column of (terms, sums)."""
    count, sums = values.shape
    total, peak, squares, lost = np.zeros((4, sums))
    in_half = np.zeros(sums, np.float16)
    rows = max(1, _BLOCK // sums)
    for start in range(0, count, rows):
        block = values[start : start + rows].astype(np.float64)
        running = np.cumsum(block, axis=0) + total
        total = running[-1]
        np.maximum(peak, np.abs(running).max(axis=0), out=peak)
        ulp = _ulp(running)
        squares += np.square(block - np.rint(block / ulp) * ulp).sum(axis=0)
        lost += ((np.abs(block) <= ulp / 2) & (block != 0)).sum(axis=0)
        in_half = _continued(in_half, block)
    ends = np.clip(in_half.astype(np.float64), -LARGEST_HALF, LARGEST_HALF)
    return RunningSums(total, peak, ends, np.sqrt(squares), lost)


def _ulp(sums: Doubles) -> Doubles:
    """Return the unit in the last place of halves around ``sums``, as if their exponents had no end."""
    binade = (sums.view(np.int64) & _EXPONENT).view(np.float64)
    return np.asarray(np.maximum(binade / STEPS, SMALLEST_HALF))


def _continued(sums: NDArray[np.float16], block: Doubles) -> NDArray[np.float16]:
    """Return the sums in half after the terms of ``block``; one that is infinite stays so.

    NumPy accumulates float16 one element after the other and rounds to float16 every time.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        halves = np.vstack([sums[np.newaxis], block.astype(np.float16)])
        running = np.add.accumulate(halves, axis=0, dtype=np.float16)
    outside = ~np.isfinite(running)
    first = running[outside.argmax(axis=0), np.arange(len(sums))]
    return np.asarray(np.where(outside.any(axis=0), first, running[-1]))


def half_sum(node: str, terms: Terms, *, mean: bool) -> list[Reason]:
    """Say what the sums of a reduction would suffer if they were kept in half."""
    sums = running_sums(terms.values)
    found = [_overflow(node, terms, sums, mean=mean), _stagnation(node, terms, sums)]
    if found == [None, None]:
        found.append(_rounding(node, terms, sums))
    return [item for item in found if item is not None]


def _overflow(node: str, terms: Terms, sums: RunningSums, *, mean: bool) -> Reason | None:
    """Say which sums pass 65504 on the way to a result that does not."""
    results = np.abs(sums.total) / (len(terms.values) if mean else 1)
    over = (sums.peak >= OVERFLOWS_FROM) & (results < OVERFLOWS_FROM)
    if not over.any():
        return None
    worst = int(np.where(over, sums.peak, 0).argmax())
    peak, result = float(sums.peak[worst]), float(results[worst])
    return Reason(
        node,
        "overflow",
        f"The running sum over {len(terms.values)} elements of {node}{terms.along} reaches {number(peak)}"
        f"{terms.place(worst)}, and a half ends at 65504: {IF_SUM} the result, "
        f"{number(result)}, cannot come out. This affects {_of(over)}.",
        {
            "tensor": "the running sum",
            "terms": len(terms.values),
            "worst": worst,
            "largest": peak,
            "result": result,
            "sums_over": int(over.sum()),
            "sums": over.size,
        },
        max(peak / LARGEST_HALF, (peak - LARGEST_HALF) / peak / NOTICEABLE),
    )


def _stagnation(node: str, terms: Terms, sums: RunningSums) -> Reason | None:
    """Say which sums end short because what they lose all points one way; not those that overflow."""
    share = np.divide(sums.shortfall, sums.peak, out=np.zeros(sums.peak.shape), where=sums.peak > 0)
    stagnates = (share >= NOTICEABLE) & (sums.shortfall >= RANDOM * sums.noise)
    stagnates &= np.abs(sums.in_half) < LARGEST_HALF
    if not stagnates.any():
        return None
    worst = int(np.where(stagnates, share, 0).argmax())
    lost, passed = float(sums.lost[worst] / len(terms.values)), _passes(terms.values[:, worst])
    when = ""
    if passed is not None:
        when = f" passes 2048 times the average term after {percent(passed)} of them and"
    return Reason(
        node,
        "stagnation",
        f"{node} adds {len(terms.values)} terms per sum{terms.along}. {IF_RUNNING_SUM}"
        f"{terms.place(worst)} it{when} stagnates: {percent(lost)} of the terms are at most half a step of "
        f"the sum that they are added to and are lost, so that it ends near "
        f"{number(float(sums.in_half[worst]))} instead of {number(float(sums.total[worst]))}. "
        f"{_of(stagnates)} stagnate.",
        {
            "terms": len(terms.values),
            "worst": worst,
            "lost_share": lost,
            "in_half": float(sums.in_half[worst]),
            "total": float(sums.total[worst]),
            "relative_error": float(share[worst]),
            "sums_stagnating": int(stagnates.sum()),
            "sums": stagnates.size,
            **({} if passed is None else {"passed_after": passed}),
        },
        float(share[worst] / NOTICEABLE),
    )


def _passes(column: Array) -> float | None:
    """Return after which share of the terms the sum passes 2048 times the average magnitude of a term."""
    terms = column.astype(np.float64)
    past = np.flatnonzero(np.abs(np.cumsum(terms)) > 2 * STEPS * np.abs(terms).mean())
    return float(past[0] / len(terms)) if past.size else None


def _rounding(node: str, terms: Terms, sums: RunningSums) -> Reason | None:
    """Say what the roundings of the additions come to, over all sums that do not overflow."""
    finite = np.abs(sums.in_half) < LARGEST_HALF
    size, *lost = (_rms(part[finite]) for part in (sums.peak, sums.shortfall, sums.noise))
    if size == 0 or max(lost) < EIGHT_ROUNDOFFS * size:
        return None
    error = max(lost) / size
    return Reason(
        node,
        "accumulated rounding",
        f"{node} adds {len(terms.values)} terms per sum{terms.along}. {IF_RUNNING_SUM} "
        f"the roundings of its additions come to about {percent(error)} of what the sums reach, "
        f"{number(size)} (RMS).",
        {
            "terms": len(terms.values),
            "sums": int(finite.sum()),
            "size": size,
            "relative_error": error,
        },
        error / EIGHT_ROUNDOFFS,
    )


def _rms(values: Doubles) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _of(flags: NDArray[np.bool_]) -> str:
    return f"{int(flags.sum())} of {flags.size} sums"
