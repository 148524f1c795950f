"""Records of a finished run as the findings that they were, waivers undone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from conformance.judging.verdicts import Reached, Verdict
from conformance.judging.waivers import Case
from conformance.runs.evaluation import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.networks import Output
    from conformance.runs.records import Record

State = Literal["judged", "measured", "unsupported", "broken"]
STATES: dict[str, State] = {"measured": "measured", "unsupported": "unsupported", "broken": "broken"}


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
