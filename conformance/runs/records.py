"""Records: one judged comparison each, one JSON object per line; findings become records."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from conformance.evaluation.evaluation import Finding
from conformance.judging.bounds import ErrorLimits, Text
from conformance.judging.cases import Case, Mode, Outcome
from conformance.judging.verdicts import Acceptance, Reached, Verdict
from conformance.judging.waivers import WaiverProblem, stale_problem
from conformance.numerics.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.judging.waivers import WaiverLedger
    from conformance.networks import Output


_VERDICT_FIELDS = ("reasons", "notes", "metrics", "bounds", "needed", "acceptance", "reached")

State = Literal["judged", "measured", "unsupported", "broken"]

STATES: dict[str, State] = {"measured": "measured", "unsupported": "unsupported", "broken": "broken"}


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One judged comparison.

    Attributes:
        case: id, unique in the run.
        network: the network's name.
        node: the node's name in the graph.
        op: its operator type.
        precision: such as ``int8-fp16``.
        mode: ``own``, ``chained`` or ``fused``.
        outcome: ``measured`` is an error that is recorded without a bound.
        reasons: one sentence per failed check.
        notes: what else a reader should know.
        metrics: the errors, the worst of all samples; None where none could be computed.
        bounds: what the errors were compared with.
        needed: the smallest bounds that would have passed.
        acceptance: the network's own limits, where the case is its output.
        reached: the worst sample's cosine, PSNR and part of right answers, where the case is an output.
        waiver: id of the waiver that matches the case; with outcome ``conforms`` it is stale.
        sha256: of the device's output, one per sample.
        seconds: device time, where it was measured.
        simulated: whether the device is emulated.
        device: its kind, such as ``emulator``, ``cambricon``, or ``cambricon-stock``.
        fusion: how the graph was compiled: ``fused``, ``broken at nodes``, ``layer by layer``.
    """

    case: Text
    network: Text
    node: Text
    op: Text
    precision: Text
    mode: Mode
    outcome: Outcome
    simulated: bool
    reasons: list[str] = []
    notes: list[str] = []
    metrics: Metrics | None = None
    bounds: ErrorLimits | None = None
    needed: ErrorLimits | None = None
    acceptance: Acceptance | None = None
    reached: Reached | None = None
    waiver: str | None = None
    sha256: list[str] = []
    seconds: float | None = None
    device: str = ""
    fusion: str = ""

    def __post_init__(self) -> None:
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ValueError(f"seconds is {self.seconds}, but should be finite and >= 0")
        if self.outcome == "waived" and not self.waiver:
            raise ValueError("outcome is 'waived', but no waiver is named")
        if self.outcome in ("deviates", "broken") and not self.reasons:
            raise ValueError(f"outcome is {self.outcome!r}, but no reason is given")


def record_of(
    case: Case,
    verdict: Verdict,
    ledger: WaiverLedger,
    *,
    simulated: bool,
    device: str = "",
    fusion: str = "",
    case_id: str | None = None,
    sha256: Sequence[str] = (),
    seconds: float | None = None,
) -> Record:
    """Return the record of a judged ``case``, its outcome after the waivers of ``ledger``.

    Args:
        case: what was judged.
        verdict: the judgement.
        ledger: the waivers of this run; it learns of the case.
        simulated: whether the device is emulated.
        device: its kind.
        fusion: how the graph was compiled.
        case_id: the record's id where ``str(case)`` is taken, as for outputs judged while they are timed.
        sha256: of the outputs, one per sample.
        seconds: device time.

    Raises:
        UsageError: two waivers match the case.
    """
    outcome, waiver = ledger.record(case, verdict.outcome, measured=verdict.metrics is not None)
    return Record(
        case=case_id or str(case),
        outcome=outcome,
        waiver=waiver,
        simulated=simulated,
        device=device,
        fusion=fusion,
        sha256=list(sha256),
        seconds=seconds,
        **msgspec.structs.asdict(case),
        **{name: getattr(verdict, name) for name in _VERDICT_FIELDS},
    )


def stale_waivers(records: Iterable[Record]) -> list[WaiverProblem]:
    """Return a problem per record that conforms although a waiver matches it."""
    return [
        stale_problem(record.waiver, record.case)
        for record in records
        if record.waiver is not None and record.outcome == "conforms"
    ]


def encode_record(record: Record) -> bytes:
    """Return ``record`` as one line of JSON, newline included.

    Raises:
        ValueError: it would not read back as it is, for example because a number is not finite.
    """
    line = msgspec.json.encode(record)
    try:
        same = decode_record(line) == record
    except ValueError as error:
        raise ValueError(f"the record of {record.case} cannot be written: {error}") from error
    if not same:
        raise ValueError(f"the record of {record.case} cannot be written: a number in it is not finite")
    return line + b"\n"


def decode_record(line: bytes) -> Record:
    """Return the record of one line.

    Raises:
        ValueError: it is not JSON, or a field is missing, unknown or wrong.
    """
    return msgspec.json.decode(line, type=Record)


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


def _unjudged(finding: Finding, *, case_id: str | None, **origin: Any) -> Record:
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


def findings_of(records: Iterable[Record]) -> dict[str, Finding]:
    """Return the finding of every record, by its case's id: for own errors and outputs that is by node.

    A waived record is one that deviates: a waiver says that this is known, not that it is right.
    """
    found: dict[str, Finding] = {}
    for record in records:
        name = record.node if record.node not in found else record.case
        found[name] = _finding(record)
    return found


def chained_findings(records: Iterable[Record], outputs: Iterable[Output]) -> dict[str, Finding]:
    """Return the findings of the chained network, those of outputs with what they reached."""
    found = findings_of(records)
    for output in outputs:
        finding = found.get(output.name)
        if finding and finding.verdict and finding.metrics and finding.verdict.reached is None:
            psnr, cosine = finding.metrics.psnr(output.span), finding.metrics.cosine
            reached = Reached(cosine=cosine, psnr=psnr if math.isfinite(psnr) else None)
            verdict = msgspec.structs.replace(finding.verdict, reached=reached)
            found[output.name] = Finding(finding.case, finding.state, verdict)
    return found


def _finding(record: Record) -> Finding:
    case = Case(
        network=record.network,
        node=record.node,
        op=record.op,
        precision=record.precision,
        mode=record.mode,
    )
    state = STATES.get(record.outcome, "judged")
    if state in ("unsupported", "broken"):
        return Finding(case, state, reason="; ".join([*record.reasons, *record.notes]))
    verdict = Verdict(
        outcome="conforms" if record.outcome in ("conforms", "measured") else "deviates",
        reasons=record.reasons,
        notes=record.notes,
        metrics=record.metrics,
        bounds=record.bounds,
        needed=record.needed,
        acceptance=record.acceptance,
        reached=record.reached,
    )
    return Finding(case, state, verdict)
