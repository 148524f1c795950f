"""A diagnosis in words: plain sentences first, tables after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.diagnosis.network_errors import side_by_side
from conformance.diagnosis.repairs import settings
from conformance.report.table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.diagnosis.model import Choice, Culprit, Diagnosis, NodeErrors, Quality
    from conformance.judging.verdicts import Acceptance

NONE = "-"
SHOWN_REASONS = 6
SHOWN_NODES = 3
HEADINGS = ("own", "attainable", "inherited", "chained", "amplified", "own / bound")


def lines(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    """Return the report: quality, where the error is born, culprits and why, what repairs it, tables."""
    return [
        *_verdict(diagnosis, acceptance),
        "",
        *_origin(diagnosis),
        "",
        *_culprits(diagnosis),
        *_repair(diagnosis, acceptance),
        "",
        "Error along the network (root mean square, relative to the golden's):",
        *error_table(diagnosis.errors),
        "",
        *_closing(diagnosis),
    ]


def _verdict(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    reality = ", SIMULATED" if diagnosis.simulated else ""
    where = f"{diagnosis.network} at {diagnosis.precision} on {diagnosis.device}{reality}"
    word = "good enough" if diagnosis.quality.accepted else "NOT good enough"
    text = [
        f"The output of {where} is {word}: {described(diagnosis.quality)}; {acceptance.cosine:g} and "
        f"{acceptance.psnr:g} dB are accepted."
    ]
    if diagnosis.quality.cosine is None and diagnosis.quality.reasons:
        text += diagnosis.quality.reasons
    return text


def described(quality: Quality) -> str:
    """Return cosine and PSNR in words."""
    if quality.cosine is None and quality.psnr is None:
        return "exact" if quality.accepted else "nothing that could be compared"
    psnr = "exact" if quality.psnr is None else f"{quality.psnr:.1f} dB"
    return psnr if quality.cosine is None else f"cosine {quality.cosine:.7f}, {psnr}"


def _origin(diagnosis: Diagnosis) -> list[str]:
    """Return where the error is born, where it grows most, and what it is at the end."""
    known = {item.node: item for item in diagnosis.errors}
    if diagnosis.born not in known:
        return [f"The error is born at {diagnosis.born}."]
    born = known[diagnosis.born]
    text = [
        f"The error is born at {born.node} ({born.op}, branch {born.branch}): it adds {_number(born.own)} where an "
        f"ideal device adds {_number(born.attainable)}."
    ]
    grown = [item for item in diagnosis.errors if item.amplification is not None]
    if grown:
        most = max(grown, key=lambda item: item.amplification or 0.0)
        text.append(
            f"It is amplified most at {most.node} ({most.op}): {most.amplification:.3g} times what it reads."
        )
    return text


def _culprits(diagnosis: Diagnosis) -> list[str]:
    if not diagnosis.culprits:
        return ["No culprit: every node's own error is within its bound, and the output is accepted.", ""]
    return [line for rank, culprit in enumerate(diagnosis.culprits, 1) for line in (*_culprit(rank, culprit), "")]


def _culprit(rank: int, culprit: Culprit) -> list[str]:
    text = [f"Culprit {rank}: {_named(culprit)}"]
    if culprit.failure:
        text.append(f"  The device said: {culprit.failure}")
    if culprit.effect is not None:
        text.append(f"  {_effect(culprit)}")
    text += [f"  Why: {reason.sentence}" for reason in culprit.reasons[:SHOWN_REASONS]]
    return text


def _named(culprit: Culprit) -> str:
    count = len(culprit.nodes)
    excess = f", {culprit.excess:.3g} times its bound" if culprit.excess is not None else ""
    if culprit.kind == "operator":
        return (
            f"{culprit.what}. {count} of its nodes exceed their bound by themselves; first {culprit.nodes[0]}, "
            f"farthest off {culprit.worst}{excess}."
        )
    if culprit.kind == "node":
        return f"{culprit.what}. It exceeds its bound by itself{excess}."
    if culprit.kind == "fused":
        return f"{culprit.what}. By itself it is right; the output is wrong only while fusion runs across it."
    return (
        f"the precision itself, at {count} nodes of type {culprit.what}. Each is within its bound, so no operator is "
        f"wrong; their roundings add up. The largest own error is that of {culprit.worst}."
    )


def _effect(culprit: Culprit) -> str:
    assert culprit.effect is not None, "the caller has looked"
    before, after = culprit.effect.before, culprit.effect.after
    how = {
        "operator": f"goldens in place of every {culprit.what}",
        "node": f"the golden in place of {culprit.what}",
        "fused": "fusion broken up to it",
        "precision": f"goldens in place of these {len(culprit.nodes)} nodes",
    }[culprit.kind]
    meets = "which is accepted" if after.accepted else "which is still not accepted"
    return f"Measured: with {how} the output goes from {described(before)} to {described(after)}, {meets}."


def _repair(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    rows = [("precision", "left to the host", "cosine", "PSNR dB", "modelled ms", "accepted")]
    rows += [_choice_row(item) for item in diagnosis.choices]
    text = ["What was run to find a repair, the best first (modelled: least time of one core by its roofline):"]
    text += [*aligned(rows), ""]
    if diagnosis.recommended is None:
        return [*text, f"None reaches {acceptance.cosine:g} and {acceptance.psnr:g} dB: no precision repairs it."]
    chosen = diagnosis.choices[diagnosis.recommended]
    missed = [item for item in diagnosis.choices if not item.quality.accepted]
    text += [f"{_way(item)} misses the acceptance: {described(item.quality)}." for item in missed]
    text.append(f"Use {_way(chosen)}. Settings of Cambricon's TensorFlow, before it is imported:")
    return [*text, *(f"    {line}" for line in settings(chosen))]


def _way(choice: Choice) -> str:
    hosted = [*choice.host_operators, *choice.host_nodes]
    return f"{choice.precision} with {', '.join(hosted)} on the host" if hosted else choice.precision


def _choice_row(choice: Choice) -> tuple[str, ...]:
    quality, seconds = choice.quality, choice.modelled_seconds
    hosted = ", ".join([*choice.host_operators, *choice.host_nodes]) or NONE
    return (
        choice.precision,
        hosted,
        NONE if quality.cosine is None else f"{quality.cosine:.7f}",
        NONE if quality.psnr is None else f"{quality.psnr:.1f}",
        NONE if seconds is None else f"{seconds * 1e3:.2f}",
        "yes" if quality.accepted else "no",
    )


def error_table(errors: Sequence[NodeErrors]) -> list[str]:
    """Return the errors of all nodes, parallel branches side by side, then what comes after they join."""
    rows = side_by_side(errors)
    width = max(map(len, rows), default=1)
    parallel = [row for row in rows if len([item for item in row if item]) > 1]
    single = [row[0] for row in rows if len([item for item in row if item]) == 1 and row[0]]
    if width == 1 or not parallel:
        return aligned([("node", "branch", *HEADINGS), *((item.node, item.branch, *_cells(item)) for item in errors)])
    return [*_parallel_table(parallel, width), "", *_single_table(single)]


def _parallel_table(rows: Sequence[tuple[NodeErrors | None, ...]], width: int) -> list[str]:
    names = [next(row[i].branch for row in rows if row[i]) for i in range(width)]  # type: ignore[union-attr]
    short = ("own", "chained", "own / bound")
    headings = [f"{head} {name}" for name in names for head in ("node", *short)]
    cells = [
        [text for item in row for text in ((NONE,) * 4 if item is None else _short_cells(item))] for row in rows
    ]
    return aligned([headings, *cells])


def _single_table(items: Sequence[NodeErrors]) -> list[str]:
    return aligned([("node", *HEADINGS), *((item.node, *_cells(item)) for item in items)]) if items else []


def _short_cells(item: NodeErrors) -> tuple[str, ...]:
    return (item.node, _number(item.own), _number(item.chained), _number(item.excess))


def _cells(item: NodeErrors) -> tuple[str, ...]:
    figures = (item.own, item.attainable, item.inherited, item.chained, item.amplification, item.excess)
    return tuple(map(_number, figures))


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.2e}" if value and not 1e-2 <= value < 1e4 else f"{value:.3g}"  # noqa: PLR2004


def _closing(diagnosis: Diagnosis) -> list[str]:
    remarks = [f"Note: {text}." for text in diagnosis.remarks]
    return [*remarks, f"{diagnosis.forwards} network forwards, {diagnosis.seconds:.0f} s."]
