"""The timings of a run beside the roofline: its rounds as dots, and what no card can be faster than."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UsageError
from conformance.files import read_json
from conformance.html.charts import Chart, colour, logarithmic
from conformance.html.figures import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BENCHMARK = "benchmark.json"
ROW, EDGES, WIDTH = 0.24, 0.42, 9.6
"""Inches of a row, of what stands above and below all rows, of the chart."""
LABELS = 1.75
"""Inches of the names at the left."""


class _Stats(msgspec.Struct):
    data: list[float] = []


class _Benchmark(msgspec.Struct):
    extra_info: dict[str, Any] = {}
    stats: _Stats = msgspec.field(default_factory=_Stats)


class _File(msgspec.Struct):
    benchmarks: list[_Benchmark] = []


@dataclasses.dataclass(frozen=True)
class Timing:
    """Device times of a network at a precision, one per round, and the least that a core could need."""

    network: str
    precision: str
    rounds: list[float]
    roofline: float | None
    simulated: bool

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.rounds)

    @property
    def times_roofline(self) -> float | None:
        """The median over the roofline."""
        return self.median / self.roofline if self.roofline else None

    @property
    def impossible(self) -> bool:
        """Whether a card would have been faster than it can be."""
        return self.roofline is not None and min(self.rounds) < self.roofline


def timings(run: Path) -> list[Timing]:
    """Return what a run timed; nothing where it timed nothing.

    Raises:
        UsageError: its file is malformed.
    """
    path = run / BENCHMARK
    if not path.exists():
        return []
    found = [_timing(item, path) for item in read_json(path, _File, "benchmark file").benchmarks]
    return [item for item in found if item is not None]


def _timing(item: _Benchmark, path: Path) -> Timing | None:
    info = item.extra_info
    if not ("network" in info and "precision" in info and item.stats.data):
        return None
    if min(item.stats.data) < 0:
        raise UsageError(f"benchmark file {path} has the time {min(item.stats.data)} s; repeat the run")
    roofline = info.get("roofline") or {}
    return Timing(
        str(info["network"]),
        str(info["precision"]),
        item.stats.data,
        roofline.get("bound_seconds"),
        bool(info.get("simulated")),
    )


def timing_chart(found: Sequence[Timing]) -> str:
    """Return a drawing with a row per timing, on a logarithmic axis of seconds."""
    height = EDGES + ROW * len(found)
    box = (LABELS / WIDTH, 0.32 / height, (WIDTH - LABELS - 0.15) / WIDTH, (height - EDGES) / height)
    chart = Chart((WIDTH, height), box)
    axes = chart.axes
    for row, item in enumerate(found):
        axes.plot(
            item.rounds,
            [row] * len(item.rounds),
            "o",
            color=colour("own"),
            markersize=3.6,
            alpha=0.55,
            markeredgewidth=0,
        )
        axes.plot(item.median, row, "|", color=colour("own"), markersize=9, markeredgewidth=1.6)
        if item.roofline:
            axes.plot(item.roofline, row, "|", color=colour("bound"), markersize=9, markeredgewidth=1.6)
            axes.plot([item.roofline, item.median], [row, row], color=colour("line"), linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(found)), [f"{item.network} {item.precision}" for item in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    times = [time for item in found for time in (*item.rounds, item.roofline) if time]
    if times:
        logarithmic(axes, "x", (min(times) / 1.6, max(times) * 1.6), seconds)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return chart.svg("timings", f"device times of {len(found)} rows, median and roofline")
