"""What benchmarks measure: a table per file of benchmarks, a row per thing measured, held to its limits."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Table(msgspec.Struct, forbid_unknown_fields=True):
    """What one file of benchmarks measured.

    Attributes:
        rows: per thing measured the figure of each column.
        notes: sentences that a reader of the table needs.
    """

    rows: dict[str, dict[str, float]] = {}
    notes: list[str] = []


class Measured(msgspec.Struct, forbid_unknown_fields=True):
    """What ``--figures`` writes.

    Attributes:
        machine: the computer, in words.
        tables: by name of the benchmark, which is ``emulator_speed`` for ``test_emulator_speed.py``.
        skipped: why something was not measured.
    """

    machine: str
    tables: dict[str, Table]
    skipped: list[str]


@dataclasses.dataclass
class Figures:
    """Takes what is measured into one table.

    Args:
        table: where to.
        held: whether speeds are held to their limits; False where the sizes are too small for that.
    """

    table: Table
    held: bool

    def add(self, row: str, figures: Mapping[str, float]) -> None:
        """Keep figures, by column.

        Raises:
            AssertionError: one is not finite, or not above 0: it was not measured.
        """
        for column, value in figures.items():
            assert math.isfinite(value), f"{row}: {column} is {value}, which is no measurement"
            assert value > 0, f"{row}: {column} is {value}, but should be above 0"
        self.table.rows.setdefault(row, {}).update(figures)

    def at_most(self, row: str, column: str, value: float, limit: float) -> None:
        """Keep a figure and the most that it may be, and hold it to that.

        Raises:
            AssertionError: it is more, or see :meth:`add`.
        """
        self.add(row, {column: value, f"{column}: most allowed": limit})
        assert value <= limit or not self.held, f"{row}: {column} is {value:.3g}, at most {limit} is allowed"

    def at_least(self, row: str, column: str, value: float, limit: float) -> None:
        """Keep a figure and the least that it may be, and hold it to that.

        Raises:
            AssertionError: it is less, or see :meth:`add`.
        """
        self.add(row, {column: value, f"{column}: least allowed": limit})
        assert value >= limit or not self.held, f"{row}: {column} is {value:.3g}, at least {limit} is wanted"

    def note(self, sentence: str) -> None:
        """Keep a sentence; one that is there already is not kept twice."""
        if sentence not in self.table.notes:
            self.table.notes.append(sentence)


def cell(value: float | None) -> str:
    """Return a figure with three digits, as tables show it; '' where there is none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cells(table: Table) -> list[list[str]]:
    """Return a table as rows of text, headings first; columns in the order in which they were added."""
    columns = list(dict.fromkeys(column for row in table.rows.values() for column in row))
    rows = [[name, *(cell(row.get(column)) for column in columns)] for name, row in table.rows.items()]
    return [["", *columns], *rows]
