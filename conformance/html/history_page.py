"""The page of a history, made from what ``track`` wrote alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.files import read_json
from conformance.history.figures import figures
from conformance.history.history_file import SCHEMA, History
from conformance.html.formats import count
from conformance.html.history_chart import Course, course, marks
from conformance.html.page import Banner, Tile, rendered

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from conformance.history.figures import Figure
    from conformance.history.history_file import Series, Step, TrackedRun
    from conformance.html.history_chart import Mark

MOST_CHARTS, MOST_STEPS, MOST_SERIES, MOST_BROKEN, MOST_LABELS = 16, 300, 600, 100, 100
"""Charts, and rows of tables; the file of ``track`` has all."""
JUDGED = {"worse": ("✕", "bad"), "better": ("✓", "good"), "same": ("=", "faint"), "cannot tell": ("?", "odd")}
"""Sign and tone of what a step means, the gravest first."""
JUDGED_STEPS = 2
"""The first kinds of ``JUDGED`` are steps, the others are not."""
LARGEST = 1e18
"""No value, level or change of ``track`` is as large: a share ends at 1e9, its ratio to the least at 1e15."""
SAID = 3
"""Steps for the worse that the verdict names."""


@dataclasses.dataclass(frozen=True)
class StepRow:
    """A step with its series, and the words of its figure."""

    step: Step
    series: Series
    figure: Figure
    run: TrackedRun

    @property
    def judged(self) -> str:
        """What it means."""
        return self.step.judged

    @property
    def change(self) -> str:
        """By how much, in words."""
        return self.figure.change_in_words(self.step.change)

    @property
    def levels(self) -> tuple[str, str]:
        """The levels before and after, in words."""
        return self.figure.value_in_words(self.step.before), self.figure.value_in_words(self.step.after)


@dataclasses.dataclass(frozen=True)
class SeriesRow:
    """A series in one line of a table."""

    series: Series
    figure: Figure

    @property
    def ends(self) -> tuple[str, str]:
        """The first and the last value, in words."""
        values = self.series.values
        return self.figure.value_in_words(values[0]), self.figure.value_in_words(values[-1])

    @property
    def noise(self) -> str:
        """How much it varies between runs of one environment."""
        noise = self.series.noise
        return "-" if noise is None else self.figure.change_in_words(noise.deviation)

    @property
    def words(self) -> str:
        """What its values are."""
        return self.figure.words


def read_history_file(path: Path) -> History:
    """Return the history of a file.

    Raises:
        UsageError: it cannot be read, is no history, is of another format, has no run, or a series names a
            figure or a run that is not there.
    """
    history = read_json(path, History, "history file")
    if history.schema != SCHEMA:
        raise UsageError(
            f"history file {path} has the format {history.schema}, but this version reads {SCHEMA}; track "
            "the runs again"
        )
    if not history.runs:
        raise UsageError(f"history file {path} has no run; track directories that hold some")
    known = {figure.name for figure in figures(0.0)}
    for number, series in enumerate(history.series, start=1):
        if wrong := _wrong(series, known, len(history.runs)):
            raise UsageError(
                f"history file {path}, series {number}: {wrong}; track the runs again, or name another file"
            )
    return history


def _wrong(series: Series, known: Collection[str], runs: int) -> str:
    """Return what makes a series one that ``track`` does not write, in words; nothing where nothing does.

    Args:
        series: which one.
        known: names of figures.
        runs: how many the history has.
    """
    places = range(runs)
    if series.figure not in known:
        return f"its figure {series.figure!r} is none of {', '.join(sorted(known))}"
    if not series.runs or len(series.runs) != len(series.values):
        return f"it has {count(len(series.values), 'value')} of {count(len(series.runs), 'run')}"
    if outside := [run for run in series.runs if run not in places]:
        return f"its run {outside[0]} is none of the {runs} there are"
    if outside := [step.run for step in series.steps if step.run not in series.runs]:
        return f"its step at run {outside[0]} is at no run of the series"
    levels = (level for step in series.steps for level in (step.before, step.after, step.change))
    if beyond := [value for value in (*series.values, *levels) if abs(value) > LARGEST]:
        return f"its value {beyond[0]:g} is beyond what any figure can be"
    return ""


def history_page(history: History, source: str) -> str:
    """Return the page of a history.

    Args:
        history: what ``track`` found.
        source: its file, as the page names it.
    """
    by_name = {figure.name: figure for figure in figures(0.0)}
    steps = _steps(history, by_name)
    return rendered(
        "history.html",
        title=f"{count(len(history.runs), 'run')} of {', '.join(_networks(history)) or 'no network'}",
        banner=_banner(history, steps),
        tiles=_tiles(history, steps),
        steps=steps[:MOST_STEPS],
        steps_left_out=max(len(steps) - MOST_STEPS, 0),
        judged=JUDGED,
        courses=_courses(history, by_name),
        series=[SeriesRow(item, by_name[item.figure]) for item in history.series[:MOST_SERIES]],
        series_left_out=max(len(history.series) - MOST_SERIES, 0),
        labels=_labels(history),
        broken=history.broken[:MOST_BROKEN],
        broken_left_out=max(len(history.broken) - MOST_BROKEN, 0),
        history=history,
        source=source,
    )


def _networks(history: History) -> list[str]:
    return list(dict.fromkeys(series.network for series in history.series))


def _steps(history: History, by_name: dict[str, Figure]) -> list[StepRow]:
    """Return every step, the gravest kind first, then the latest."""
    order = list(JUDGED)
    found = [
        StepRow(step, series, by_name[series.figure], history.runs[step.run])
        for series in history.series
        for step in series.steps
    ]
    return sorted(found, key=lambda row: (order.index(row.judged), -row.step.run))


def _banner(history: History, steps: list[StepRow]) -> Banner:
    worse = [row for row in steps if row.judged == "worse"]
    better = [row for row in steps if row.judged == "better"]
    runs = count(len(history.runs), "run")
    skipped = [f"{count(len(history.broken), 'run')} could not be read."] if history.broken else []
    also = [f"{count(len(better), 'step')} for the better."] if better else []
    if worse:
        named = [f"{row.series.network} {row.series.precision}: {row.step.sentence}" for row in worse[:SAID]]
        head = f"{count(len(worse), 'step')} for the worse in {runs}."
        return Banner("WORSE", "bad", [head, *named, *also, *skipped])
    if not any(len(series.runs) >= 2 * history.least for series in history.series):
        few = f"{runs}: a step shows only where there are at least {history.least} runs on either side."
        return Banner("CANNOT TELL", "odd", [few, *also, *skipped])
    return Banner("STEADY", "good", [f"No step for the worse in {runs}.", *also, *skipped])


def _tiles(history: History, steps: list[StepRow]) -> list[Tile]:
    counts = {word: sum(row.judged == word for row in steps) for word in JUDGED}
    days = f"{history.runs[0].started:%Y-%m-%d} to {history.runs[-1].started:%Y-%m-%d}"
    return [
        Tile(f"{len(history.runs):,}", f"runs, {days}"),
        Tile(str(len({series.card for series in history.series})), "cards"),
        Tile(f"{len(history.series):,}", "series"),
        *(
            Tile(f"{number:,}", "no effect" if word == "same" else word, JUDGED[word][1])
            for word, number in counts.items()
            if number
        ),
        *([Tile(f"{len(history.broken):,}", "broken runs", "bad")] if history.broken else []),
    ]


def _courses(history: History, by_name: dict[str, Figure]) -> list[Course]:
    """Return charts of what got worse, then of what got better, then of device times."""
    shown = sorted(
        (item for item in history.series if item.figure == "seconds" or _gravest(item) < JUDGED_STEPS),
        key=_gravest,
    )
    return [
        course(history, item, by_name[item.figure], f"h{number}")
        for number, item in enumerate(shown[:MOST_CHARTS])
    ]


def _gravest(series: Series) -> int:
    """Return the place in ``JUDGED`` of a series' gravest step; of none, the last one and more."""
    order = list(JUDGED)
    return min((order.index(step.judged) for step in series.steps), default=len(order))


def _labels(history: History) -> list[tuple[TrackedRun, Mark]]:
    """Return the runs in which driver, firmware, runtime or framework became others, the last ones."""
    return [(history.runs[mark.place], mark) for mark in marks(history.runs)][-MOST_LABELS:]
