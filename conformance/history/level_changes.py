"""Two levels of a figure side by side: by how much they differ, how surely, and whether that is worse."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from conformance.gating.statistics import Block, ratio_interval
from conformance.history.change_points import ALPHA, LEAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conformance.history.figures import Figure
    from conformance.history.history_file import Judged

    Doubles = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class LevelChange:
    """The difference of two levels, on the scale on which differences of the figure count.

    Attributes:
        estimate: after less before.
        low, high: its interval; None where the figure never varies, or where there are too few runs.
        judged: what it means.
    """

    estimate: float
    low: float | None
    high: float | None
    judged: Judged


def level_change(before: Doubles, after: Doubles, figure: Figure, *, certain: bool = False) -> LevelChange:
    """Return how two levels differ.

    A figure that a device gives again and again to the last bit needs no test, if one level at least shows
    that it does; any other needs enough runs on either side, and an interval (Welch) that leaves no doubt.

    Args:
        before: scaled values of the runs before, at least one.
        after: those of the runs after, at least one.
        figure: what they are of.
        certain: whether that they differ is known already, so that only the direction is asked.
    """
    estimate = float(after.mean() - before.mean())
    if figure.exact and np.ptp(before) == np.ptp(after) == 0 and max(len(before), len(after)) > 1:
        return LevelChange(estimate, None, None, _meaning(estimate, estimate, estimate, figure))
    low, high = _interval(before, after)
    if certain:
        return LevelChange(estimate, low, high, _direction(estimate, figure))
    if low is None or high is None:
        return LevelChange(estimate, None, None, "cannot tell")
    return LevelChange(estimate, low, high, _meaning(estimate, low, high, figure))


def _interval(before: Doubles, after: Doubles) -> tuple[float | None, float | None]:
    if min(len(before), len(after)) < LEAST:
        return None, None
    found = ratio_interval([Block(list(before), list(after))], confidence=1 - ALPHA)
    return (None, None) if found is None else (found.low, found.high)


def _meaning(estimate: float, low: float, high: float, figure: Figure) -> Judged:
    """Return what a change means: seen and large enough, certainly smaller than that, or neither."""
    effect = figure.scaled_effect
    if abs(estimate) >= effect and (low > 0 or high < 0):
        return _direction(estimate, figure)
    return "same" if max(-low, high) < effect else "cannot tell"


def _direction(estimate: float, figure: Figure) -> Judged:
    return "worse" if (estimate > 0) == (figure.better == "lower") else "better"
