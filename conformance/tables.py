"""Tables as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


NONE = "-"


def without_empty(rows: Sequence[tuple[str, ...]], heading: str) -> list[tuple[str, ...]]:
    """Return rows without the column of this heading, unless a row below the first has something there."""
    column = rows[0].index(heading)
    if any(row[column] != NONE for row in rows[1:]):
        return list(rows)
    return [row[:column] + row[column + 1 :] for row in rows]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of equally many cells as lines of text, every column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
