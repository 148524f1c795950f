"""The error along the network as a table: parallel branches side by side, then what comes after they join."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.diagnosis.network_errors import side_by_side
from conformance.report.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.diagnosis.model import NodeErrors

NONE = "-"
HEADINGS = ("own", "attainable", "inherited", "chained", "amplified", "own / bound")
SIDE_BY_SIDE = 2
"""Branches that fit beside each other; of more, corresponding nodes stand below each other."""


def error_table(errors: Sequence[NodeErrors]) -> list[str]:
    """Return the errors of all nodes: corresponding nodes of parallel branches together, then all others."""
    rows, alone = side_by_side(errors)
    if rows and len(rows[0]) == SIDE_BY_SIDE:
        return [*_parallel(rows), *(["", *_listed(alone)] if alone else [])]
    return _listed([*(item for row in rows for item in row), *alone])


def _parallel(rows: Sequence[tuple[NodeErrors, ...]]) -> list[str]:
    short = ("node", "own", "inherited", "chained", "own / bound")
    headings = [f"{head} {item.branch}" for item in rows[0] for head in short]
    return aligned([headings, *([text for item in row for text in _short(item)] for row in rows)])


def _short(item: NodeErrors) -> tuple[str, ...]:
    return (item.node, *map(number, (item.own, item.inherited, item.chained, item.excess)))


def _listed(items: Sequence[NodeErrors]) -> list[str]:
    return aligned(
        [("node", "branch", *HEADINGS), *((item.node, item.branch, *_cells(item)) for item in items)]
    )


def _cells(item: NodeErrors) -> tuple[str, ...]:
    figures = (item.own, item.attainable, item.inherited, item.chained, item.amplification, item.excess)
    return tuple(map(number, figures))


def number(value: float | None) -> str:
    """Return a figure in few characters."""
    if value is None:
        return NONE
    return f"{value:.2e}" if value and not 1e-2 <= value < 1e4 else f"{value:.3g}"  # noqa: PLR2004 - readable
