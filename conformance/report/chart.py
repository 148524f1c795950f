"""The chart of errors against the time step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from conformance.errors import InfrastructureError
from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.report.series import Curve, Panel

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


def _draw(axes: Any, panel: Panel) -> None:  # noqa: ANN401 - matplotlib's axes
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


def _draw_curve(axes: Any, curve: Curve) -> None:  # noqa: ANN401
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
    said = [f"{exact} exact"] if exact else []
    said += [f"{lost} without result"] if lost else []
    return f"{curve.precision} ({', '.join(said)})" if said else curve.precision
