"""A sheet of pictures: what stands on it and where, before anything is drawn.

A sheet has bands. A band has the pictures that belong to its rows at the left, and blocks side by side. A
block has a heading, the pictures that belong to its columns on top, a picture where row and column meet, and
below the same of its differences::

               heading          heading
               top  top         top  top
    left left  cell cell        cell cell
    left left  cell cell        cell cell
                                difference
                                cell cell
                                cell cell
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]
Tone = Literal["ink", "faint", "good", "bad", "warning"]
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the sheet."""

WIDEST = 2400
LARGEST, SMALLEST, LEGIBLE = 192, 64, 128
"""Pixels of a cell: the most, the least, and the least for which blocks stay in one row."""
MARGIN, GAP, BLOCK_GAP, BAND_GAP = 32, 6, 28, 36
"""Pixels around the sheet, between cells, between blocks, between bands."""
LEADING = 1.35
"""Height of a line of text, in sizes of its letters."""
CAPTION = 17
NARROWEST = 192
"""Pixels that a heading needs."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A picture, uint8, height × width × 3, or what is said in its place; and what stands below it."""

    pixels: Array | None
    caption: str = ""
    instead: str = "no result"


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of text; ``size`` is in pixels."""

    text: str
    size: int = 20
    tone: Tone = "ink"


Rows = tuple[tuple[Cell, ...], ...]


@dataclasses.dataclass(frozen=True)
class Block:
    """A heading and a grid; below it a second heading and grid of the same shape, or lines alone."""

    heading: tuple[Line, ...]
    cells: Rows
    below: tuple[Line, ...] = ()
    differences: Rows = ()
    bar: Array | None = None


@dataclasses.dataclass(frozen=True)
class Band:
    """Blocks that share rows and columns: ``left`` has one row per row, ``top`` one cell per column."""

    left: Rows
    top: tuple[Cell, ...]
    blocks: tuple[Block, ...]


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A whole picture."""

    title: tuple[Line, ...]
    bands: tuple[Band, ...]


@dataclasses.dataclass(frozen=True)
class Placed:
    """A cell, a line or a bar of colours with its place."""

    box: Box
    what: Cell | Line | Array


@dataclasses.dataclass(frozen=True)
class Layout:
    """Everything placed, and the size of the sheet."""

    size: tuple[int, int]
    things: tuple[Placed, ...]


def laid_out(sheet: Sheet) -> Layout:
    """Return where everything of a sheet stands; no wider than ``WIDEST`` unless one block alone is."""
    things: list[Placed] = []
    y = _add_lines(things, sheet.title, MARGIN, MARGIN, WIDEST - 2 * MARGIN)
    right = 0
    for band in sheet.bands:
        cell, each = _arrangement(band)
        for start in range(0, len(band.blocks), each):
            part = dataclasses.replace(band, blocks=band.blocks[start : start + each])
            placing = _Band(part, cell, y + BAND_GAP // 2)
            things += placing.things
            y, right = placing.bottom + BAND_GAP // 2, max(right, placing.right)
    return Layout((max(right + MARGIN, _text_width(sheet)), y + MARGIN // 2), tuple(things))


def _text_width(sheet: Sheet) -> int:
    """Return a width in which no line of the title is cut; letters are about half as wide as high."""
    widths = [round(len(line.text) * line.size * 0.56) for line in sheet.title]
    return min(WIDEST, 2 * MARGIN + max(widths, default=0))


def _arrangement(band: Band) -> tuple[int, int]:
    """Return pixels of a cell, and how many blocks stand side by side."""
    count = len(band.blocks)
    for rows in range(1, count + 1):
        each = -(-count // rows)
        cell = _largest_cell(band, each)
        if cell >= LEGIBLE or each == 1:
            break
    return max(cell, SMALLEST), each


def _largest_cell(band: Band, blocks: int) -> int:
    """Return the most pixels of a cell for so many blocks side by side."""
    fitting = (
        side for side in range(LARGEST, SMALLEST - 1, -1) if _width(band, side, blocks) + 2 * MARGIN <= WIDEST
    )
    return next(fitting, SMALLEST)


def _width(band: Band, cell: int, blocks: int) -> int:
    left = _left_width(band, cell)
    return left + blocks * (_block_width(band, cell) + BLOCK_GAP) - BLOCK_GAP


def _left_width(band: Band, cell: int) -> int:
    columns = len(band.left[0]) if band.left else 0
    return columns * (cell + GAP) - GAP + BLOCK_GAP if columns else 0


def _block_width(band: Band, cell: int) -> int:
    columns = max((len(row) for block in band.blocks for row in block.cells), default=1)
    return max(NARROWEST, columns * (cell + GAP) - GAP)


class _Band:
    """Places one band."""

    def __init__(self, band: Band, cell: int, y: int) -> None:
        self.things: list[Placed] = []
        self._cell = cell
        captioned = any(item.caption for row in band.left for item in row)
        pitch = cell + GAP + (_height(CAPTION) if captioned else 0)
        left = MARGIN + _left_width(band, cell)
        width = _block_width(band, cell)
        heads = max(sum(_height(line.size) for line in block.heading) for block in band.blocks)
        top = y + heads + GAP
        rows = top + (cell + _height(CAPTION) + BLOCK_GAP // 2 if band.top else 0)
        self.bottom = self._rows(band.left, MARGIN, rows, pitch)
        for index, block in enumerate(band.blocks):
            x = left + index * (width + BLOCK_GAP)
            _add_lines(self.things, block.heading, x, y, width)
            self._rows((band.top,), x, top, pitch)
            end = self._rows(block.cells, x, rows, pitch)
            self.bottom = max(self.bottom, end, self._below(block, x, end, width))
        self.right = left + len(band.blocks) * (width + BLOCK_GAP) - BLOCK_GAP

    def _below(self, block: Block, x: int, y: int, width: int) -> int:
        """Place what stands below a block's grid, and return where it ends."""
        y += GAP
        if block.bar is not None:
            height = 14
            self.things.append(Placed((x, y + GAP, width, height), block.bar))
            y += height + 2 * GAP
        y = _add_lines(self.things, block.below, x, y, width)
        return self._rows(block.differences, x, y + GAP, self._cell + GAP) if block.differences else y

    def _rows(self, rows: Sequence[Sequence[Cell]], x: int, y: int, pitch: int) -> int:
        """Place a grid, and return where it ends."""
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                corner = (x + column * (self._cell + GAP), y + row * pitch)
                self.things.append(Placed((*corner, self._cell, self._cell), cell))
        return y + len(rows) * pitch


def _add_lines(things: list[Placed], lines: Sequence[Line], x: int, y: int, width: int) -> int:
    """Place lines of text below each other, and return where they end."""
    for line in lines:
        things.append(Placed((x, y, width, _height(line.size)), line))
        y += _height(line.size)
    return y


def _height(size: int) -> int:
    return round(size * LEADING)
