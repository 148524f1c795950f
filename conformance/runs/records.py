"""Records: one judged comparison each, one JSON object per line; findings become records."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, cast

import msgspec

from conformance.judging.bounds import ErrorValues, Text
from conformance.judging.cases import Case, Mode, Outcome
from conformance.judging.conformity import Conformity
from conformance.judging.findings import Finding
from conformance.judging.verdicts import Acceptance, Reached, Verdict
from conformance.judging.waivers import Waived, is_of_waiver, stale
from conformance.numerics.metrics import Metrics
from conformance.precision import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.judging.waivers import WaiverLedger

LARGEST = sys.float_info.max
"""What an error beyond it is given as."""
FARTHEST = 2.0 + 1e-9
"""The largest cosine distance, with the roundings of whoever computed it."""
WHOLE = tuple(map(str, PRECISIONS))
WIDTHS = tuple(dict.fromkeys(precision.fixed for precision in PRECISIONS))
"""Precisions of what is run, and of scales."""
_VERDICT_FIELDS = (
    "reasons",
    "notes",
    "metrics",
    "attainable",
    "bounds",
    "needed",
    "acceptance",
    "reached",
    "conformity",
    "cost",
)


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
        attainable: the bound without its margin: what an ideal device attains, with the golden's rounding and
            the allowance of sums; None without a bound, and in older runs.
        bounds: what the errors were compared with.
        needed: the smallest bounds that would have passed.
        acceptance: the network's own limits, where the case is its output.
        reached: the worst sample's cosine, PSNR and part of right answers, where the case is an output.
        conformity: the results beside what right devices of the precision give: held to these where it is
            given, and bounds and needed are of the differences from an ideal one; else held to the golden.
        cost: errors of an ideal device of the precision against the golden, of a node run by itself.
        waiver: id of the waiver that matches the case; with outcome ``conforms`` it is stale.
        sha256: of the device's output, one per sample.
        seconds: device time, where it was measured.
        unmodelled: what the result rests on that the emulator does not model; such a result never conforms.
        simulated: whether the device is emulated.
        device: its kind, such as ``emulator``, ``cambricon``, or ``cambricon-stock``.
        fusion: how the graph was compiled: ``fused``, ``broken at nodes``, ``layer by layer``.
        explained: whether the emulator with the profile that the run's probe found gives the same bits; None
            where the run has no probe, or one of both has no result.
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
    attainable: ErrorValues | None = None
    bounds: ErrorValues | None = None
    needed: ErrorValues | None = None
    acceptance: Acceptance | None = None
    reached: Reached | None = None
    conformity: Conformity | None = None
    cost: ErrorValues | None = None
    waiver: str | None = None
    sha256: list[str] = []
    seconds: float | None = None
    unmodelled: str = ""
    device: str = ""
    fusion: str = ""
    explained: bool | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ValueError(f"seconds is {self.seconds}, but should be finite and >= 0")
        known = WIDTHS if self.mode == "calibration" else WHOLE
        if self.precision not in known:
            raise ValueError(f"precision is {self.precision!r}, but should be one of {', '.join(known)}")
        _check_numbers(self.metrics, self.reached)
        if self.outcome == "waived" and not self.waiver:
            raise ValueError("outcome is 'waived', but no waiver is named")
        if self.outcome in ("deviates", "broken") and not self.reasons:
            raise ValueError(f"outcome is {self.outcome!r}, but no reason is given")
        if (self.outcome == "unmodelled") > bool(self.unmodelled) or (
            self.outcome == "conforms" and self.unmodelled
        ):
            raise ValueError(f"outcome is {self.outcome!r}, but what is not modelled is {self.unmodelled!r}")


def _check_numbers(metrics: Metrics | None, reached: Reached | None) -> None:
    """Demand errors and figures that a comparison can come to.

    Raises:
        ValueError: one is not; names the field.
    """
    if metrics is not None:
        errors = {name: getattr(metrics, name) for name in ("mse", "max_abs", "worst_channel_mse")}
        _check_range("metrics", errors, 0, LARGEST)
        _check_range("metrics", {"cosine_distance": metrics.cosine_distance}, 0, FARTHEST)
        places = {"worst_channel": metrics.worst_channel}
        places |= {f"worst_index[{axis}]": index for axis, index in enumerate(metrics.worst_index)}
        _check_range("metrics", places, 0, math.inf)
    if reached is not None:
        _check_range("reached", {"cosine": reached.cosine}, -FARTHEST, FARTHEST)
        _check_range("reached", {"psnr": reached.psnr}, -LARGEST, LARGEST)
        _check_range("reached", {"answers": reached.answers}, 0, 1)


def _check_range(where: str, numbers: Mapping[str, float | None], low: float, high: float) -> None:
    for name, number in numbers.items():
        if number is not None and not low <= number <= high:
            raise ValueError(f"{where}.{name} is {number}, but should be from {low:g} to {high:g}")


def record_of(
    finding: Finding,
    ledger: WaiverLedger,
    *,
    simulated: bool,
    device: str = "",
    fusion: str = "",
    case_id: str | None = None,
    fail_unmodelled: bool = False,
    explained: bool | None = None,
) -> Record:
    """Return the record of a finding, its outcome after the waivers of a run.

    Args:
        finding: what came out.
        ledger: the waivers.
        simulated: whether the device is emulated.
        device: its kind.
        fusion: how the graph was compiled.
        case_id: the record's id where ``str(case)`` is taken, as for outputs judged while they are timed.
        fail_unmodelled: whether what is not modelled has a reason to fail.
        explained: whether an emulator gives the same bits.

    Raises:
        UsageError: two waivers match the case.
    """
    waived = _after_waivers(finding, ledger)
    said = _said(finding)
    more = [f"{finding.unmodelled}, and --unmodelled=fail"] if waived.outcome == "unmodelled" else []
    if added := [*waived.reasons, *(more if fail_unmodelled else [])]:
        said["reasons"] = [*said["reasons"], *added]
    return Record(
        case=case_id or str(finding.case),
        outcome=waived.outcome,
        waiver=waived.waiver,
        simulated=simulated,
        device=device,
        fusion=fusion,
        sha256=list(finding.sha256),
        seconds=finding.seconds,
        unmodelled=finding.unmodelled,
        explained=explained,
        **msgspec.structs.asdict(finding.case),
        **said,
    )


def _after_waivers(finding: Finding, ledger: WaiverLedger) -> Waived:
    """Return the outcome and the waiver that matches; errors that were only measured have none."""
    verdict = finding.verdict
    if verdict is None or (finding.state == "measured" and verdict.outcome == "conforms"):
        return Waived(cast("Outcome", finding.state))
    waived = ledger.record(finding.case, verdict)
    return Waived("unmodelled") if finding.unmodelled and waived.outcome == "conforms" else waived


def _said(finding: Finding) -> dict[str, Any]:
    """Return what a verdict says, or why there is none: a reason of what is broken, else a note."""
    if finding.verdict is None:
        return {"reasons" if finding.state == "broken" else "notes": [finding.reason]}
    return {name: getattr(finding.verdict, name) for name in _VERDICT_FIELDS}


def finding_of(record: Record) -> Finding:
    """Return the finding that a record was made of.

    A waived record is one that deviates: a waiver says that this is known, not that it is right.
    """
    case = Case(**{name: getattr(record, name) for name in Case.__struct_fields__})
    state = record.outcome if record.outcome in ("measured", "unsupported", "broken") else "judged"
    if state in ("unsupported", "broken"):
        return Finding(case, state, reason="; ".join([*record.reasons, *record.notes]))
    right = record.outcome in ("conforms", "measured", "unmodelled")
    said = {name: getattr(record, name) for name in _VERDICT_FIELDS}
    said["reasons"] = [] if right else [reason for reason in record.reasons if not is_of_waiver(reason)]
    verdict = Verdict(outcome="conforms" if right else "deviates", **said)
    return Finding(
        case,
        state,
        verdict,
        sha256=tuple(record.sha256),
        seconds=record.seconds,
        unmodelled=record.unmodelled,
    )


def judged(records: Iterable[Record]) -> bool:
    """Whether anything was held against a bound or an acceptance that says something of a card."""
    return any(record.outcome not in ("unsupported", "unmodelled", "measured") for record in records)


def stale_waivers(records: Iterable[Record]) -> list[str]:
    """Return a sentence per waiver that matches records which conform, with the first of them."""
    cases: dict[str, list[str]] = {}
    for record in records:
        if record.waiver is not None and record.outcome == "conforms":
            cases.setdefault(record.waiver, []).append(record.case)
    return [
        stale(waiver, first) + (f" ({len(more)} more cases)" if more else "")
        for waiver, (first, *more) in cases.items()
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
