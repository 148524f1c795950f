"""The page of a gate, made from its ``gate.json`` alone."""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.files import read_json
from conformance.gating.result import SCHEMA, Gate
from conformance.html.formats import count, factor, percent
from conformance.html.page import Banner, Tile, rendered
from conformance.html.run_facts import Group
from conformance.html.speed_chart import speed_chart
from conformance.precision import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.gating.result import Drift, OperatorDrift, ReadSide, Speed, Transition, Word

TONES: dict[Word, str] = {"GO": "good", "GO, CHANGED": "known", "NO-GO": "bad", "CANNOT TELL": "odd"}
DECIDES = {"accuracy": "bad", "speed": "bad", "cannot tell": "odd", "changed": "known"}
"""The tone of what a finding makes of the verdict; of one that decides nothing, what became of the case."""
CHANGES = {"fixed": "good", "appeared": "faint"}
"""The tone of a change that decides nothing; what fails before and after is known."""
SIGNS = {"bad": "✕", "odd": "?", "known": "~", "faint": "+", "good": "✓"}
MOST_REASONS = 6
"""Sentences at the top of a page."""
MOST_ROWS, MOST_CHANGES = 400, 100
"""Rows of a table at most, and of changes in arithmetic; ``gate.json`` has all."""
FULL_BAR = 2.0
"""Share of the bound at which a bar is full: the bound itself stands in its middle."""


@dataclasses.dataclass(frozen=True)
class Bar:
    """An error before and after as lengths of two bars, in percent; the bound stands at 50."""

    before: float
    after: float


@dataclasses.dataclass(frozen=True)
class DriftRow:
    """A case whose results differ."""

    drift: Drift
    bar: Bar | None


@dataclasses.dataclass(frozen=True)
class TransitionRow:
    """A case whose outcome is not as it was, or not as it should be."""

    item: Transition

    @property
    def change(self) -> str:
        """What became of it."""
        return self.item.change

    @property
    def tone(self) -> str:
        """How grave that is."""
        return tone_of(self.item)

    @property
    def sign(self) -> str:
        """The same without colours."""
        return SIGNS[self.tone]

    @property
    def why(self) -> str:
        """The sentence without the case, which the row names."""
        return self.item.said.removeprefix(f"{self.item.case}: ")


@dataclasses.dataclass(frozen=True)
class MatrixCell:
    """What became of an operator at a precision: a tone, a sign and two lines."""

    tone: str
    sign: str
    text: str
    small: str


@dataclasses.dataclass(frozen=True)
class MatrixRow:
    """An operator, with a cell per precision or None."""

    op: str
    cells: list[MatrixCell | None]


def read_gate(path: Path) -> Gate:
    """Return the gate of a file.

    Raises:
        UsageError: it cannot be read, is no gate, or is of another format.
    """
    gate = read_json(path, Gate, "gate file")
    if gate.schema != SCHEMA:
        raise UsageError(
            f"gate file {path} has the format {gate.schema}, but this version reads {SCHEMA}; gate the runs "
            "again"
        )
    return gate


def gate_page(gate: Gate, source: str) -> str:
    """Return the page of a gate.

    Args:
        gate: what it found.
        source: its file, as the page names it.
    """
    seen = {item.precision for item in gate.operators}
    precisions = [name for name in map(str, PRECISIONS) if name in seen]
    return rendered(
        "gate.html",
        title=f"{_change(gate)} on {gate.device}",
        banner=Banner(
            gate.verdict, TONES[gate.verdict], _reasons(gate), ["SIMULATED"] if gate.simulated else []
        ),
        tiles=_tiles(gate),
        gate=gate,
        precisions=precisions,
        matrix=matrix(gate.operators, precisions),
        outcomes_of_cases=[TransitionRow(item) for item in gate.outcomes[:MOST_ROWS]],
        outcomes_left_out=max(len(gate.outcomes) - MOST_ROWS, 0),
        drift=[DriftRow(item, _bar(item)) for item in gate.drift[:MOST_ROWS]],
        drift_left_out=max(len(gate.drift) - MOST_ROWS, 0),
        arithmetic=gate.arithmetic[:MOST_CHANGES],
        arithmetic_left_out=max(len(gate.arithmetic) - MOST_CHANGES, 0),
        speed=[item for item in gate.speed if item.change is not None],
        untimed=[item for item in gate.speed if item.change is None],
        speed_chart=_speed_chart(gate),
        facts=_facts(gate),
        source=source,
    )


def _change(gate: Gate) -> str:
    """Return what is being judged in a few words: the first of what differs, or that nothing does."""
    if not gate.judged:
        return "the same driver and firmware again"
    named = [f"{item.what} {_values(item.baseline)} → {_values(item.candidate)}" for item in gate.judged[:2]]
    more = len(gate.judged) - len(named)
    return ", ".join([*named, *([f"{count(more, 'more difference')}"] if more else [])])


def _values(values: Sequence[str]) -> str:
    return " / ".join(value or "not told" for value in values) or "not told"


def _tiles(gate: Gate) -> list[Tile]:
    counts = gate.counts
    share = counts.identical / counts.compared if counts.compared else math.nan
    changes = [
        Tile(f"{number:,}", what, _gravest(what, gate.outcomes))
        for what, number in counts.changes.items()
        if number
    ]
    return [
        Tile(f"{len(gate.baseline.runs)} + {len(gate.candidate.runs)}", "runs"),
        Tile(f"{counts.cases:,}", "cases on both sides"),
        Tile(percent(share), "bit-identical", "good" if counts.identical == counts.compared else ""),
        Tile(f"{counts.changed:,}", "changed", "known" if counts.changed else ""),
        *changes,
        *(
            [Tile(f"{counts.irreproducible:,}", "newly irreproducible", "bad")]
            if counts.irreproducible
            else []
        ),
    ]


def tone_of(item: Transition) -> str:
    """Return the tone of a case that changed, or that is not as it should be."""
    return DECIDES.get(item.decides) or CHANGES.get(item.change, "known")


def _gravest(change: str, found: Sequence[Transition]) -> str:
    """Return the gravest tone that a change has among all cases."""
    tones = {tone_of(item) for item in found if item.change == change}
    return next((tone for tone in SIGNS if tone in tones), "")


def _reasons(gate: Gate) -> list[str]:
    more = len(gate.reasons) - MOST_REASONS
    return [
        *gate.reasons[:MOST_REASONS],
        *([f"{count(more, 'more reason')}, see below."] if more > 0 else []),
    ]


def matrix(operators: Sequence[OperatorDrift], precisions: Sequence[str]) -> list[MatrixRow]:
    """Return what became of every operator at every precision, in the order of the gate: the most first."""
    by_op: dict[str, dict[str, OperatorDrift]] = collections.defaultdict(dict)
    for item in operators:
        by_op[item.op][item.precision] = item
    return [
        MatrixRow(op, [_cell(found[name]) if name in found else None for name in precisions])
        for op, found in by_op.items()
    ]


def _cell(item: OperatorDrift) -> MatrixCell:
    if item.identical == item.cases:
        return MatrixCell("good", "=", count(item.cases, "case"), "bit-identical")
    drift = "" if item.drift is None else f"{item.drift:+.3g} attainable"
    ratio = "" if item.ratio is None else f"error × {factor(item.ratio)}"
    small = ", ".join(filter(None, (drift, ratio))) or "no unit"
    if item.changed:
        return MatrixCell("known", "≠", f"{item.changed:,} of {item.cases:,} changed", small)
    differing = item.cases - item.identical
    return MatrixCell("faint", "≈", f"{differing:,} of {item.cases:,} differ a little", small)


def _bar(item: Drift) -> Bar | None:
    if item.before is None or item.after is None:
        return None
    return Bar(_length(item.before), _length(item.after))


def _length(share: float) -> float:
    """Return the length of a bar in percent: half of it at the bound, logarithmic above it."""
    if share <= 1:
        return round(50 * share, 1)
    return round(min(50 + 10 * math.log2(share), 100), 1)


def _speed_chart(gate: Gate) -> str:
    shown: list[Speed] = [item for item in gate.speed if item.change is not None]
    return speed_chart(shown, gate.thresholds.slower) if shown else ""


def _facts(gate: Gate) -> list[Group]:
    limits = gate.thresholds
    held = [
        ("slower allowed", percent(limits.slower)),
        ("confidence", percent(limits.confidence)),
        ("false alarms allowed", percent(limits.family)),
        ("drift that counts", f"{limits.drift:g} attainable errors"),
        *([("required", limits.require)] if limits.require else []),
        *([("noise of", limits.history)] if limits.history else []),
    ]
    made = [
        ("made", f"{gate.made:%Y-%m-%d %H:%M:%S} UTC"),
        ("suite", gate.version),
        ("exit code", str(gate.exit_code)),
    ]
    sides = [
        Group(name, _side(side))
        for name, side in (("Baseline", gate.baseline), ("Candidate", gate.candidate))
    ]
    return [*sides, Group("Held to", held), Group("Gate", made)]


def _side(side: ReadSide) -> list[tuple[str, str]]:
    """Return the directory of a side, and its runs with what they are known by."""
    runs = [
        (f"{run.started:%Y-%m-%d %H:%M}", _run_words(run.path, run.cards, run.records, run.sha256))
        for run in side.runs
    ]
    return [("directory", side.path), *runs]


def _run_words(path: str, cards: Sequence[str], records: int, sha256: str) -> str:
    named = [card for card in cards if card]
    card = f", card {', '.join(named)}" if named else ""
    return f"{path}{card}, {count(records, 'record')}, sha256 {sha256:.12}"
