"""Errors against the time step, from what was measured of nodes that repeat over time."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.networks import FILE
from conformance.precision import PRECISIONS
from conformance.report.table import NONE, aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.goldens import GoldenStore
    from conformance.networks import Series
    from conformance.numerics.metrics import Metrics
    from conformance.runs.records import Record

FEWEST = 2
"""Steps of a series."""
SHOWN_STEPS = 5
"""Steps of the table: first, quarter, half, three quarters, last."""


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
