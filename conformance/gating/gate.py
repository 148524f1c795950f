"""The gate: both sides read, compared in order, and one verdict of all findings."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

import msgspec

from conformance import __version__, clock
from conformance.errors import UsageError
from conformance.gating.arithmetic import arithmetic
from conformance.gating.comparable import check_comparable, judged_differences
from conformance.gating.drift import THRESHOLD, drifts, operators
from conformance.gating.impossible_times import impossible_times
from conformance.gating.outcomes import in_order, transitions
from conformance.gating.reproducibility import irreproducible
from conformance.gating.result import SCHEMA, Counts, Gate, Thresholds
from conformance.gating.sides import read_side
from conformance.gating.speed import SLOWER, history_noise, judge_speed, samples
from conformance.gating.statistics import CONFIDENCE, FAMILY
from conformance.gating.verdict import verdict_of
from conformance.runs.finished import read_history
from conformance.runs.records import judged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.gating.result import Drift, Irreproducible, Require, Speed, Transition
    from conformance.gating.sides import Side
    from conformance.gating.speed import Sample


@dataclasses.dataclass(frozen=True)
class Demands:
    """What the user demands of a candidate.

    Attributes:
        slower: the slowdown that is allowed, such as 0.03; None for the usual one.
        require: ``identical`` results, or ``nothing-changed`` but roundings; None for neither.
        history: a directory of runs whose noise is lent to sides with fewer than three runs.
    """

    slower: float | None = None
    require: Require | None = None
    history: Path | None = None


def gate(baseline: Path, candidate: Path, demands: Demands) -> Gate:
    """Return what came out: comparable, coverage and outcomes, drift, reproducibility, speed, verdict.

    Args:
        baseline: a run directory, or a directory of run directories.
        candidate: the same.
        demands: of the user.

    Raises:
        UsageError: a side has no run or a broken one, or the sides cannot be compared.
    """
    sides = read_side("baseline", baseline), read_side("candidate", candidate)
    check_comparable(*sides)
    for side in sides:
        if not any(judged(run.records) for run in side.runs):
            raise UsageError(f"{side.name} {side.path} judged nothing, so it shows nothing; name other runs")
    timed = samples(*sides)
    found, notes = _speed(timed, sides[1], demands)
    compared, drifted = drifts(*sides)
    changed = in_order([*transitions(*sides), *impossible_times(timed, *sides)])
    unlike = irreproducible(*sides)
    return _gate(sides, demands, changed, compared, drifted, unlike, found, notes)


def _gate(
    sides: tuple[Side, Side],
    demands: Demands,
    changed: list[Transition],
    compared: int,
    drifted: list[Drift],
    unlike: list[Irreproducible],
    found: list[Speed],
    notes: list[str],
) -> Gate:
    baseline, candidate = sides
    device = candidate.runs[0].environment.device
    result = Gate(
        schema=SCHEMA,
        verdict="CANNOT TELL",
        exit_code=0,
        reasons=[],
        made=clock.now(),
        version=__version__,
        device=f"{device.get('kind')} ({device.get('model')})",
        simulated=bool(device.get("simulated")),
        networks=candidate.networks,
        baseline=baseline.read,
        candidate=candidate.read,
        judged=judged_differences(baseline, candidate),
        thresholds=Thresholds(
            slower=SLOWER if demands.slower is None else demands.slower,
            confidence=CONFIDENCE,
            family=FAMILY,
            drift=THRESHOLD,
            require=demands.require,
            history=None if demands.history is None else str(demands.history),
        ),
        counts=_counts(sides, changed, compared, drifted, unlike),
        outcomes=changed,
        operators=operators(baseline, candidate, drifted),
        drift=drifted,
        irreproducible=unlike,
        speed=found,
        notes=notes,
        arithmetic=arithmetic(baseline, candidate, drifted),
    )
    verdict = verdict_of(result)
    return msgspec.structs.replace(
        result, verdict=verdict.word, exit_code=verdict.exit_code, reasons=verdict.reasons
    )


def _counts(
    sides: tuple[Side, Side],
    changed: Sequence[Transition],
    compared: int,
    drifted: Sequence[Drift],
    unlike: Sequence[Irreproducible],
) -> Counts:
    baseline, candidate = sides
    return Counts(
        cases=len(baseline.cases.keys() & candidate.cases.keys()),
        compared=compared,
        identical=compared - len(drifted),
        changed=sum(item.changed for item in drifted),
        changes=dict(collections.Counter(str(item.change) for item in changed)),
        irreproducible=sum(item.new for item in unlike),
    )


def _speed(timed: Sequence[Sample], candidate: Side, demands: Demands) -> tuple[list[Speed], list[str]]:
    """Return what came out of every timing, and what a reader should know of it."""
    notes, lent = [], {}
    if demands.history is not None:
        history = read_history([demands.history])
        notes += [f"left out of the history: {sentence}" for sentence in history.skipped]
        lent = history_noise(history.runs, str(candidate.runs[0].environment.device.get("model")))
    if not timed:
        notes.append("nothing was timed, so nothing is known of speed")
    slower = SLOWER if demands.slower is None else demands.slower
    possible = [sample for sample in timed if not sample.impossible]
    return judge_speed(possible, slower=slower, lent=lent, demanded=demands.slower is not None), notes
