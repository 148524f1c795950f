"""What the records of a test make of it: passed, failed, skipped or expected to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.judging.bounds import excess
from conformance.judging.verdicts import Reached

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from conformance.judging.cases import Outcome
    from conformance.runs.records import Record


def require(wanted: Outcome, records: Sequence[Record], told: Collection[str] = ()) -> None:
    """Fail the running test unless every record has the wanted outcome.

    It is skipped where the device offers none of it, or some of it is not modelled, and expected to fail
    where all that deviates is waived. What is not modelled fails where its record has a reason
    (``--unmodelled=fail``).

    Args:
        wanted: ``conforms``, or ``measured`` for errors that have no bound.
        records: what was recorded of the test's findings.
        told: the cases among them of which another test said the same, in full.
    """
    if not records:
        pytest.fail("nothing was judged; an empty comparison never passes", pytrace=False)
    if failures := [sentence for record in records if (sentence := _failure(wanted, record, told))]:
        pytest.fail("\n".join(failures), pytrace=False)
    if all(record.outcome == "unsupported" for record in records):
        pytest.skip("; ".join(_skipped(records)))
    if waived := [record for record in records if record.waiver]:
        names = ", ".join(sorted({str(record.waiver) for record in waived}))
        raise pytest.xfail.Exception(f"waived by {names}{_figure(waived)}", pytrace=False)
    if unmodelled := [record for record in records if record.outcome == "unmodelled"]:
        pytest.skip("; ".join(_skipped(unmodelled)))


def _figure(records: Sequence[Record]) -> str:
    """Return how far off the worst of some waived records is: over its bound, or what its output reached."""
    worst = max(records, key=lambda record: excess(record.needed, record.bounds))
    if worst.bounds is not None:
        return f": {excess(worst.needed, worst.bounds):.3g} of its bound"
    reached = [record.reached for record in records if record.reached is not None]
    found = Reached.worst(reached)
    return f": {', '.join(found.in_words)}" if found else ""


def _skipped(records: Sequence[Record]) -> list[str]:
    """Return a sentence per reason, which names its first case and counts the others."""
    cases: dict[tuple[str, str], list[str]] = {}
    for record in records:
        reason = record.unmodelled if record.outcome == "unmodelled" else " ".join(record.notes)
        cases.setdefault((record.outcome, reason), []).append(record.case)
    return [
        f"{first} and {len(more)} more are {outcome}: {reason}" if more else f"{first} is {outcome}: {reason}"
        for (outcome, reason), (first, *more) in cases.items()
    ]


def _failure(wanted: Outcome, record: Record, told: Collection[str]) -> str:
    """Return the sentence that fails a test, or ''."""
    if record.outcome in ("waived", "unsupported") or (record.outcome == "unmodelled" and not record.reasons):
        return ""
    if record.outcome != wanted:
        verbs = {"broken": "is broken", "measured": "was only measured", "unmodelled": "is unmodelled"}
        verb = verbs.get(record.outcome, record.outcome)
        if record.case in told:
            return f"{record.case} {verb}, as the same output does when it is not timed"
        return f"{record.case} {verb}: {'; '.join(record.reasons)}"
    if record.waiver is not None:
        return f"{record.case} conforms, but waiver {record.waiver!r} says it deviates; remove or narrow it"
    return ""
