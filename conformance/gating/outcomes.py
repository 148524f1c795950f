"""What became of every case: coverage and outcomes, the runs of a side being each other's retries."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Literal

from conformance.gating.drift import grown, share
from conformance.gating.result import Transition
from conformance.gating.sides import any_of, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.gating.result import Change, Decides
    from conformance.gating.sides import Side
    from conformance.judging.cases import Outcome
    from conformance.runs.records import Record

Standing = Literal["right", "known", "wrong", "none", "unstable"]
"""What an outcome is worth. Known: it deviates, and a waiver says so. None: there is no verdict."""
STANDINGS: dict[Outcome, Standing] = {
    "conforms": "right",
    "measured": "right",
    "waived": "known",
    "deviates": "wrong",
    "broken": "wrong",
    "unsupported": "none",
    "unmodelled": "none",
}
"""Every outcome that a record can have."""
CHANGES: dict[tuple[Standing, Standing], Change] = {
    ("right", "known"): "regressed",
    ("right", "wrong"): "regressed",
    ("right", "none"): "regressed",
    ("known", "right"): "fixed",
    ("known", "wrong"): "regressed",
    ("known", "none"): "regressed",
    ("wrong", "right"): "fixed",
    ("wrong", "known"): "fixed",
    ("wrong", "wrong"): "still failing",
    ("wrong", "none"): "still failing",
    ("none", "right"): "fixed",
    ("none", "known"): "regressed",
    ("none", "wrong"): "regressed",
}
"""From one standing to another; a pair that is not here is no change."""
DECIDES: dict[Change, Decides] = {
    "regressed": "accuracy",
    "worse": "accuracy",
    "disappeared": "accuracy",
    "not a time": "accuracy",
}
"""What always decides; the others depend on more."""
GRAVITY: tuple[Change, ...] = (
    "regressed",
    "worse",
    "disappeared",
    "not a time",
    "unstable",
    "still failing",
    "appeared",
    "fixed",
)
PASSING: frozenset[Standing] = frozenset({"right", "none"})


def transitions(baseline: Side, candidate: Side) -> list[Transition]:
    """Return every case whose outcome changed or is not as it should be, the gravest first."""
    cases = dict.fromkeys([*baseline.cases, *candidate.cases])
    found = [_transition(baseline, candidate, case) for case in cases]
    return in_order(item for item in found if item is not None)


def in_order(found: Iterable[Transition]) -> list[Transition]:
    """Return transitions, the gravest first; within a change as they came."""
    return sorted(found, key=lambda item: GRAVITY.index(item.change))


def transition(
    change: Change, before: Mapping[int, Record], after: Mapping[int, Record], said: str, decides: Decides
) -> Transition:
    """Return a transition.

    Args:
        change: what became of the case.
        before: its records in the runs of the baseline; may be empty.
        after: the same of the candidate; one of both is not empty.
        said: a sentence.
        decides: what it makes of the verdict.
    """
    counts = [
        dict(collections.Counter(str(record.outcome) for record in side.values())) for side in (before, after)
    ]
    return Transition(
        **named(any_of(after or before)),
        change=change,
        before=counts[0],
        after=counts[1],
        decides=decides,
        said=said,
    )


def _transition(baseline: Side, candidate: Side, case: str) -> Transition | None:
    before, after = (side.cases.get(case, {}) for side in (baseline, candidate))
    network = any_of(after or before).network
    absent = [place for place in candidate.runs_of(network) if place not in after]
    if absent:
        return transition("disappeared", before, after, _vanished(case, absent, candidate), "accuracy")
    if not before:
        fine = _standing(after) in PASSING
        said = f"{case} is new: {_outcomes(after)}{_why(after)}"
        return transition("appeared", before, after, said, "nothing" if fine else "accuracy")
    absent = [place for place in baseline.runs_of(network) if place not in before]
    if absent:
        return transition("unstable", before, after, _vanished(case, absent, baseline), "cannot tell")
    return _unstable(case, before, after) or _changed(case, before, after)


def _standing(records: Mapping[int, Record]) -> Standing:
    """Return what the outcomes of a side's runs are worth together; there is at least one."""
    found = {STANDINGS[record.outcome] for record in records.values()}
    if found == {"right", "known"} and all(record.waiver for record in records.values()):
        return "known"  # the waiver says that it deviates, so that it sometimes does not is no worse
    return found.pop() if len(found) == 1 else "unstable"


def _vanished(case: str, absent: list[int], side: Side) -> str:
    of_all = f"in {len(absent)} of {len(side.runs)} runs of the {side.name}"
    return f"{case} is missing {of_all}, such as {side.runs[absent[0]].path}"


def _unstable(case: str, before: Mapping[int, Record], after: Mapping[int, Record]) -> Transition | None:
    """Return what an unstable case is: a fault of the candidate, or a baseline that shows nothing."""
    decides: dict[str, Decides] = {"candidate": "accuracy", "baseline": "cannot tell"}
    for side, records in (("candidate", after), ("baseline", before)):
        if _standing(records) == "unstable":
            said = f"{case} is unstable: of the {side}'s runs {_outcomes(records)}{_why(records)}"
            return transition("unstable", before, after, said, decides[side])
    return None


def _changed(case: str, before: Mapping[int, Record], after: Mapping[int, Record]) -> Transition | None:
    pair = (_standing(before), _standing(after))
    change = CHANGES.get(pair)
    if pair in (("known", "known"), ("wrong", "wrong")) and _worse(before, after):
        change = "worse"
    if change is None:
        return None
    if change == "worse":
        said = f"{case}: {_outcomes(after)} as before, but worse{_how_much(before, after)}"
    else:
        said = f"{case}: {_outcomes(before)} before, {_outcomes(after)} now{_why(after)}"
    return transition(change, before, after, said, DECIDES.get(change, "nothing"))


def _how_much(before: Mapping[int, Record], after: Mapping[int, Record]) -> str:
    """Return how far off a case was and is, in what it is held to."""
    shares = [share(records.values()) for records in (before, after)]
    if None in shares:
        return _why(after)
    return f" ({shares[0]:.3g} -> {shares[1]:.3g} of what it is held to)"


def _worse(before: Mapping[int, Record], after: Mapping[int, Record]) -> bool:
    """Whether what is known to be wrong is more so: its error grew, or it has no error any more."""
    broke = _any_is(after, "broken") and not _any_is(before, "broken")
    return broke or grown(before, after)


def _any_is(records: Mapping[int, Record], outcome: Outcome) -> bool:
    return any(record.outcome == outcome for record in records.values())


def _outcomes(records: Mapping[int, Record]) -> str:
    """Return the outcomes of a side's runs: ``conforms``, or ``2 conforms and 1 deviates``."""
    counts = collections.Counter(str(record.outcome) for record in records.values())
    if len(counts) == 1:
        return next(iter(counts))
    return " and ".join(f"{count} {outcome}" for outcome, count in counts.most_common())


def _why(records: Mapping[int, Record]) -> str:
    """Return the reason of the first record that has one."""
    reasons = [record.reasons[0] for record in records.values() if record.reasons]
    notes = [
        note for record in records.values() if STANDINGS[record.outcome] == "none" for note in record.notes
    ]
    unmodelled = [record.unmodelled for record in records.values() if record.outcome == "unmodelled"]
    return "".join(f" ({reason})" for reason in [*reasons, *unmodelled, *notes][:1])
