"""Tables as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

NONE = "-"


def without_empty(rows: Sequence[tuple[str, ...]], *headings: str) -> list[tuple[str, ...]]:
    """Return rows without the columns of these headings in which no row below the first has anything."""
    for heading in headings:
        column = rows[0].index(heading)
        if all(row[column] in ("", NONE) for row in rows[1:]):
            rows = [row[:column] + row[column + 1 :] for row in rows]
    return list(rows)


def aligned(rows: Sequence[Sequence[str]], numbers: Collection[str] = ()) -> list[str]:
    """Return rows of equally many cells as lines of text, every column as wide as its widest cell.

    Args:
        rows: the cells; the first row holds the headings.
        numbers: headings of columns that are aligned to the right.
    """
    columns = [_padded(column, right=column[0] in numbers) for column in zip(*rows, strict=True)]
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _padded(cells: Sequence[str], *, right: bool) -> list[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) if right else cell.ljust(width) for cell in cells]
