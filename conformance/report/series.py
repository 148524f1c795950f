"""Errors against the time step, from what was measured of nodes that repeat over time."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

from conformance.errors import InfrastructureError, UsageError
from conformance.files import write_atomically
from conformance.network_file import FILE
from conformance.precision import PRECISIONS
from conformance.tables import NONE, aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from conformance.goldens import GoldenStore
    from conformance.network_file import Series
    from conformance.numerics.metrics import Metrics
    from conformance.runs.records import Record

FEWEST = 2
"""Steps of a series."""

SHOWN_STEPS = 5
"""Steps of the table: first, quarter, half, three quarters, last."""

COLOURS = {
    "int8-fp16": "#d62728",
    "int8-fp32": "#ff7f0e",
    "int16-fp16": "#9467bd",
    "int16-fp32": "#2ca02c",
}

MARKED = 40
"""The most steps for which each has a dot."""

STYLES = {"fp16": "--", "fp32": "-"}

WIDTH, HEIGHT, TITLE, PADDING, RESOLUTION = 9.0, 4.2, 0.6, 0.12, 120
"""Inches of a panel, of the title, around a panel; pixels per inch."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """The error of a node at a precision in the chained network; ``metrics`` is None where there is none."""

    node: str
    precision: str
    metrics: Metrics | None
    simulated: bool


@dataclasses.dataclass(frozen=True)
class Curve:
    """Root mean square errors at one precision by step, rising; NaN where a step has no result."""

    precision: str
    errors: dict[int, float]


@dataclasses.dataclass(frozen=True)
class Panel:
    """The curves of one series."""

    name: str
    nodes: str
    curves: tuple[Curve, ...]
    simulated: bool

    @property
    def steps(self) -> list[int]:
        """Every step of any curve."""
        return sorted({step for curve in self.curves for step in curve.errors})


def steps_of(series: Series, nodes: Iterable[str], where: str) -> dict[str, int]:
    """Return the step of every node that belongs to a series, rising.

    Args:
        series: what ``network.toml`` says.
        nodes: the nodes that have goldens.
        where: the file, for the error.

    Raises:
        UsageError: the star stands for no integer, twice for the same, or fewer than two nodes match.
    """
    what = f"[[series]] {series.name!r} in {where}: nodes {series.nodes!r}"
    start, _, end = series.nodes.partition("*")
    pattern = re.compile(f"{re.escape(start)}([^/]*){re.escape(end)}")
    steps: dict[int, str] = {}
    for node in nodes:
        if found := pattern.fullmatch(node):
            step = _step(found[1], node, what)
            if step in steps:
                raise UsageError(
                    f"{what} match step {step} twice, as {steps[step]!r} and {node!r}; narrow it"
                )
            steps[step] = node
    if len(steps) < FEWEST:
        raise UsageError(
            f"{what} match {len(steps) or 'none'} of the nodes that have goldens, but a series needs "
            f"{FEWEST} or more; mend the pattern"
        )
    return {steps[step]: step for step in sorted(steps)}


def series_steps(store: GoldenStore) -> list[dict[str, int]]:
    """Return the step of every node of each of a network's series.

    Raises:
        UsageError: a series does not fit the nodes that have goldens.
        GoldenError: there are no goldens.
    """
    names = [node.name for node in store.manifest.nodes]
    where = str(store.network.directory / FILE)
    return [steps_of(series, names, where) for series in store.network.series]


def _step(text: str, node: str, what: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{what} match {node!r}, where * stands for {text!r} and not for a step; narrow it")
    return int(text)


def measured_in(records: Iterable[Record], network: str) -> list[Measured]:
    """Return what the records of a run say of a network's chained errors."""
    return [
        Measured(record.node, record.precision, record.metrics, record.simulated)
        for record in records
        if record.network == network and record.mode == "chained"
    ]


def panel_of(series: Series, steps: Mapping[str, int], measured: Sequence[Measured]) -> Panel:
    """Return the curves of a series: one per precision at which a node of it was measured."""
    of_series = [item for item in measured if item.node in steps]
    curves = []
    for precision in map(str, PRECISIONS):
        errors = {steps[item.node]: _error(item) for item in of_series if item.precision == precision}
        if errors:
            curves.append(Curve(precision, dict(sorted(errors.items()))))
    return Panel(series.name, series.nodes, tuple(curves), any(item.simulated for item in of_series))


def _error(item: Measured) -> float:
    return math.nan if item.metrics is None else math.sqrt(item.metrics.mse)


def table_lines(panels: Iterable[Panel]) -> list[str]:
    """Return errors at a few steps of each series, as lines of text."""
    return [line for panel in panels if panel.curves for line in _table(panel)]


def _table(panel: Panel) -> list[str]:
    """Return one series' table; its steps are first, quarter, half, three quarters, last."""
    steps = panel.steps
    last = len(steps) - 1
    chosen = dict.fromkeys(steps[round(last * part / (SHOWN_STEPS - 1))] for part in range(SHOWN_STEPS))
    rows = [("precision", *(f"step {step}" for step in chosen))]
    rows += [
        (curve.precision, *(_shown(curve.errors.get(step)) for step in chosen)) for curve in panel.curves
    ]
    simulated = ", SIMULATED" if panel.simulated else ""
    return [f"{panel.name} ({panel.nodes}), root mean square error{simulated}:", *aligned(rows)]


def _shown(error: float | None) -> str:
    if error is None:
        return NONE
    return "no result" if math.isnan(error) else f"{error:.2e}"


def save_chart(panels: Sequence[Panel], title: str, path: Path) -> None:
    """Draw one panel per series and write them as a PNG, whole or not at all.

    Raises:
        InfrastructureError: matplotlib cannot be used.
        OSError: the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise InfrastructureError(
            f"the chart {path} needs matplotlib, which cannot be imported ({error}); install matplotlib"
        ) from error

    layout = ConstrainedLayoutEngine(h_pad=PADDING, w_pad=PADDING)
    figure = Figure(figsize=(WIDTH, TITLE + HEIGHT * len(panels)), layout=layout)
    FigureCanvasAgg(figure)
    simulated = " (SIMULATED)" if any(panel.simulated for panel in panels) else ""
    figure.suptitle(f"{title}{simulated}", fontsize=14)
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        _draw(axes, panel)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=RESOLUTION))


def _draw(axes: Any, panel: Panel) -> None:
    for curve in panel.curves:
        _draw_curve(axes, curve)
    if any(error > 0 for curve in panel.curves for error in curve.errors.values()):
        axes.set_yscale("log")
    axes.set_title(f"{panel.name} ({panel.nodes})", fontsize=11)
    axes.set_xlabel("time step")
    axes.set_ylabel("root mean square error")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _draw_curve(axes: Any, curve: Curve) -> None:
    """Draw a line, with gaps where a step is exact, and a cross at the top where it has no result."""
    colour = COLOURS.get(curve.precision)
    style = STYLES.get(curve.precision.rpartition("-")[2], "-")
    values = [error if error > 0 else math.nan for error in curve.errors.values()]
    axes.plot(
        list(curve.errors),
        values,
        style,
        color=colour,
        label=_label(curve),
        marker="o",
        markersize=0 if len(values) > MARKED else 3,
        linewidth=1.8,
    )
    lost = [step for step, error in curve.errors.items() if math.isnan(error)]
    if lost:
        top = axes.get_xaxis_transform()
        axes.plot(lost, [1.0] * len(lost), "x", color=colour, clip_on=False, transform=top)


def _label(curve: Curve) -> str:
    """Return a curve's name, and how many of its steps the line does not show."""
    errors = list(curve.errors.values())
    exact, lost = sum(error == 0 for error in errors), sum(map(math.isnan, errors))
    remarks = [f"{exact} exact"] if exact else []
    remarks += [f"{lost} without result"] if lost else []
    return f"{curve.precision} ({', '.join(remarks)})" if remarks else curve.precision
