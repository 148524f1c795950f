"""The steps of a series: first where something was changed on purpose, then those that figures alone show."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.gating.statistics import quantile
from conformance.history.change_points import ALPHA, LEAST, ChangePoint, change_points
from conformance.history.differences import LABELS, differences, in_words
from conformance.history.history_file import Step
from conformance.history.level_changes import LevelChange, level_change

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from conformance.history.figures import Figure
    from conformance.history.history_file import Difference

    Doubles = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Course:
    """A figure run by run.

    Attributes:
        figure: which one.
        runs: number of each run in the history.
        values: one per run.
        environments: of each run, flattened; runs with equal ones share one object.
    """

    figure: Figure
    runs: Sequence[int]
    values: Doubles
    environments: Sequence[Mapping[str, str]]


@dataclasses.dataclass(frozen=True)
class _Place:
    """A place of a series, and the levels around it.

    Attributes:
        index: of the first run after it.
        known: labels that were changed there.
        point: what the figures alone show there.
        before, after: scaled values.
        change: of the levels.
    """

    index: int
    known: list[str]
    point: ChangePoint | None
    before: Doubles
    after: Doubles
    change: LevelChange


def steps_of(course: Course) -> list[Step]:
    """Return the steps of a series, and the places where something was changed on purpose without one."""
    figure, scaled = course.figure, course.figure.scaled(course.values)
    known = _changed_labels(course.environments)
    found = _unlabelled(scaled, figure, _with_effect(scaled, figure, list(known)))
    last = _unlike_its_level(scaled, max({0, *known, *found.cuts}), figure)
    steps = []
    for index in sorted({*known, *found.points, *last}):
        ends = found.cuts if index in found.cuts else {*found.cuts, *known, *last}
        before, after = _levels(scaled, index, ends)
        point = found.points.get(index)
        change = level_change(before, after, figure, certain=point is not None)
        if index in last:
            change = dataclasses.replace(change, low=None, high=None, judged="cannot tell")
        place = _Place(index, known.get(index, []), point, before, after, change)
        steps.append(_step(course, place))
    return steps


def _changed_labels(environments: Sequence[Mapping[str, str]]) -> dict[int, list[str]]:
    """Return the labels that change, by the index of the first run with the new ones."""
    found: dict[int, list[str]] = {}
    for index, (before, after) in enumerate(itertools.pairwise(environments), start=1):
        if before is not after and (names := _changed(before, after)):
            found[index] = names
    return found


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [label for label in LABELS if before.get(f"device.{label}") != after.get(f"device.{label}")]


def _with_effect(scaled: Doubles, figure: Figure, known: Sequence[int]) -> list[int]:
    """Return the known places at which the level changes."""
    stretches = itertools.pairwise(np.split(scaled, known))
    changes = [level_change(before, after, figure).judged for before, after in stretches]
    return [index for index, judged in zip(known, changes, strict=True) if judged in ("worse", "better")]


@dataclasses.dataclass(frozen=True)
class _Cuts:
    """Where the level changes: all places, and what the test says of those that it found."""

    cuts: set[int]
    points: dict[int, ChangePoint]


def _unlabelled(scaled: Doubles, figure: Figure, known: list[int]) -> _Cuts:
    """Return the places with a known effect, and those that the figures show between them."""
    points = {
        start + point.place: point
        for start, stretch in zip([0, *known], np.split(scaled, known), strict=True)
        for point in change_points(stretch, figure.scaled_effect)
    }
    return _Cuts({*known, *points}, points)


def _unlike_its_level(scaled: Doubles, start: int, figure: Figure) -> list[int]:
    """Return the index of the last run if it alone is out of what its level has shown, which is no step yet.

    Source: the prediction interval of one more normal value, as in G. J. Hahn and W. Q. Meeker, "Statistical
        Intervals" (1991), chapter 4.
    """
    level, index = scaled[start:-1], len(scaled) - 1
    if len(level) < 2 * LEAST:
        return []
    apart = abs(float(scaled[-1] - level.mean()))
    room = quantile(1 - ALPHA / 2, len(level) - 1) * float(level.std(ddof=1)) * math.sqrt(1 + 1 / len(level))
    return [index] if apart > max(room, figure.scaled_effect) else []


def _levels(scaled: Doubles, index: int, ends: Collection[int]) -> tuple[Doubles, Doubles]:
    """Return the values from the place before ``index`` to it, and from it to the next one."""
    places = [0, *sorted(ends), len(scaled)]
    position = bisect.bisect_left(places, index, lo=1)
    return scaled[places[position - 1] : index], scaled[index : places[position + 1]]


def _step(course: Course, place: _Place) -> Step:
    figure, change = course.figure, place.change
    changed = differences(course.environments[place.index - 1], course.environments[place.index])
    return Step(
        run=course.runs[place.index],
        last=course.runs[place.index - 1],
        known=place.known,
        judged=change.judged,
        before=figure.level(float(place.before.mean())),
        after=figure.level(float(place.after.mean())),
        change=figure.change(change.estimate),
        low=None if change.low is None else figure.change(change.low),
        high=None if change.high is None else figure.change(change.high),
        p=None if place.point is None else place.point.p,
        runs_before=len(place.before),
        runs_after=len(place.after),
        differences=changed,
        sentence=f"{_what(course.figure, place)}; {_why(course, place, changed)}",
    )


def _what(figure: Figure, place: _Place) -> str:
    """Return what happened to the figure: ``device time +5.1 % [+4.2 %, +6 %], worse (25 + 5 runs)``."""
    change = place.change
    counts = f"({len(place.before)} + {len(place.after)} runs)"
    text = f"{figure.words} {figure.change_in_words(figure.change(change.estimate))}"
    if change.judged == "cannot tell" and change.low is None:
        return f"{text}, which cannot be told yet {counts}: {LEAST} runs a side are needed"
    if change.low is not None and change.high is not None:
        ends = (figure.change_in_words(figure.change(end)) for end in (change.low, change.high))
        text += f" [{', '.join(ends)}]"
    return f"{text}, {change.judged} {counts}"


def _why(course: Course, place: _Place, changed: list[Difference]) -> str:
    """Return what changed there; of a place that only figures show, what did so one run before or after."""
    if changed or place.known:
        return in_words(changed)
    for index, words in ((place.index + 1, "one run later"), (place.index - 1, "one run before")):
        if 0 < index < len(course.runs):
            near = differences(course.environments[index - 1], course.environments[index])
            if near:
                return f"{words}: {in_words(near)}"
    return in_words([])
