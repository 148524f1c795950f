"""The verdict: the gravest of all findings, and a sentence for each that makes it."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

from conformance.gating.result import EXIT_CODES, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.gating.result import Decides, Gate, Transition, Word

ORDER: tuple[Decides, ...] = ("accuracy", "speed", "cannot tell", "changed", "nothing")
"""The gravest first: what fails is said before what could not be told."""

SPEED = "speed: "
"""What sentences on speed begin with."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict of a gate.

    Attributes:
        word: of ``gate.json``.
        exit_code: of the command.
        reasons: sentences, those that decide first.
    """

    word: Word
    exit_code: int
    reasons: list[str]


def verdict_of(gate: Gate) -> Verdict:
    """Return the verdict of all that a gate found."""
    findings = [*_outcomes(gate), *_drift(gate), *_irreproducible(gate), *_speed(gate)]
    decides: Decides = min((finding for finding, _ in findings), key=ORDER.index, default="nothing")
    reasons = [said for grave in ORDER for found, said in findings if found == grave and grave != "nothing"]
    return Verdict(WORDS[decides], EXIT_CODES[decides], reasons or [_nothing(gate)])


def _nothing(gate: Gate) -> str:
    """Return what a GO without any finding rests on."""
    counts = gate.counts
    if counts.identical == counts.compared:
        return f"nothing changed: all {counts.compared} results are bit-identical"
    return (
        f"{counts.identical} of {counts.compared} results are bit-identical, and none of the others moved by "
        f"an attainable error or more{differing_operators(gate)}"
    )


def _outcomes(gate: Gate) -> list[tuple[Decides, str]]:
    """Return a sentence per change, operator and precision: 40 Means that regressed are one finding."""
    groups: dict[tuple[str, str, str, str, Decides], list[Transition]] = collections.defaultdict(list)
    for item in gate.outcomes:
        groups[item.change, item.op, item.precision, item.mode, item.decides].append(item)
    return [
        (decides, f"{change}: {op} at {precision} ({mode}), {_counted(items)}: {items[0].said}")
        for (change, op, precision, mode, decides), items in groups.items()
    ]


def _counted(items: Sequence[object]) -> str:
    return "1 case" if len(items) == 1 else f"{len(items)} cases, the first"


def _drift(gate: Gate) -> list[tuple[Decides, str]]:
    """Return what changed though both sides may pass; mere roundings only where the user demands it."""
    found: list[tuple[Decides, str]] = []
    require = gate.thresholds.require
    if gate.counts.changed:
        decides: Decides = "accuracy" if require else "changed"
        found.append((decides, f"changed: {changed_operators(gate)}"))
    if require == "identical" and gate.counts.identical < gate.counts.compared:
        different = gate.counts.compared - gate.counts.identical
        found.append(
            ("accuracy", f"not identical: {different} of {gate.counts.compared} results differ in their bits")
        )
    return found


def changed_operators(gate: Gate) -> str:
    """Return which operators changed, and how many of their nodes: ``Mean at int8-fp16 (40 of 40)``."""
    rows = [row for row in gate.operators if row.changed]
    if not rows:
        outputs = [item.node for item in gate.drift if item.changed]
        return f"no operator by itself, but {listed(dict.fromkeys(outputs))}"
    return listed(f"{row.op} at {row.precision} ({row.changed} of {row.cases})" for row in rows)


def differing_operators(gate: Gate) -> str:
    """Return which operators have other bits: if it is all nodes of one, it is computed in another way."""
    rows = [row for row in gate.operators if row.identical < row.cases]
    found = listed(
        f"{row.op} at {row.precision} ({row.cases - row.identical} of {row.cases})" for row in rows
    )
    return f"; other bits: {found}" if rows else ""


def listed(names: Iterable[str], most: int = 6) -> str:
    """Return the first of some names, and how many more there are."""
    found = list(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def _irreproducible(gate: Gate) -> list[tuple[Decides, str]]:
    new = [item for item in gate.irreproducible if item.new]
    if not new:
        return []
    decides: Decides = "accuracy" if gate.thresholds.require else "changed"
    where = f"{new[0].case} {new[0].candidate}"
    return [(decides, f"not reproducible any more: {_counted(new)}: {where}, for equal inputs")]


def _speed(gate: Gate) -> list[tuple[Decides, str]]:
    return [(item.decides, f"{SPEED}{item.said}") for item in gate.speed]
