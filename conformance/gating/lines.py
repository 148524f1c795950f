"""A gate in a terminal: the verdict first, at most 40 lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.gating.verdict import SPEED, changed_operators, differing_operators, listed
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.gating.result import Arithmetic, Drift, Gate, ReadSide

REASONS, DRIFTS, SPEEDS, NOTES, PROBED = 8, 5, 12, 4, 3
"""Lines of each kind."""


def gate_lines(gate: Gate) -> list[str]:
    """Return the gate as lines of text."""
    reality = ", SIMULATED" if gate.simulated else ""
    return [
        f"{gate.verdict}: {judged_in_words(gate)}",
        f"{gate.device}{reality}: {', '.join(gate.networks)}; {_runs(gate)}",
        *_most([f"  {reason}" for reason in gate.reasons if not reason.startswith(SPEED)], REASONS),
        *_table(gate),
        *_most([f"note: {note}" for note in gate.notes], NOTES),
    ]


def judged_in_words(gate: Gate) -> str:
    """Return what is being judged: ``driver 4.20.6 -> 4.20.11``."""
    if not gate.judged:
        return "nothing that is recorded differs between the sides"
    return ", ".join(
        f"{item.what} {' and '.join(item.baseline)} -> {' and '.join(item.candidate)}" for item in gate.judged
    )


def results_in_words(gate: Gate) -> str:
    """Return how many results are bit-identical, and what changed."""
    counts = gate.counts
    said = f"{counts.identical:,} of {counts.compared:,} bit-identical"
    return said + (f"; changed: {changed_operators(gate)}" if counts.changed else differing_operators(gate))


def outcomes_in_words(gate: Gate) -> str:
    """Return how many cases became what."""
    found = [f"{change} {count}" for change, count in gate.counts.changes.items()]
    return ", ".join(found) or f"as before in all {gate.counts.cases:,} cases"


def drift_in_words(item: Drift) -> str:
    """Return one case's drift: ``0.21 -> 0.94 of its bound (+1.5 attainable errors)``."""
    unit = "what is accepted" if item.mode == "fused" else "its bound"
    shown = [
        *(
            []
            if item.before is None or item.after is None
            else [f"{item.before:.3g} -> {item.after:.3g} of {unit}"]
        ),
        *([] if item.drift is None else [f"{item.drift:+.3g} {_units(item)} in {item.criterion}"]),
    ]
    return f"{item.case}: {', '.join(shown) or 'other bits'}"


def _units(item: Drift) -> str:
    return "accepted errors" if item.mode == "fused" else "attainable errors"


def _runs(gate: Gate) -> str:
    sides = (gate.baseline, gate.candidate)
    counts = " + ".join(str(len(side.runs)) for side in sides)
    cards = dict.fromkeys(card for side in sides for run in side.runs for card in run.cards if card)
    plural = "s" if sum(len(side.runs) for side in sides) > 1 else ""
    return f"{counts} run{plural}" + (f", cards {listed(cards)}" if cards else "")


def _table(gate: Gate) -> list[str]:
    rows = [
        ("outcomes", outcomes_in_words(gate)),
        ("results", results_in_words(gate)),
        *_drifts(gate),
        *_arithmetic(gate),
        *(("speed", item.said) for item in gate.speed[:SPEEDS]),
        *([("speed", f"and {len(gate.speed) - SPEEDS} more")] if len(gate.speed) > SPEEDS else []),
    ]
    return aligned(rows)


def arithmetic_in_words(item: Arithmetic) -> str:
    """Return what probes found differently: ``Mean at int8-fp16 (40 cases …): summed … -> summed …``."""
    where = f" at {', '.join(item.precisions)}" if item.precisions else ""
    count = (
        f" ({item.explains} case{'' if item.explains == 1 else 's'} with other bits)" if item.explains else ""
    )
    return f"{item.subject}{where}{count}: {item.before} -> {item.after}"


def _arithmetic(gate: Gate) -> Iterator[tuple[str, str]]:
    for item in gate.arithmetic[:PROBED]:
        yield "probe", arithmetic_in_words(item)
    if len(gate.arithmetic) > PROBED:
        yield "probe", f"and {len(gate.arithmetic) - PROBED} more changes"


def _drifts(gate: Gate) -> Iterator[tuple[str, str]]:
    changed = [item for item in gate.drift if item.changed]
    for item in changed[:DRIFTS]:
        yield "drift", drift_in_words(item)
    if len(changed) > DRIFTS:
        yield "drift", f"and {len(changed) - DRIFTS} more cases"


def _most(lines: list[str], most: int) -> list[str]:
    """Return at most so many lines, and how many are left out."""
    return lines if len(lines) <= most else [*lines[: most - 1], f"  and {len(lines) - most + 1} more"]


def side_in_words(side: ReadSide) -> str:
    """Return where a side was read, and how many runs it has."""
    return f"{side.path} ({len(side.runs)} run{'' if len(side.runs) == 1 else 's'})"
