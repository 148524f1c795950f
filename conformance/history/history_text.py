"""A history as lines of text: what changed, where and with what; the figures' courses; their noise."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from conformance.gating.statistics import CONFIDENCE, Interval
from conformance.history.differences import LABELS, in_words
from conformance.history.figures import figures
from conformance.tables import NONE, aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.history.history_file import History, Series, Step

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 32
"""Runs that the picture of a course shows: the last ones."""
SIDES = (3, 5, 8)
"""Runs a side for which the noise says what a gate can tell."""
UNSEEN = ("same", "cannot tell")
COURSE_HEADINGS = ("network", "precision", "card", "figure", "runs", "first", "last", "course", "steps")
NOISE_HEADINGS = ("network", "precision", "card", "runs", "environments", "deviation", "largest change")


def history_lines(history: History) -> list[str]:
    """Return what changed, the gravest kind first, and the courses of device times and of what changed."""
    words = _Words(history)
    seen: list[tuple[Series, Step]] = []
    unseen: list[tuple[Series, Step]] = []
    for series, step in _steps(history):
        (unseen if step.judged in UNSEEN else seen).append((series, step))
    told = {step.run for _, step in seen}
    unseen = [(series, step) for series, step in unseen if step.judged != "same" or step.run not in told]
    lines = [words.title, ""]
    lines += [*words.steps(seen), ""] if seen else ["no step was found", ""]
    lines += words.without_effect([pair for pair in unseen if pair[1].known])
    lines += words.last_runs([pair for pair in unseen if not pair[1].known])
    return [*lines, *aligned([COURSE_HEADINGS, *words.courses()], numbers={"runs", "steps"})]


def noise_lines(history: History) -> list[str]:
    """Return how much device times vary between runs of one environment, and what a gate can tell then."""
    found = [series for series in history.series if series.figure == "seconds" and series.noise is not None]
    if not found:
        return ["no two runs of one environment were timed, so their noise is not known"]
    sides = [f"{count} + {count}" for count in SIDES]
    rows = [(*NOISE_HEADINGS, *sides), *map(_noise_row, found)]
    return [
        *aligned(rows, numbers={"runs", "environments", "deviation", "largest change", *sides}),
        "a gate with so many runs a side passes an unchanged device in 9 of 10 cases from this --slower on",
    ]


def _noise_row(series: Series) -> tuple[str, ...]:
    noise = series.noise
    assert noise is not None, "chosen for it"
    least = [
        Interval(0.0, noise.deviation * (2 / count) ** 0.5, 2.0 * (count - 1), CONFIDENCE, "runs").detectable
        for count in SIDES
    ]
    shares = [f"{100 * share:.2g} %" for share in (noise.deviation, noise.largest, *least)]
    about = (series.network, series.precision, series.card, str(noise.runs), str(noise.groups))
    return (*about, *shares)


def _steps(history: History) -> Iterator[tuple[Series, Step]]:
    """Yield every step with its series, in the order of runs and cards."""
    pairs = [(series, step) for series in history.series for step in series.steps]
    yield from sorted(pairs, key=lambda pair: (pair[1].run, pair[0].card))


class _Words:
    """Words for a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._figures = {figure.name: figure for figure in figures(0.0)}

    @property
    def title(self) -> str:
        """How many runs there are, from when to when."""
        runs, broken = self._history.runs, len(self._history.broken)
        cards = len({series.card for series in self._history.series})
        skipped = f"; {broken} skipped" if broken else ""
        counts = [
            f"{count} {word}{'s' * (count != 1)}" for count, word in ((len(runs), "run"), (cards, "card"))
        ]
        days = f"from {runs[0].started:%Y-%m-%d} to {runs[-1].started:%Y-%m-%d}"
        return f"{counts[0]} {days}, {counts[1]}{skipped}"

    def steps(self, pairs: Sequence[tuple[Series, Step]]) -> Iterator[str]:
        """Yield the steps by place: first what changed there, then every figure that did."""
        for (run, card), group in itertools.groupby(pairs, lambda pair: (pair[1].run, pair[0].card)):
            found = list(group)
            tracked = self._history.runs[run]
            yield f"{tracked.started:%Y-%m-%d} {tracked.path} ({card})"
            yield f"  {found[0][1].sentence.rpartition('; ')[2]}"
            for series, step in found:
                figure = self._figures[series.figure]
                levels = f"{figure.value_in_words(step.before)} -> {figure.value_in_words(step.after)}"
                yield f"  {series.network} {series.precision}: {step.sentence.rpartition('; ')[0]}; {levels}"

    def without_effect(self, pairs: Sequence[tuple[Series, Step]]) -> Iterator[str]:
        """Yield a line per place at which something was changed on purpose and no step is seen."""
        for run, group in itertools.groupby(pairs, lambda pair: pair[1].run):
            found = [step for _, step in group]
            labels = [item for item in found[0].differences if item.name.removeprefix("device.") in LABELS]
            counts = {word: sum(step.judged == word for step in found) for word in UNSEEN}
            told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
            yield f"{self._history.runs[run].started:%Y-%m-%d} {in_words(labels)}: {told}"

    def last_runs(self, pairs: Sequence[tuple[Series, Step]]) -> Iterator[str]:
        """Yield a line per figure of which the last run alone is unlike those before it."""
        for series, step in pairs:
            day = self._history.runs[step.run].started
            yield f"{day:%Y-%m-%d} {series.network} {series.precision} ({series.card}): {step.sentence}"

    def courses(self) -> Iterator[tuple[str, ...]]:
        """Yield a row per device time, and per figure that has a step."""
        for series in self._history.series:
            steps = sum(step.judged not in UNSEEN for step in series.steps)
            if series.figure == "seconds" or steps:
                figure = self._figures[series.figure]
                first, last = (figure.value_in_words(series.values[place]) for place in (0, -1))
                about = (series.network, series.precision, series.card, figure.words)
                counts = str(len(series.runs)), str(steps) if steps else NONE
                yield (*about, counts[0], first, last, _course(series.values), counts[1])


def _course(values: Sequence[float]) -> str:
    """Return a picture of the last values."""
    shown = values[-WIDTH:]
    least, span = min(shown), max(shown) - min(shown)
    return "".join(
        BARS[int((value - least) / span * (len(BARS) - 1) + 0.5) if span else 0] for value in shown
    )
