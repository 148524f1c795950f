"""How much slower a candidate is: its interval, every run as a dot, and the slowdown that is allowed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from conformance.errors import printable
from conformance.html.charts import Chart, colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.gating.result import Speed

ROW, ABOVE, BELOW, WIDTH, LABELS, RIGHT = 0.34, 0.22, 0.32, 9.6, 1.75, 0.15
"""Inches of a row, above and below all rows, of the chart, of the names, at the right."""
COLOURS = {"slower": "bad", "cannot tell": "odd", "not slower": "good", "faster": "good"}
PERCENT = 100
MOST, WIDER = 100.0, 1.12
"""Percent at which the axis ends whatever lies beyond; how much wider than what it shows it is."""


def speed_chart(timings: Sequence[Speed], allowed: float) -> str:
    """Return a drawing with a line per timing: change of the device time in percent, slower to the right.

    Args:
        timings: those whose change is known.
        allowed: the slowdown that is allowed, 0.03 for 3 %.
    """
    height = ABOVE + BELOW + ROW * len(timings)
    box = (LABELS / WIDTH, BELOW / height, (WIDTH - LABELS - RIGHT) / WIDTH, 1 - (ABOVE + BELOW) / height)
    chart = Chart((WIDTH, height), box)
    axes = chart.axes
    axes.axvline(0, color=colour("line"), linewidth=0.8)
    axes.axvline(allowed * PERCENT, color=colour("bad"), linewidth=0.9, linestyle=(0, (4, 3)))
    for place, item in enumerate(timings):
        _draw(axes, item, place)
    _frame(axes, timings, allowed)
    return chart.svg("speed", f"change of the device time of {len(timings)} networks and precisions")


def _draw(axes: Any, item: Speed, place: int) -> None:
    tone = colour(COLOURS[item.word])
    for side, style in (("baseline", {"fillstyle": "none"}), ("candidate", {"markeredgewidth": 0.0})):
        dots = [_percent(run.seconds, item.baseline) for run in item.runs if run.side == side]
        shift = 0.17 if side == "candidate" else 0.3
        look = {"color": colour("own" if side == "candidate" else "bound"), "markersize": 3.4, "alpha": 0.75}
        axes.plot(dots, [place + shift] * len(dots), "o", **look, **style)
    change = (item.change or 0.0) * PERCENT
    if item.low is not None and item.high is not None:
        ends = [max(item.low * PERCENT, -MOST), min(item.high * PERCENT, MOST)]
        axes.plot(ends, [place, place], color=tone, linewidth=2.2, solid_capstyle="round")
    axes.plot(change, place, "D", color=tone, markersize=4.6, markeredgewidth=0)


def _percent(seconds: float, of: float | None) -> float:
    return (seconds / of - 1) * PERCENT if of else math.nan


def _frame(axes: Any, timings: Sequence[Speed], allowed: float) -> None:
    shown = [0.0, allowed * PERCENT]
    for item in timings:
        shown += [value * PERCENT for value in (item.change, item.low, item.high) if value is not None]
        shown += [_percent(run.seconds, item.baseline) for run in item.runs]
    finite = [min(max(value, -MOST), MOST) for value in shown if math.isfinite(value)]
    middle, half = (min(finite) + max(finite)) / 2, (max(finite) - min(finite)) / 2 * WIDER
    axes.set_xlim(middle - half, middle + half)
    axes.set_yticks(range(len(timings)), [printable(f"{item.network} {item.precision}") for item in timings])
    axes.set_ylim(len(timings) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g} %" if value else "0")
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    label = f"allowed {allowed * PERCENT:+g} %"
    axes.text(allowed * PERCENT, -0.62, label, ha="center", va="bottom", color=colour("bad"))
