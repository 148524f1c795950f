"""What repairs a network, in words: a table of what was run, and the settings to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.diagnosis.quality import described
from conformance.diagnosis.repairs import hosts, settings
from conformance.report.table import NONE, aligned, without_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.diagnosis.model import Choice, Diagnosis, Quality
    from conformance.judging.verdicts import Acceptance

HEADINGS = ("precision", "left to the host", "cosine", "PSNR dB", "right", "modelled ms", "accepted")


def repair_lines(diagnosis: Diagnosis, acceptance: Acceptance) -> list[str]:
    """Return what was run to find a repair, what misses the acceptance, and what to use."""
    choices = diagnosis.choices
    if not choices:
        return ["The fused network was not run, so nothing can be said of what repairs it."]
    text = [
        "What was run, the best first (modelled: the least time of one core, by its roofline):",
        *aligned(without_empty([HEADINGS, *map(_row, choices)], "right")),
        "",
    ]
    if diagnosis.recommended is None:
        return [*text, f"None of these reaches {acceptance.in_words}, so none of them repairs it."]
    chosen = choices[diagnosis.recommended]
    advice = f"{_advice(diagnosis, chosen)} Settings of Cambricon's TensorFlow, before it is imported:"
    return [*text, *_misses(choices), advice, *(f"    {line}" for line in settings(chosen))]


def _row(choice: Choice) -> tuple[str, ...]:
    quality, seconds = choice.quality, choice.modelled_seconds
    accepted = "yes" if quality.accepted else "no"
    return (
        choice.precision,
        ", ".join([*choice.host_operators, *choice.host_nodes]) or NONE,
        NONE if quality.cosine is None else f"{quality.cosine:.7f}",
        _decibels(quality),
        NONE if quality.answers is None else f"{quality.answers:.1%}",
        NONE if seconds is None else f"{seconds * 1e3:.3g}",
        accepted if quality.offered else "not offered",
    )


def _decibels(quality: Quality) -> str:
    if quality.psnr is None:
        return "exact" if quality.accepted else NONE
    return f"{quality.psnr:.1f}"


def _misses(choices: Sequence[Choice]) -> list[str]:
    offered = [item for item in choices if item.quality.offered and not item.quality.accepted]
    return [f"{_way(item)} misses the acceptance: {described(item.quality)}." for item in offered]


def _advice(diagnosis: Diagnosis, chosen: Choice) -> str:
    if chosen.precision != diagnosis.precision or hosts(chosen):
        return f"Use {_way(chosen)}."
    cheaper = [
        _way(item)
        for item in diagnosis.choices
        if item.quality.accepted and not hosts(item) and _cost(item) < _cost(chosen)
    ]
    also = f" {cheaper[0]} is accepted, too, and modelled to be faster." if cheaper else ""
    if diagnosis.culprits:
        return f"{chosen.precision} is accepted in spite of what is wrong.{also}"
    return f"Nothing needs repair: {chosen.precision} is accepted as it is.{also}"


def _cost(choice: Choice) -> float:
    return choice.modelled_seconds or 0.0


def _way(choice: Choice) -> str:
    hosted = [*choice.host_operators, *choice.host_nodes]
    return f"{choice.precision} with {', '.join(hosted)} on the host" if hosted else choice.precision
