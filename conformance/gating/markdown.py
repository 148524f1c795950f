"""A gate as Markdown: for a job's summary or a comment, trimmed to what those take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.gating.lines import (
    arithmetic_in_words,
    drift_in_words,
    judged_in_words,
    outcomes_in_words,
    results_in_words,
    side_in_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.gating.result import Gate, OperatorDrift, Speed

MOST_BYTES = 60_000
"""GitHub's comments and check runs end at 65,535 characters."""
ROWS = 20
"""Rows of a table before the rest is left to ``gate.json``."""


def markdown(gate: Gate, most_bytes: int = MOST_BYTES) -> str:
    """Return the gate as Markdown of at most so many bytes; it says what was left out."""
    parts = [_head(gate), _speed(gate), _operators(gate), _outcomes(gate), _drift(gate), _foot(gate)]
    text = "\n\n".join(part for part in parts if part) + "\n"
    if len(text.encode()) <= most_bytes:
        return text
    ending = "\n\n*Trimmed: the rest is in `gate.json`.*\n"
    kept = text.encode()[: most_bytes - len(ending.encode())].decode(errors="ignore")
    return _closed(kept.rpartition("\n")[0]) + ending


def _closed(text: str) -> str:
    """Return text whose folded parts are closed."""
    return text + "\n\n</details>" * (text.count("<details>") - text.count("</details>"))


def _head(gate: Gate) -> str:
    simulated = " **SIMULATED**" if gate.simulated else ""
    sides = f"baseline {side_in_words(gate.baseline)}, candidate {side_in_words(gate.candidate)}"
    lines = [
        f"## {gate.verdict}: {_text(judged_in_words(gate))}",
        "",
        f"{_text(gate.device)}{simulated}, {_text(', '.join(gate.networks))}; {_text(sides)}",
        "",
        *(f"* {_text(reason)}" for reason in gate.reasons[:ROWS]),
        *_left(len(gate.reasons) - ROWS, "findings", "* "),
        "",
        f"outcomes: {_text(outcomes_in_words(gate))}<br>",
        f"results: {_text(results_in_words(gate))}",
        *(f"<br>\nprobe: {_text(arithmetic_in_words(item))}" for item in gate.arithmetic[:ROWS]),
    ]
    return "\n".join(lines)


def _speed(gate: Gate) -> str:
    thresholds = gate.thresholds
    rows = [_speed_row(item) for item in gate.speed]
    headings = (
        "network",
        "precision",
        "baseline",
        "candidate",
        "change",
        "interval",
        "",
        "runs still needed",
    )
    said = (
        f"Allowed: {100 * thresholds.slower:.3g} %; intervals at {thresholds.confidence:.0%}, the run is the "
        f"sample; Holm at {thresholds.family:.0%} over all timings."
    )
    return _table("Speed", headings, rows, said) if rows else ""


def _speed_row(item: Speed) -> tuple[str, ...]:
    known = item.change is not None and item.low is not None and item.high is not None
    return (
        item.network,
        item.precision,
        _seconds(item.baseline),
        _seconds(item.candidate),
        f"{item.change:+.1%}" if known else "",
        f"{item.low:+.1%} to {item.high:+.1%}" if known else "",
        item.word,
        "" if item.more_runs is None else f"about {item.more_runs}",
    )


def _operators(gate: Gate) -> str:
    rows = [_operator_row(row) for row in gate.operators if row.identical < row.cases]
    headings = ("operator", "precision", "bit-identical", "changed", "drift", "error after / before", "worst")
    said = "Drift is the growth of an error in errors of an ideal device."
    return _table("Operators whose results differ", headings, rows, said) if rows else ""


def _operator_row(row: OperatorDrift) -> tuple[str, ...]:
    return (
        row.op,
        row.precision,
        f"{row.identical} of {row.cases}",
        str(row.changed),
        "" if row.drift is None else f"{row.drift:+.3g}",
        "" if row.ratio is None else f"{row.ratio:.3g}",
        row.worst,
    )


def _outcomes(gate: Gate) -> str:
    rows = [
        (item.change, item.case, _counts(item.before), _counts(item.after), item.said)
        for item in gate.outcomes
    ]
    headings = ("", "case", "before", "after", "")
    return _folded("Outcomes", _table("", headings, rows)) if rows else ""


def _drift(gate: Gate) -> str:
    rows = [(item.case, drift_in_words(item).removeprefix(f"{item.case}: ")) for item in gate.drift]
    return _folded("Cases whose results differ", _table("", ("case", "drift"), rows)) if rows else ""


def _foot(gate: Gate) -> str:
    differing = [
        (item.what, " and ".join(item.baseline), " and ".join(item.candidate)) for item in gate.judged
    ]
    table = _table("", ("", "baseline", "candidate"), differing) if differing else ""
    notes = "\n".join(f"* {_text(note)}" for note in gate.notes)
    return "\n\n".join(
        part for part in (_folded("What is being judged", table) if table else "", notes) if part
    )


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], said: str = "") -> str:
    lines = [f"### {title}", ""] if title else []
    lines += [_row(headings), _row(["---"] * len(headings)), *(map(_row, rows[:ROWS]))]
    lines += ["", *_left(len(rows) - ROWS, "rows")] if len(rows) > ROWS else []
    return "\n".join([*lines, *(["", said] if said else [])])


def _left(count: int, what: str, before: str = "") -> list[str]:
    return [f"{before}{count} more {what} in `gate.json`"] if count > 0 else []


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_text(cell) for cell in cells)} |"


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _counts(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "none"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value * 1000:.4g} ms"


def _text(text: str) -> str:
    """Return text that Markdown takes for nothing else, whatever a node is called."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", flat)
