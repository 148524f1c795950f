"""The timings of a run beside the roofline: its rounds as dots, and what no card can be faster than."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from conformance.errors import printable
from conformance.html.charts import Chart, colour, logarithmic
from conformance.html.formats import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.finished import StoredRun, Timing

ROW, ABOVE, BELOW, WIDTH = 0.24, 0.1, 0.32, 9.6
"""Inches of a row, of what stands above and below all rows, of the chart."""
LABELS, RIGHT = 1.75, 0.15
"""Inches of the names at the left, and at the right of the axes."""
ROUND, MARK = 3.6, 9
"""Points of a dot and of a line."""
ASIDE = 1.6
"""How much further than its dots an axis goes, as a factor."""


@dataclasses.dataclass(frozen=True)
class TimedRow:
    """Device times of a network at a precision on a card.

    Attributes:
        timing: the times of all rounds, and the least that is possible.
        simulated: whether they are an emulator's.
    """

    timing: Timing
    simulated: bool

    @property
    def times_roofline(self) -> float | None:
        """The median over the roofline."""
        return self.timing.seconds / self.timing.least if self.timing.least else None

    @property
    def impossible(self) -> bool:
        """Whether a card would have been faster than it can be."""
        return self.timing.least is not None and min(self.timing.rounds) < self.timing.least


def timed_rows(run: StoredRun) -> list[TimedRow]:
    """Return what a run timed; nothing where it timed nothing.

    Raises:
        UsageError: its file is malformed, or a time in it is none.
    """
    simulated = bool(run.environment.device.get("simulated"))
    return [TimedRow(timing, simulated) for timing in run.timings]


def timing_chart(rows: Sequence[TimedRow]) -> str:
    """Return a drawing with a line per timing, on a logarithmic axis of seconds."""
    height = ABOVE + BELOW + ROW * len(rows)
    box = (LABELS / WIDTH, BELOW / height, (WIDTH - LABELS - RIGHT) / WIDTH, 1 - (ABOVE + BELOW) / height)
    chart = Chart((WIDTH, height), box)
    axes, found = chart.axes, [row.timing for row in rows]
    for place, item in enumerate(found):
        dots = {"color": colour("own"), "markersize": ROUND, "alpha": 0.55, "markeredgewidth": 0}
        line = {"markersize": MARK, "markeredgewidth": 1.6}
        if item.least:
            axes.plot([item.least, item.seconds], [place, place], color=colour("line"), linewidth=0.8)
            axes.plot(item.least, place, "|", color=colour("bound"), **line)
        axes.plot(item.rounds, [place] * len(item.rounds), "o", **dots)
        axes.plot(item.seconds, place, "|", color=colour("own"), **line)
    axes.set_yticks(range(len(found)), [printable(f"{item.network} {item.precision}") for item in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    times = [time for item in found for time in (*item.rounds, item.least) if time]
    logarithmic(axes, "x", (min(times) / ASIDE, max(times) * ASIDE), seconds)
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return chart.svg("timings", f"device times of {len(found)} networks and precisions, with their roofline")
