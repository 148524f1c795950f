"""What a finding becomes: a record, and the outcome of its test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from conformance.runs.records import Record, record_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.judging.waivers import Outcome, WaiverLedger
    from conformance.runs.evaluation import Finding


def recorded(
    finding: Finding,
    ledger: WaiverLedger,
    *,
    simulated: bool,
    device: str = "",
    fusion: str = "",
    case_id: str | None = None,
) -> Record:
    """Return the record of a finding after waivers.

    Args:
        finding: what came out.
        ledger: the waivers of this run.
        simulated: whether the device is emulated.
        device: its kind.
        fusion: how the graph was compiled.
        case_id: the record's id where the case's own is taken already.
    """
    origin: dict[str, Any] = {"simulated": simulated, "device": device, "fusion": fusion, "case_id": case_id}
    if finding.verdict is None or (finding.state == "measured" and finding.verdict.outcome == "conforms"):
        return _unjudged(finding, **origin)
    return record_of(
        finding.case, finding.verdict, ledger, **origin, sha256=finding.sha256, seconds=finding.seconds
    )


def _unjudged(finding: Finding, *, case_id: str | None, **origin: Any) -> Record:  # noqa: ANN401 - fields
    """Return the record of what no bound was held against: measured, unsupported, broken."""
    verdict = finding.verdict
    return Record(
        case=case_id or str(finding.case),
        outcome=cast("Outcome", finding.state),
        **origin,
        reasons=[finding.reason] if finding.state == "broken" else [],
        notes=[finding.reason] if finding.state == "unsupported" else [*(verdict.notes if verdict else ())],
        metrics=verdict.metrics if verdict else None,
        reached=verdict.reached if verdict else None,
        sha256=list(finding.sha256),
        seconds=finding.seconds,
        **msgspec.structs.asdict(finding.case),
    )


def conclude(records: Sequence[Record]) -> None:
    """Give the running test the outcome of its worst record: fail, skip, xfail, or return to pass it."""
    if not records:
        pytest.fail("nothing was judged; an empty comparison never passes", pytrace=False)
    if failures := [sentence for record in records if (sentence := _failure(record))]:
        pytest.fail("\n".join(failures), pytrace=False)
    if all(record.outcome == "unsupported" for record in records):
        pytest.skip("; ".join(_unsupported(records)))
    if waived := sorted({record.waiver for record in records if record.waiver}):
        pytest.xfail(f"waived by {', '.join(waived)}")


def _unsupported(records: Sequence[Record]) -> list[str]:
    """Return a sentence per reason, which names its first case and counts the others."""
    cases: dict[str, list[str]] = {}
    for record in records:
        cases.setdefault(" ".join(record.notes), []).append(record.case)
    return [
        f"{first} and {len(more)} more are unsupported: {reason}"
        if more
        else f"{first} is unsupported: {reason}"
        for reason, (first, *more) in cases.items()
    ]


def _failure(record: Record) -> str:
    """Return the sentence that fails a test, or ''."""
    if record.outcome in ("deviates", "broken"):
        verb = "deviates" if record.outcome == "deviates" else "is broken"
        return f"{record.case} {verb}: {'; '.join(record.reasons)}"
    if record.outcome == "conforms" and record.waiver is not None:
        return f"{record.case} conforms, but waiver {record.waiver!r} says it deviates; remove or narrow it"
    return ""
