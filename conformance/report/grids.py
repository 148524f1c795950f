"""Grids of pictures: the CPU's beside those of every precision, and below them their differences."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conformance.report.pixels import GAIN, difference_pixels, heat, is_picture, output_pixels
from conformance.report.sheet import Band, Block, Cell, Line, Rows, Sheet
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.judging.verdicts import Reached
    from conformance.network_file import Output
    from conformance.networks import Network
    from conformance.report.grid_layout import GridLayout
    from conformance.report.sheet import Tone

Array = np.ndarray[Any, Any]
Judgement = Literal["accepted", "NOT accepted", "unsupported", "unmodelled", "broken"]

HEADING, VERDICT, TITLE, SMALL = 32, 23, 40, 17
"""Pixels of letters."""
PERCENT = 100


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a device gave for one output at one precision.

    Attributes:
        precision: such as ``int8-fp16``.
        values: one per cell of the grid; whatever the device returned.
        judgement: whether the worst of them meets the acceptance, or why there are none.
        reached: the worst cosine and PSNR; None where something is missing or not finite.
        reason: why it is not accepted, where no figure says so, or what is not modelled.
        remark: what else stands in the heading.
    """

    precision: str
    values: Sequence[Any]
    judgement: Judgement
    reached: Reached | None = None
    reason: str = ""
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Grid:
    """One output: what the CPU computed for each cell, and what came out at every precision."""

    output: Output
    goldens: Sequence[Array]
    results: Sequence[Shown]


def sheet_of(
    network: Network, device: str, layout: GridLayout, grids: Sequence[Grid], *, simulated: bool
) -> Sheet:
    """Return the sheet of a network's outputs.

    Args:
        network: whose outputs these are.
        device: what the device is, in words.
        layout: the inputs.
        grids: one per output that is a picture.
        simulated: whether the device is emulated.
    """
    title = [Line(f"{network.name} on {device}", TITLE)]
    if simulated:
        title.append(Line("SIMULATED: no card computed these pictures", VERDICT, "warning"))
    accepted = f"Accepted: at least {network.acceptance.in_words}"
    count = len(layout.samples)
    worst = f"; figures are those of the worst of {count} pictures" if count > 1 else ""
    title.append(Line(f"{accepted}{worst}. How to read this: {layout.explanation}.", tone="faint"))
    return Sheet(tuple(title), tuple(_band(layout, grid) for grid in grids))


def device_words(device: Mapping[str, Any]) -> str:
    """Return what a device is, from its information by name."""
    parts = [str(device.get(name) or "") for name in ("model", "profile")]
    parts[1] = f"profile {parts[1]}" if parts[1] else ""
    more = ", ".join(filter(None, parts))
    kind = device.get("kind") or "no device"
    return f"{kind} ({more})" if more else str(kind)


def _band(layout: GridLayout, grid: Grid) -> Band:
    blocks = [_cpu_block(layout, grid), *(_block(layout, grid, shown) for shown in grid.results)]
    return Band(layout.left, layout.top, tuple(blocks))


def _cpu_block(layout: GridLayout, grid: Grid) -> Block:
    cells = [Cell(output_pixels(golden, grid.output)) for golden in grid.goldens]
    heading = (
        Line("CPU", HEADING),
        Line("what it should be", VERDICT),
        Line(grid.output.name, SMALL, "faint"),
    )
    return Block(heading, _rows(cells, layout.columns), _legend(grid), bar=heat(np.linspace(0, 1, 256)[None]))


def _legend(grid: Grid) -> tuple[Line, ...]:
    lines = [
        f"Difference, x{GAIN:g}:",
        "black is none,",
        f"white {PERCENT / GAIN:g} % of",
        "full scale, or more",
    ]
    if not all(
        np.isfinite(value).all() for shown in grid.results for value in shown.values if is_picture(value)
    ):
        lines.append("magenta: NaN, infinite")
    return tuple(Line(text, SMALL, "faint") for text in lines)


def _block(layout: GridLayout, grid: Grid, shown: Shown) -> Block:
    pairs = list(zip(grid.goldens, shown.values, strict=True))
    cells = [_cell(*pair, lambda _, value: output_pixels(value, grid.output)) for pair in pairs]
    difference = functools.partial(difference_pixels, output=grid.output)
    differences = [_cell(*pair, difference) for pair in pairs]
    return Block(
        _heading(shown),
        _rows(cells, layout.columns),
        (Line(f"difference x{GAIN:g}", SMALL, "faint"),),
        _rows(differences, layout.columns),
    )


def _heading(shown: Shown) -> tuple[Line, ...]:
    tones: dict[str, Tone] = {"accepted": "good", "unmodelled": "warning"}
    return (
        Line(shown.precision, HEADING),
        Line(shown.judgement, VERDICT, tones.get(shown.judgement, "bad")),
        *(Line(text) for text in figures(shown)),
        *([Line(shown.remark, SMALL, "faint")] if shown.remark else []),
    )


def figures(shown: Shown) -> tuple[str, ...]:
    """Return worst cosine, PSNR and right answers of a precision in words, or why there are none."""
    if shown.reached is None:
        return (shown.reason or "no figures",)
    return tuple(shown.reached.in_words)


def summary_lines(grids: Sequence[Grid]) -> list[str]:
    """Return what the headings say as lines of text, and why something says nothing of a card."""
    rows = [
        (grid.output.name, shown.precision, shown.judgement, ", ".join(figures(shown)))
        for grid in grids
        for shown in grid.results
    ]
    unmodelled = [
        f"{grid.output.name} at {shown.precision} says nothing of a card: {shown.reason}"
        for grid in grids
        for shown in grid.results
        if shown.judgement == "unmodelled"
    ]
    return [*aligned([("output", "precision", "acceptance", "worst result"), *rows]), *unmodelled]


def _cell(golden: Array, value: object, pixels: Callable[[Array, Array], Array]) -> Cell:
    fault = _fault(golden, value)
    return Cell(None, instead=fault) if fault else Cell(pixels(golden, np.asarray(value)))


def _fault(golden: Array, value: object) -> str:
    """Return why a result cannot be shown, in a few words; '' where it can."""
    if value is None:
        return "no result"
    if not is_picture(value):
        return "no picture"
    return "" if value.shape == golden.shape else "wrong shape"


def _rows(cells: Sequence[Cell], columns: int) -> Rows:
    return tuple(tuple(cells[start : start + columns]) for start in range(0, len(cells), columns))
