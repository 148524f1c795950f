"""A diagnosis in plain English: who is to blame and why, the errors along the network, the repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.diagnosis.culprits import FAILED
from conformance.diagnosis.network_errors import side_by_side
from conformance.diagnosis.quality import described, reached_by
from conformance.diagnosis.repairs import as_it_is, helps, of_cambricon, settings
from conformance.tables import NONE, aligned, without_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.diagnosis.model import Choice, Culprit, Diagnosis, Effect, NodeErrors, Quality
    from conformance.judging.verdicts import Acceptance


CHOICE_HEADINGS = (
    *("precision", "left to the host", "written otherwise"),
    *("cosine", "PSNR dB", "right", "modelled ms", "accepted"),
)

HEADINGS = ("own", "attainable", "inherited", "chained", "amplified", "own / bound")

SIDE_BY_SIDE = 2
"""Branches that fit beside each other; of more, corresponding nodes stand below each other."""

SHOWN_REASONS = 6

SHOWN_REASONS_OF_A_NODE = 3


def lines(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    """Return the report: quality, where the error originates, culprits and why, what repairs it, tables."""
    return [
        *_verdict(diagnosis, acceptance),
        "",
        *_origin(diagnosis),
        *_culprits(diagnosis),
        *_contributors(diagnosis),
        *repair_lines(diagnosis, acceptance),
        "",
        *_errors(diagnosis),
        *(f"Note: {text}." for text in diagnosis.remarks),
        f"{diagnosis.forwards} forward passes, {diagnosis.seconds:.0f} s.",
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
    found = described(quality)
    if quality.missed:
        found = f"{found} on sample {diagnosis.sample}, but not accepted {quality.missed}"
    return [
        f"The output of {where} is {word}: {found}; accepted is at least {acceptance.in_words}.",
        *_caveat(quality),
        *(f"Warning: {note}." for note in quality.notes),
    ]


def _caveat(quality: Quality) -> list[str]:
    """Return the sentence for outputs that say nothing of a card."""
    return [f"This says nothing of a card: {quality.unmodelled}."] if quality.unmodelled else []


def _origin(diagnosis: Diagnosis) -> list[str]:
    """Return where the error originates and where it grows most."""
    if not diagnosis.errors:
        return []
    known = {item.node: item for item in diagnosis.errors}
    if diagnosis.born in known:
        origin = _originates(known[diagnosis.born], diagnosis)
    else:
        origin = f"The error originates at {diagnosis.born}, between the key nodes of the table."
    return [origin, *_growth(diagnosis), ""]


def _originates(born: NodeErrors, diagnosis: Diagnosis) -> str:
    where = _with_kind(born)
    if born.own is None:
        return f"The error originates at {where}, which gave nothing that could be compared."
    adds = f"it adds {number(born.own)} where an ideal device adds {number(born.attainable)}"
    if born.outcome in FAILED:
        return f"The error originates at {where}: {adds}."
    if any(culprit.kind == "fused" for culprit in diagnosis.culprits):
        return f"The error originates at {where}, but only where it is fused with others: by itself {adds}."
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
    unmodelled = sum(item.outcome == "unmodelled" for item in diagnosis.errors)
    but = f" {unmodelled} of them say nothing of a card: they are not modelled." if unmodelled else ""
    if diagnosis.quality.accepted:
        return [f"No culprit: every node's own error is within its bound, and the output is accepted.{but}"]
    if diagnosis.errors:
        return [f"No culprit was found: every node's own error is within its bound.{but}"]
    return []


def _contributors(diagnosis: Diagnosis) -> list[str]:
    """Return which nodes add most without being to blame, and why; nothing where culprits add more."""
    if not diagnosis.contributors:
        return []
    text = ["What adds most (shares of the squares of all own errors):"]
    told = {reason.sentence for culprit in diagnosis.culprits for reason in culprit.reasons[:SHOWN_REASONS]}
    for item in diagnosis.contributors:
        text.append(f"  {item.node} ({item.op}): {number(item.own)}, {item.share:.0%}.")
        new = [reason.sentence for reason in item.reasons if reason.sentence not in told]
        text += [f"    Why: {sentence}" for sentence in new[:SHOWN_REASONS_OF_A_NODE]]
    return [*text, ""]


def _culprit(rank: int, culprit: Culprit) -> list[str]:
    title = f"Culprit {rank}" if helps(culprit) else "Repairing this does not help"
    text = [f"{title}: {_named(culprit)}"]
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
    meets = "which is accepted" if after.accepted else "which is not accepted"
    goes = f"from {described(before)} to {described(after)}"
    return f"Measured: with {repaired(culprit, culprit.effect)} the output goes {goes}, {meets}."


def repaired(culprit: Culprit, effect: Effect) -> str:
    """Return what was done to measure an effect, in words."""
    what = {
        "operator": f"every {culprit.what}",
        "precision": f"these {len(culprit.nodes)} nodes",
    }.get(culprit.kind, culprit.what)
    how = effect.how
    if how == "unfused":
        return f"fusion broken at {what}"
    if how == "wider":
        return "float32 in place of half"
    if how == "exact":
        return f"{what} computed exactly on what reaches {'them' if culprit.kind == 'precision' else 'it'}"
    return f"goldens in place of {what}, which takes away inherited errors, too,"


def _errors(diagnosis: Diagnosis) -> list[str]:
    if not diagnosis.errors:
        return []
    heading = "Error along the network (root mean square, relative to the golden's):"
    return [heading, *error_table(diagnosis.errors), ""]


def repair_lines(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    """Return what was run to find a repair, what misses the acceptance, and what to use."""
    choices = diagnosis.choices
    if not choices:
        return ["The fused network was not run, so nothing can be said of what repairs it."]
    text = [
        "What was run, the best first (modelled: the least time of one core, by its roofline):",
        *aligned(without_empty([CHOICE_HEADINGS, *map(_row, choices)], "right", "written otherwise")),
        "",
    ]
    if diagnosis.recommended is None:
        return [*text, f"None of these reaches {acceptance.in_words}, so none of them repairs it."]
    chosen = choices[diagnosis.recommended]
    advice, lines = [_advice(diagnosis, chosen), *_caveat(chosen.quality)], []
    if of_cambricon(diagnosis.device):
        advice.append("Settings of Cambricon's TensorFlow, before it is imported:")
        lines = settings(chosen, quantised=diagnosis.quantised)
    return [*text, *_misses(choices), " ".join(advice), *(f"    {line}" for line in lines)]


def _row(choice: Choice) -> tuple[str, ...]:
    quality, seconds = choice.quality, choice.modelled_seconds
    accepted = "yes" if quality.accepted else "not on others" if quality.missed else "no"
    cosine, psnr, answers = reached_by(quality).in_cells
    return (
        choice.precision,
        ", ".join([*choice.host_operators, *choice.host_nodes]) or NONE,
        choice.rewrite or NONE,
        cosine or NONE,
        NONE if quality.psnr is None and not quality.accepted else psnr,
        answers or NONE,
        NONE if seconds is None else f"{seconds * 1e3:.3g}",
        f"{accepted}, unmodelled" if quality.unmodelled else accepted if quality.offered else "not offered",
    )


def _misses(choices: Sequence[Choice]) -> list[str]:
    offered = [item for item in choices if item.quality.offered and not item.quality.accepted]
    return [
        f"{_way(item)} misses the acceptance {item.quality.missed}."
        if item.quality.missed
        else f"{_way(item)} misses the acceptance: {described(item.quality)}."
        for item in offered
    ]


def _advice(diagnosis: Diagnosis, chosen: Choice) -> str:
    if chosen.precision != diagnosis.precision or not as_it_is(chosen):
        return f"Use {_way(chosen)}."
    cheaper = [
        _way(item)
        for item in diagnosis.choices
        if item.quality.accepted and as_it_is(item) and _cost(item) < _cost(chosen)
    ]
    also = f" {cheaper[0]} is accepted, too, and modelled to be faster." if cheaper else ""
    if diagnosis.culprits:
        return f"{chosen.precision} is accepted in spite of what is wrong.{also}"
    return f"Nothing needs repair: {chosen.precision} is accepted as it is.{also}"


def _cost(choice: Choice) -> float:
    return choice.modelled_seconds or 0.0


def _way(choice: Choice) -> str:
    if choice.rewrite:
        return f"{choice.precision} with {choice.rewrite}"
    hosted = [*choice.host_operators, *choice.host_nodes]
    return f"{choice.precision} with {', '.join(hosted)} on the host" if hosted else choice.precision


def error_table(errors: Sequence[NodeErrors]) -> list[str]:
    """Return the errors of all nodes: corresponding nodes of parallel branches together, then all others."""
    rows, alone = side_by_side(errors)
    if rows and len(rows[0]) == SIDE_BY_SIDE:
        return [*_parallel(rows), *(["", *_listed(alone)] if alone else [])]
    return _listed([*(item for row in rows for item in row), *alone])


def _parallel(rows: Sequence[tuple[NodeErrors, ...]]) -> list[str]:
    short = ("node", "own", "inherited", "chained", "own / bound")
    headings = [f"{head} {item.branch}" for item in rows[0] for head in short]
    return aligned([headings, *([text for item in row for text in _short(item)] for row in rows)])


def _short(item: NodeErrors) -> tuple[str, ...]:
    return (item.node, *map(number, (item.own, item.inherited, item.chained, item.excess)))


def _listed(items: Sequence[NodeErrors]) -> list[str]:
    rows: list[tuple[str, ...]] = [("node", "branch", *HEADINGS)]
    for item in items:
        figures = (item.own, item.attainable, item.inherited, item.chained, item.amplification, item.excess)
        rows.append((item.node, item.branch, *map(number, figures)))
    return aligned(rows)


def number(value: float | None) -> str:
    """Return a figure in few characters."""
    if value is None:
        return NONE
    return f"{value:.2e}" if value and not 1e-2 <= value < 1e4 else f"{value:.3g}"
