"""The error along the network: what every node adds, what reaches it, and what it may add."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from conformance.html.charts import Chart, colour, logarithmic, thinned
from conformance.html.looks import FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.records import Record

MOST_POINTS, FEWEST_POINTS, POINTS_OF_PAGE = 300, 60, 2400
"""Nodes of a chart at most, even where a page has many charts, and nodes of all charts of a page."""
SIZE, BOX = (6.2, 2.5), (0.085, 0.125, 0.905, 0.845)
DIGITS, DECADES = 3, 14
"""Digits of a figure; what lies further below the largest error is drawn at the lower edge."""
LINES = ("own", "inherited", "bound")


@dataclasses.dataclass(frozen=True)
class Errors:
    """Root mean squares of one node, None where there is none.

    Attributes:
        node: its name.
        op: its operator.
        outcome: of its own error.
        own: what it adds by itself and is held to its bound for.
        inherited: what reached it.
        bound: what a right device may add.
    """

    node: str
    op: str
    outcome: str
    own: float | None
    inherited: float | None
    bound: float | None

    @property
    def weight(self) -> float:
        """How much it must not be left out."""
        if self.outcome in FINDINGS:
            return math.inf
        return (self.own or 0.0) / self.bound if self.bound else 0.0


@dataclasses.dataclass(frozen=True)
class Drawing:
    """The chart of one precision: the drawing and where its axes are."""

    precision: str
    svg: str


@dataclasses.dataclass(frozen=True)
class Along:
    """The charts of a network.

    Attributes:
        drawings: one per precision.
        data: what pointing at them shows, as JSON.
        left_out: nodes between those that are drawn.
    """

    drawings: list[Drawing]
    data: dict[str, Any]
    left_out: int


def errors_of(records: Sequence[Record], precision: str) -> dict[str, Errors]:
    """Return the errors of a network's nodes by name, in its order.

    The inherited error is what of the chained one the own error does not explain, as squares.
    """
    here = [record for record in records if record.precision == precision]
    chained = {record.node: _rms(record) for record in here if record.mode == "chained"}
    return {
        record.node: Errors(
            record.node,
            record.op,
            record.outcome,
            _judged(record),
            _inherited(_rms(record), chained.get(record.node)),
            None if record.bounds is None else math.sqrt(record.bounds.mse),
        )
        for record in here
        if record.mode == "own"
    }


def _judged(record: Record) -> float | None:
    """Return what of a node's own error is held to its bound."""
    return _rms(record) if record.needed is None else math.sqrt(record.needed.mse)


def _rms(record: Record) -> float | None:
    return None if record.metrics is None else math.sqrt(record.metrics.mse)


def _inherited(own: float | None, chained: float | None) -> float | None:
    return None if own is None or chained is None else math.sqrt(max(chained**2 - own**2, 0.0))


def points_of(charts: int) -> int:
    """Return how many nodes each of so many charts of a page may have."""
    return max(FEWEST_POINTS, min(MOST_POINTS, POINTS_OF_PAGE // max(charts, 1)))


def along(
    records: Sequence[Record], precisions: Sequence[str], name: str, anchors: dict[str, str], most: int
) -> Along | None:
    """Return the charts of a network; None where nothing was measured.

    Args:
        records: of one network.
        precisions: one chart each, where something was measured.
        name: unique on the page.
        anchors: rows of nodes.
        most: nodes of a chart.
    """
    errors = {precision: errors_of(records, precision) for precision in precisions}
    measured = {key: found for key, found in errors.items() if any(item.own for item in found.values())}
    if not measured:
        return None
    nodes = list(dict.fromkeys(node for found in measured.values() for node in found))
    weights = [max(found[node].weight for found in measured.values() if node in found) for node in nodes]
    chosen = [nodes[index] for index in thinned(weights, most)]
    lines = {key: _points(found, chosen) for key, found in measured.items()}
    drawings, frame = _drawings(lines, name, len(nodes))
    ops = {node: item.op for found in measured.values() for node, item in found.items()}
    data = {
        "frame": frame,
        "nodes": [[node, ops[node], anchors.get(node, "")] for node in chosen],
        "figures": {key: _figures(points) for key, points in lines.items()},
    }
    return Along(drawings, data, len(nodes) - len(chosen))


def _points(found: dict[str, Errors], nodes: Sequence[str]) -> list[Errors]:
    return [found.get(node) or Errors(node, "", "", None, None, None) for node in nodes]


def _figures(points: Sequence[Errors]) -> dict[str, list[Any]]:
    """Return what a chart shows of its nodes, by what it is."""
    figures: dict[str, list[Any]] = {key: [_rounded(getattr(item, key)) for item in points] for key in LINES}
    return figures | {"outcome": [item.outcome for item in points]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _drawings(lines: dict[str, list[Errors]], name: str, nodes: int) -> tuple[list[Drawing], list[float]]:
    """Return a drawing per precision, all to one scale, and the frame of their axes."""
    values = [
        value
        for points in lines.values()
        for item in points
        for key in LINES
        if (value := getattr(item, key))
    ]
    limits = max(min(values), max(values) / 10**DECADES) / 2, max(values) * 2
    made = []
    for number, (precision, points) in enumerate(lines.items()):
        chart = Chart(SIZE, BOX)
        _draw(chart.axes, points, limits)
        label = f"error along the network at {precision}: own, inherited and bound of {nodes} nodes"
        made.append(Drawing(precision, chart.svg(f"{name}-{number}", label)))
    return made, chart.frame


def _draw(axes: Any, points: Sequence[Errors], limits: tuple[float, float]) -> None:
    low, _high = limits
    steps = list(range(len(points)))
    bound = _line(points, "bound", low)
    around = (
        [steps[0], *steps, steps[-1]],
        [low, *(low if math.isnan(value) else value for value in bound), low],
    )
    axes.fill(*around, color=colour("bound"), alpha=0.16, linewidth=0)
    axes.plot(steps, bound, color=colour("bound"), linewidth=0.9)
    axes.plot(steps, _line(points, "inherited", low), color=colour("inherited"), linewidth=1.1)
    axes.plot(steps, _line(points, "own", low), ".", color=colour("own"), markersize=4, markeredgewidth=0)
    _mark(axes, points, "bad", ("deviates", "broken"))
    _mark(axes, points, "known", ("waived",))
    logarithmic(axes, "y", limits, "{:.0e}".format)
    axes.set_xlim(-0.5, len(points) - 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)


def _line(points: Sequence[Errors], key: str, low: float) -> list[float]:
    """Return a line's values, those below the axes at their edge, with gaps where there is none or 0."""
    return [max(getattr(item, key) or math.nan, low) for item in points]


def _mark(axes: Any, points: Sequence[Errors], tone: str, outcomes: tuple[str, ...]) -> None:
    """Draw a cross on every node with one of these outcomes."""
    places = [(step, item.own) for step, item in enumerate(points) if item.outcome in outcomes and item.own]
    if places:
        axes.plot(*zip(*places, strict=True), "x", color=colour(tone), markersize=4.5, markeredgewidth=1.2)
