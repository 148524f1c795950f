"""How far a function is off along its inputs: its worst places in units in the last place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from conformance.html.charts import Chart, colour, logarithmic
from conformance.html.formats import figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.probing.result import Curve

SIZE, BOX = (6.2, 2.1), (0.085, 0.14, 0.905, 0.82)
COLOURS = ("own", "inherited", "odd", "known")
"""Of the first curves; of further ones again."""
LEAST, MOST, ROOM = 0.05, 1e12, 1.6
"""Where the axis of errors ends at least and at most, and room above what it shows."""
CORRECT = 0.5
SMALLEST = 2.0**-24
"""Inputs nearer to zero stand beside each other."""


def function_chart(curves: Sequence[Curve], name: str) -> str:
    """Return a drawing of one function, a colour for each curve; at the lower edge stands what has no error.

    Args:
        curves: of one function, one at least with a point.
        name: unique on the page.
    """
    chart = Chart(SIZE, BOX)
    worst = min(max((max(curve.ulps, default=0.0) for curve in curves), default=0.0), MOST)
    ends = LEAST, max(worst * ROOM, 2.0)
    logarithmic(chart.axes, "y", ends, figure)
    _inputs(chart.axes, [value for curve in curves for value in curve.x])
    chart.axes.axhline(CORRECT, color=colour("bound"), linewidth=0.9, linestyle=(0, (4, 3)))
    for place, curve in enumerate(curves):
        heights = [min(max(value, LEAST), MOST) for value in curve.ulps]
        look = {"linewidth": 1.0, "marker": "o" if len(curve.x) == 1 else ""}
        chart.axes.plot(curve.x, heights, color=colour(COLOURS[place % len(COLOURS)]), **look)
    return chart.svg(name, f"error of {curves[0].function} in units in the last place over its input")


def _inputs(axes: Any, values: Sequence[float]) -> None:
    """Make the axis of inputs logarithmic: on both sides of zero, where there are some on both."""
    largest = max((abs(value) for value in values), default=1.0) or 1.0
    if min(values, default=1.0) > 0:
        logarithmic(axes, "x", (max(min(values), SMALLEST) / ROOM, max(largest, SMALLEST) * ROOM), figure)
        return
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("symlog", linthresh=SMALLEST, linscale=0.3)
    axes.set_xlim(-largest * ROOM, largest * ROOM)
    power = max(math.floor(math.log10(largest)), -6)
    marks = [10.0**each for each in range(power, -7, -3)]
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator([-mark for mark in marks] + [0.0, *marks[::-1]]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: figure(value)))
