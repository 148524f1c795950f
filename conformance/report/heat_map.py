"""A heat map of what a run would catch: faults across, nodes down, a panel for each precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.expected.sensitivity.faults import CAUGHT, NO_EFFECT, PASSES
from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from conformance.expected.sensitivity.measuring import Sensitivity

    Array = np.ndarray[Any, Any]

FORMATS = ("png", "svg")
FINEST, COARSEST = -7, 0
"""Powers of ten between which sizes are coloured."""
PASSING, WITHOUT = "#d62728", "#e4e4e4"
"""Colours of what would pass, and of what has no effect, or cannot be where a node has no fixed point."""
MOST_NAMES = 60
"""Nodes whose names are written."""
LONGEST = 42
"""Characters of a name."""
ACROSS = 2
"""Panels beside each other."""
ROW, COLUMN, MARGIN, HEAD, RESOLUTION = 0.14, 0.16, 2.8, 1.9, 130
"""Inches of a row, of a column, beside all panels, above and below them; pixels per inch."""


def draw_heat_map(found: Sequence[Sensitivity], title: str, path: Path) -> None:
    """Draw what would be caught and write it, whole or not at all; as SVG or PNG by the file's ending.

    Args:
        found: by node and precision; at least one.
        title: above all.
        path: where; ``.svg`` or ``.png``.
    """
    from matplotlib.figure import Figure

    precisions = list(dict.fromkeys(item.precision for item in found))
    faults = list(dict.fromkeys(fault for item in found for fault in item.faults))
    nodes = list(dict.fromkeys(item.node for item in found))
    rows = max(len(nodes), 8)
    across = min(len(precisions), ACROSS)
    down = math.ceil(len(precisions) / across)
    size = MARGIN + across * len(faults) * COLUMN, HEAD + down * rows * ROW
    figure = Figure(figsize=size, dpi=RESOLUTION, layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for axes, precision in zip(panels.flat, precisions, strict=False):
        members = {item.node: item for item in found if item.precision == precision}
        image = _panel(axes, precision, [_sizes(members.get(node), faults) for node in nodes])
    for axes in panels.flat[len(precisions) :]:
        axes.set_axis_off()
    _labelled(panels, faults, nodes)
    bar = figure.colorbar(image, ax=list(panels.flat), shrink=0.6, ticks=range(FINEST, COARSEST + 1))
    bar.ax.set_yticklabels([f"1e{power}" for power in range(FINEST, COARSEST + 1)])
    bar.set_label("smallest size that is caught")
    figure.suptitle(f"{title}: green caught, red would pass, grey without effect", fontsize=9)
    kind = path.suffix.removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    write_atomically(path, lambda file: figure.savefig(file, format=kind, metadata=metadata))


def _sizes(item: Sensitivity | None, faults: Sequence[str]) -> list[float]:
    """Return powers of ten; infinite where a fault would pass, NaN where it has no effect."""
    found = {} if item is None else item.faults
    return [_power(found.get(fault, NO_EFFECT)) for fault in faults]


def _power(value: float | str) -> float:
    words = {NO_EFFECT: math.nan, PASSES: math.inf, CAUGHT: float(FINEST)}
    return words[value] if isinstance(value, str) else math.log10(max(value, 10.0**FINEST))


def _panel(axes: Axes, precision: str, powers: Sequence[Sequence[float]]) -> Any:
    grid = np.array(powers)
    colours = _greens().with_extremes(bad=WITHOUT, over=PASSING)
    shown = np.where(np.isinf(grid), COARSEST + 1.0, np.minimum(grid, COARSEST))
    axes.set_title(precision, fontsize=9)
    return axes.imshow(
        np.ma.masked_invalid(shown),
        cmap=colours,
        vmin=FINEST,
        vmax=COARSEST,
        aspect="auto",
        interpolation="nearest",
    )


def _greens() -> Any:
    """Return colours from dark green, the smallest sizes, to yellow."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("caught", ["#0b5d2c", "#57b15a", "#c9e06b", "#ffd24d"])


def _labelled(panels: Array, faults: Sequence[str], nodes: Sequence[str]) -> None:
    """Name the faults below, and the nodes on the left, as far as there is room."""
    for axes in panels.flat:
        axes.tick_params(length=0)
    for axes in panels[-1]:
        axes.set_xticks(range(len(faults)), faults, rotation=90, fontsize=6)
    for axes in panels[:, 0]:
        if len(nodes) > MOST_NAMES:
            axes.set_yticks([])
            axes.set_ylabel(f"{len(nodes)} nodes, in the order of the network", fontsize=6)
        else:
            axes.set_yticks(range(len(nodes)), [_short(node) for node in nodes], fontsize=6)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"
