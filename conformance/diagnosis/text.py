"""A diagnosis in words: plain sentences first, tables after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.diagnosis.advice import repair_lines
from conformance.diagnosis.culprits import FAILED
from conformance.diagnosis.error_table import error_table, number
from conformance.diagnosis.quality import described

if TYPE_CHECKING:
    from conformance.diagnosis.model import Culprit, Diagnosis, NodeErrors
    from conformance.judging.verdicts import Acceptance

SHOWN_REASONS = 6


def lines(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    """Return the report: quality, where the error is born, culprits and why, what repairs it, tables."""
    return [
        *_verdict(diagnosis, acceptance),
        "",
        *_origin(diagnosis),
        *_culprits(diagnosis),
        *repair_lines(diagnosis, acceptance),
        "",
        *_errors(diagnosis),
        *_closing(diagnosis),
    ]


def _verdict(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    reality = ", SIMULATED" if diagnosis.simulated else ""
    where = f"{diagnosis.network} at {diagnosis.precision} on {diagnosis.device}{reality}"
    quality = diagnosis.quality
    if not quality.offered:
        return [f"There is no output of {where}: the device does not offer it.", *quality.reasons]
    if quality.cosine is None and quality.psnr is None and not quality.accepted:
        return [f"The output of {where} is NOT good enough: there is nothing to compare.", *quality.reasons]
    word = "good enough" if quality.accepted else "NOT good enough"
    return [
        f"The output of {where} is {word}: {described(quality)}; accepted is at least {acceptance.in_words}."
    ]


def _origin(diagnosis: Diagnosis) -> list[str]:
    """Return where the error is born and where it grows most."""
    if not diagnosis.errors:
        return []
    known = {item.node: item for item in diagnosis.errors}
    if diagnosis.born in known:
        birth = _birth(known[diagnosis.born], diagnosis)
    else:
        birth = f"The error is born at {diagnosis.born}, between the key nodes of the table."
    return [birth, *_growth(diagnosis), ""]


def _birth(born: NodeErrors, diagnosis: Diagnosis) -> str:
    where = _with_kind(born)
    if born.own is None:
        return f"The error is born at {where}, which gave nothing that could be compared."
    adds = f"it adds {number(born.own)} where an ideal device adds {number(born.attainable)}"
    if born.outcome in FAILED:
        return f"The error is born at {where}: {adds}."
    if any(culprit.kind == "fused" for culprit in diagnosis.culprits):
        return f"The error is born at {where}, but only where it is fused with others: by itself {adds}."
    return f"No node adds more than it may. The largest own error is that of {where}: {adds}."


def _with_kind(item: NodeErrors) -> str:
    return f"{item.node} ({item.op}{', branch ' + item.branch if item.branch else ''})"


def _growth(diagnosis: Diagnosis) -> list[str]:
    """Return the node that makes most of what reaches it.

    Where a node's own error outweighs what it inherits, their difference tells nothing of the latter.
    """
    grown = [
        (item.amplification, item)
        for item in diagnosis.errors
        if item.amplification is not None and (item.inherited or 0.0) >= (item.own or 0.0)
    ]
    if not grown:
        return []
    factor, most = max(grown, key=lambda pair: pair[0])
    if factor <= 1:
        return ["No node makes more of what reaches it."]
    return [f"It is amplified most at {_with_kind(most)}: {factor:.3g} times what it reads."]


def _culprits(diagnosis: Diagnosis) -> list[str]:
    if not diagnosis.culprits:
        return [*_innocence(diagnosis), ""]
    return [
        line for rank, culprit in enumerate(diagnosis.culprits, 1) for line in (*_culprit(rank, culprit), "")
    ]


def _innocence(diagnosis: Diagnosis) -> list[str]:
    if diagnosis.quality.accepted:
        return ["No culprit: every node's own error is within its bound, and the output is accepted."]
    if diagnosis.errors:
        return ["No culprit was found: every node's own error is within its bound."]
    return []


def _culprit(rank: int, culprit: Culprit) -> list[str]:
    text = [f"Culprit {rank}: {_named(culprit)}"]
    if culprit.failure:
        text.append(f"  {culprit.failure.rstrip('.')}.")
    if culprit.effect is not None:
        text.append(f"  {_effect(culprit)}")
    return text + [f"  Why: {reason.sentence}" for reason in culprit.reasons[:SHOWN_REASONS]]


def _named(culprit: Culprit) -> str:
    count = len(culprit.nodes)
    times = f"{culprit.excess:.3g} times its bound" if culprit.excess is not None else ""
    if culprit.kind == "operator":
        off = f", at {times}" if times else ""
        return (
            f"{culprit.what}. {count} of its nodes fail by themselves; first {culprit.nodes[0]}, farthest "
            f"off {culprit.worst}{off}."
        )
    if culprit.kind == "node":
        off = f", at {times}" if times else "" if culprit.failure else ", where it should be exact"
        return f"{culprit.what}. It fails by itself{off}."
    if culprit.kind == "fused":
        return f"{culprit.what}. By itself it is right; what follows it is wrong while fusion runs across it."
    if culprit.kind == "device":
        return f"{culprit.what}. It could compute none of the {count} key nodes."
    return (
        f"the precision itself, at {count} nodes of type {culprit.what}. Each is within its bound, so no "
        f"operator is wrong; their roundings add up. The largest own error is that of {culprit.worst}."
    )


def _effect(culprit: Culprit) -> str:
    assert culprit.effect is not None, "the caller has looked"
    before, after = culprit.effect.before, culprit.effect.after
    how = {
        "operator": f"goldens in place of every {culprit.what}",
        "precision": f"goldens in place of these {len(culprit.nodes)} nodes",
    }.get(culprit.kind, f"the golden in place of {culprit.what}")
    meets = "which is accepted" if after.accepted else "which is not accepted"
    return f"Measured: with {how} the output goes from {described(before)} to {described(after)}, {meets}."


def _errors(diagnosis: Diagnosis) -> list[str]:
    if not diagnosis.errors:
        return []
    heading = "Error along the network (root mean square, relative to the golden's):"
    return [heading, *error_table(diagnosis.errors), ""]


def _closing(diagnosis: Diagnosis) -> list[str]:
    remarks = [f"Note: {text}." for text in diagnosis.remarks]
    return [*remarks, f"{diagnosis.forwards} network forwards, {diagnosis.seconds:.0f} s."]
