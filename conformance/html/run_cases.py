"""The cases of a run as a page shows them: what went wrong one by one, all nodes side by side."""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import TYPE_CHECKING

from conformance.html.looks import FINDINGS, severity, worst
from conformance.judging.bounds import excess
from conformance.precision import PRECISIONS
from conformance.runs.shards import TIMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.runs.records import Record

MOST_FINDINGS, CLOSEST = 200, 15
"""Rows of the table at most; and how many of the nodes that conform stand below the findings."""
LONGEST_REASON, MOST_REASONS = 240, 3
"""Letters of a sentence, and sentences of a finding; a run directory has all of them."""


def share_of_bound(record: Record) -> float | None:
    """Return the largest error over its bound; None where there is no bound."""
    return None if record.bounds is None else excess(record.needed, record.bounds)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A node, or several, at one precision.

    Attributes:
        outcome: the worst of them.
        share: the largest error over its bound.
        counts: how many have which outcome.
    """

    outcome: str
    share: float | None
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @classmethod
    def of(cls, records: Sequence[Record]) -> Cell | None:
        """Return what records show together; None of none."""
        if not records:
            return None
        counts = collections.Counter(record.outcome for record in records)
        shares = [share for record in records if (share := share_of_bound(record)) is not None]
        return cls(
            worst(counts),
            max(shares, default=None),
            dict(sorted(counts.items(), key=lambda item: severity(item[0]))),
        )


@dataclasses.dataclass(frozen=True)
class Row:
    """Cells at several precisions, None where there is nothing.

    Attributes:
        name: of an operator or a node.
        cells: one per precision.
        anchor: by which a link finds the row.
        op: a node's operator.
        position: a node's, in the order of the network.
    """

    name: str
    cells: list[Cell | None]
    anchor: str = ""
    op: str = ""
    position: int = 0

    @property
    def worst(self) -> str:
        """The worst outcome at any precision."""
        return worst(cell.outcome for cell in self.cells if cell is not None)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A case that a reader looks at by itself."""

    record: Record
    share: float | None
    anchor: str

    @property
    def sentences(self) -> list[str]:
        """Why, as far as a page has room."""
        texts = [*self.record.reasons, *filter(None, [self.record.unmodelled]), *self.record.notes]
        shown = [
            text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
            for text in texts[:MOST_REASONS]
        ]
        more = len(texts) - len(shown)
        return [*shown, f"and {more} more in records.jsonl"] if more else shown


@dataclasses.dataclass(frozen=True)
class Unjudged:
    """Cases that were not judged, together because the same sentence says why."""

    network: str
    precision: str
    mode: str
    count: int
    operators: list[str]
    why: str


def once(records: Sequence[Record]) -> list[Record]:
    """Return records without those of timed outputs that came out as the untimed ones did."""
    outcomes = {record.case: record.outcome for record in records}
    return [
        record
        for record in records
        if not record.case.endswith(TIMED) or outcomes.get(record.case.removesuffix(TIMED)) != record.outcome
    ]


def precisions_of(records: Iterable[Record]) -> list[str]:
    """Return the precisions at which something was run, in their usual order."""
    seen = {record.precision for record in records}
    return [name for name in map(str, PRECISIONS) if name in seen]


def matrix(records: Sequence[Record], precisions: Sequence[str]) -> list[Row]:
    """Return a row per operator for own errors, the worst first, then one for the whole network."""
    by_op: dict[str, list[Record]] = collections.defaultdict(list)
    for record in records:
        if record.mode == "own":
            by_op[record.op].append(record)
    rows = [Row(op, _cells(found, precisions)) for op, found in sorted(by_op.items())]
    fused = [record for record in records if record.mode == "fused"]
    whole = [Row("whole network, fused", _cells(fused, precisions))] if fused else []
    return sorted(rows, key=_badness) + whole


def node_rows(records: Sequence[Record], precisions: Sequence[str], anchors: dict[str, str]) -> list[Row]:
    """Return a row per node for own errors, in the order of the network."""
    by_node: dict[tuple[str, str], list[Record]] = collections.defaultdict(list)
    for record in records:
        if record.mode == "own":
            by_node[record.node, record.op].append(record)
    return [
        Row(node, _cells(found, precisions), anchors[node], op, position)
        for position, ((node, op), found) in enumerate(by_node.items())
    ]


def fitting(rows: Sequence[Row], most: int) -> tuple[list[Row], int]:
    """Return the rows that a page has room for, in their order, and how many it leaves out: the best."""
    if len(rows) <= most:
        return list(rows), 0
    kept = {id(row) for row in sorted(rows, key=_badness)[:most]}
    return [row for row in rows if id(row) in kept], len(rows) - most


def findings(
    records: Sequence[Record], anchors: dict[tuple[str, str], str], most: int = MOST_FINDINGS
) -> tuple[list[Finding], int]:
    """Return the cases to look at, the worst first, then those that conform by the least; and what is left.

    Args:
        records: of all networks.
        anchors: rows of nodes, by network and node.
        most: how many there is room for.
    """
    shown = [record for record in records if record.outcome in FINDINGS]
    conforming = [record for record in records if record.outcome == "conforms" and record.bounds is not None]
    found = sorted((_finding(record, anchors) for record in shown), key=_order)
    closest = sorted((_finding(record, anchors) for record in conforming), key=_order)[:CLOSEST]
    return found[:most] + closest, max(len(found) - most, 0)


def _finding(record: Record, anchors: dict[tuple[str, str], str]) -> Finding:
    return Finding(record, share_of_bound(record), anchors.get((record.network, record.node), ""))


def _order(finding: Finding) -> tuple[int, float]:
    share = finding.share
    return (severity(finding.record.outcome), -math.inf if share is None else -share)


def unjudged(records: Iterable[Record]) -> list[Unjudged]:
    """Return what the device does not support, grouped by what it says of it."""
    groups: dict[tuple[str, str, str, str], list[Record]] = collections.defaultdict(list)
    for record in records:
        if record.outcome == "unsupported":
            why = "; ".join([*record.reasons, *record.notes])[:LONGEST_REASON]
            groups[record.network, record.precision, record.mode, why].append(record)
    return [
        Unjudged(network, precision, mode, len(found), sorted({item.op for item in found}), why)
        for (network, precision, mode, why), found in groups.items()
    ]


def _cells(records: Sequence[Record], precisions: Sequence[str]) -> list[Cell | None]:
    return [Cell.of([record for record in records if record.precision == name]) for name in precisions]


def _badness(row: Row) -> tuple[int, float]:
    """Return a key that sorts the worst row first."""
    cells = [cell for cell in row.cells if cell is not None]
    share = max((cell.share for cell in cells if cell.share is not None), default=-1.0)
    return (min((severity(cell.outcome) for cell in cells), default=len(PRECISIONS)), -share)
