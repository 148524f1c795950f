"""One figure run by run: its levels, its steps, and where driver or firmware changed."""

from __future__ import annotations

import bisect
import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.errors import printable
from conformance.html.charts import Chart, colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.history.figures import Figure
    from conformance.history.history_file import History, Series, TrackedRun

SIZE, BOX = (6.2, 2.2), (0.13, 0.13, 0.86, 0.71)
MOST_POINTS = 300
"""Runs of a chart at most; of more, as many at even distances, and the last."""
LABELS = ("driver", "firmware", "runtime", "framework")
MOST_MARKS = 6
"""Changes that are named in a chart; all of them have a line."""
LONGEST_MARK = 22
TONES = {"worse": "bad", "better": "good"}
MARGIN = 0.12
"""Room above and below the values, as a part of their span."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """Where driver, firmware, runtime or framework are others than in the run before."""

    place: int
    text: str


@dataclasses.dataclass(frozen=True)
class Course:
    """The chart of a series, what pointing at it shows, and how many of its runs have a dot."""

    series: Series
    svg: str
    data: dict[str, Any]
    drawn: int


def course(history: History, series: Series, figure: Figure, name: str) -> Course:
    """Return the chart of one series.

    Args:
        history: of which it is.
        series: what is drawn.
        figure: what its values are.
        name: unique on the page.
    """
    places = _chosen(len(series.runs))
    runs = [history.runs[series.runs[place]] for place in places]
    values = [series.values[place] for place in places]
    chart = Chart(SIZE, BOX)
    _frame(chart.axes, values, figure)
    for mark in _thinned_marks(marks([history.runs[number] for number in series.runs]), places):
        _mark(chart.axes, mark)
    _steps(chart.axes, series, places)
    chart.axes.plot(range(len(values)), values, "o", color=colour("own"), markersize=3, markeredgewidth=0)
    label = f"{figure.words} of {series.network} at {series.precision} in {len(series.runs)} runs"
    data = {
        "frame": chart.frame,
        "nodes": [[run.path, f"{run.started:%Y-%m-%d %H:%M}", ""] for run in runs],
        "figures": {"": _figures(runs, values, figure)},
    }
    return Course(series, chart.svg(name, label), data, len(places))


def marks(runs: Sequence[TrackedRun]) -> list[Mark]:
    """Return where a label is another than in the run before."""
    found = []
    for place in range(1, len(runs)):
        changed = [name for name in LABELS if getattr(runs[place], name) != getattr(runs[place - 1], name)]
        if changed:
            texts = [f"{name} {getattr(runs[place], name) or 'not told'}" for name in changed]
            found.append(Mark(place, ", ".join(texts)))
    return found


def _chosen(count: int) -> list[int]:
    if count <= MOST_POINTS:
        return list(range(count))
    return sorted({round(part * (count - 1) / (MOST_POINTS - 1)) for part in range(MOST_POINTS)})


def _figures(runs: Sequence[TrackedRun], values: Sequence[float], figure: Figure) -> dict[str, list[str]]:
    """Return what a run is pointed at for: its value, and the labels that any run has."""
    named = [name for name in LABELS if any(getattr(run, name) for run in runs)]
    return {figure.words: [figure.value_in_words(value) for value in values]} | {
        name: [getattr(run, name) for run in runs] for name in named
    }


def _thinned_marks(found: Sequence[Mark], places: Sequence[int]) -> list[Mark]:
    """Return marks by their place among the chosen runs; only the last ones keep their text."""
    first_named = len(found) - MOST_MARKS
    return [
        Mark(bisect.bisect_left(places, mark.place), mark.text if number >= first_named else "")
        for number, mark in enumerate(found)
    ]


def _mark(axes: Any, mark: Mark) -> None:
    axes.axvline(mark.place - 0.5, color=colour("faint"), linewidth=0.8, linestyle=(0, (2, 2)))
    text = printable(mark.text)
    text = text if len(text) <= LONGEST_MARK else f"{text[: LONGEST_MARK - 1]}…"
    transform = axes.get_xaxis_transform()
    right = mark.place > sum(axes.get_xlim()) / 2
    axes.text(
        mark.place - 0.5,
        1.02,
        text,
        transform=transform,
        ha="right" if right else "left",
        va="bottom",
        color=colour("faint"),
        parse_math=False,  # a dollar sign is no formula
    )


def _steps(axes: Any, series: Series, places: Sequence[int]) -> None:
    """Draw the levels on both sides of every step that is for the worse or the better."""
    steps = [step for step in series.steps if step.judged in TONES]
    where = [bisect.bisect_left(places, series.runs.index(step.run)) - 0.5 for step in steps]
    ends = [-0.5, *where, len(places) - 0.5]
    for number, step in enumerate(steps):
        tone = colour(TONES[step.judged])
        axes.axvspan(where[number] - 0.25, where[number] + 0.25, color=tone, alpha=0.3, linewidth=0)
        level = {"linewidth": 1.6, "solid_capstyle": "butt"}
        axes.plot(ends[number : number + 2], [step.before] * 2, color=colour("bound"), **level)
        axes.plot(ends[number + 1 : number + 3], [step.after] * 2, color=tone, **level)


def _frame(axes: Any, values: Sequence[float], figure: Figure) -> None:
    low, high = min(values), max(values)
    room = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(nbins=5)
    axes.yaxis.set_major_formatter(lambda value, _: figure.value_in_words(value))
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
