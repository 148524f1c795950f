"""The table at the end of a run: per precision, what was judged and what came out."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from conformance.judging.bounds import excess
from conformance.judging.verdicts import Reached
from conformance.precision import PRECISIONS
from conformance.tables import NONE, aligned, without_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.records import Record

HEADINGS = (
    "network",
    "precision",
    "own",
    "conforms",
    "deviates",
    "waived",
    "other",
    "worst node (error / bound)",
    "output",
    "cosine",
    "PSNR dB",
    "right",
    "fused",
)


def summary_rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """Return one row per network and precision that have records; columns as in ``HEADINGS``.

    Where there are several outputs, each has a row: the others stand below the first, without what is theirs
    in common.
    """
    rows = []
    for network in dict.fromkeys(record.network for record in records):
        for precision in map(str, PRECISIONS):
            found = [item for item in records if (item.network, item.precision) == (network, precision)]
            own = [record for record in found if record.mode == "own"]
            fused = [record for record in found if record.mode == "fused"]
            first, *others = _by_output(fused)
            if found:
                rows.append((network, precision, *_own_columns(own), *first))
                rows += [("",) * (len(HEADINGS) - len(other)) + other for other in others]
    return rows


def _by_output(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """Return the columns of each output; of none where nothing ran, and without a name of the only one."""
    names = list(dict.fromkeys(record.node for record in records))
    if not names[1:]:
        return [(NONE, *_fused_columns(records))]
    return [(name, *_fused_columns([item for item in records if item.node == name])) for name in names]


def _own_columns(records: Sequence[Record]) -> tuple[str, ...]:
    """Return how many nodes there are, their outcomes, and the largest error relative to its bound."""
    counts = collections.Counter(record.outcome for record in records)
    main = [counts.pop(outcome, 0) for outcome in ("conforms", "deviates", "waived")]
    others = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    worst = max((record for record in records if record.bounds is not None), key=_excess, default=None)
    shown = f"{worst.node} ({_times(_excess(worst))})" if worst is not None else NONE
    return (str(len(records)), *map(str, main), others or NONE, shown)


def _excess(record: Record) -> float:
    return excess(record.needed, record.bounds)


def _times(value: float) -> str:
    return f"{value:.3g}" if value < 1e4 else f"{value:.1e}"


def _fused_columns(records: Sequence[Record]) -> tuple[str, str, str, str]:
    """Return worst cosine, PSNR, right answers and outcome; no figure where a record has none."""
    reached = [record.reached for record in records if record.reached is not None]
    worst = Reached.worst(reached) if len(reached) == len(records) else None
    cosine, psnr, answers = worst.in_cells if worst else (None, None, None)
    outcomes = sorted({record.outcome for record in records})
    return (cosine or NONE, psnr or NONE, answers or NONE, ", ".join(outcomes) or NONE)


def summary_lines(records: Sequence[Record]) -> list[str]:
    """Return the table as aligned lines of text.

    It names networks and outputs where there are several, and right answers where an output gives answers.
    Below it stands how many results say nothing of a card.
    """
    rows = without_empty([HEADINGS, *summary_rows(records)], "output", "right")
    several = len({record.network for record in records}) > 1
    return [*aligned(rows if several else [row[1:] for row in rows]), *_unmodelled(records)]


def _unmodelled(records: Sequence[Record]) -> list[str]:
    """Return the line that counts what is not modelled, with the first of it."""
    found = [record for record in records if record.outcome == "unmodelled"]
    if not found:
        return []
    count, first = f"{len(found)} of {len(records)}", found[0]
    return [f"unmodelled: {count} results say nothing of a card, {first.case} first: {first.unmodelled}"]
