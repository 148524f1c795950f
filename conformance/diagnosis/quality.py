"""How good outputs are, in one figure that can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from conformance.diagnosis.model import Quality
from conformance.judging.verdicts import Reached

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.judging.findings import Finding
    from conformance.judging.verdicts import Acceptance

EXACT = 1e3
"""Decibels that stand for an exact output, whose PSNR is infinite."""
PLAINLY = 6.0
"""Decibels by which one output is plainly better than another: half the error."""


def quality_of(findings: Iterable[Finding], acceptance: Acceptance) -> Quality:
    """Return how good outputs are: the worst of them; one without a comparable result is not accepted."""
    listed = list(findings)
    reached = [item.verdict.reached for item in listed if item.verdict and item.verdict.reached]
    worst = Reached.worst(reached) if len(reached) == len(listed) else None
    return Quality(
        accepted=worst is not None and worst.meets(acceptance),
        offered=not any(item.state == "unsupported" for item in listed),
        **(msgspec.structs.asdict(worst) if worst else {}),
        reasons=list(dict.fromkeys(text for item in listed for text in _reasons(item))),
        notes=list(dict.fromkeys(note for item in listed if item.verdict for note in item.verdict.notes)),
        unmodelled=next((item.unmodelled for item in listed if item.unmodelled), ""),
    )


def _reasons(finding: Finding) -> list[str]:
    return list(finding.verdict.reasons) if finding.verdict else [finding.reason]


def decibels(quality: Quality) -> float:
    """Return the PSNR; of exact outputs a lot, of outputs that are no numbers nothing."""
    if quality.psnr is not None:
        return quality.psnr
    return EXACT if quality.accepted else 0.0


def plainly_worse(found: Quality, than: Quality) -> bool:
    """Return whether outputs are plainly worse than others, or no longer accepted."""
    if than.accepted:
        return not found.accepted
    return decibels(than) - decibels(found) > PLAINLY


def described(quality: Quality) -> str:
    """Return cosine, PSNR and right answers in words."""
    if not quality.offered:
        return "not offered by the device"
    if quality.cosine is None and quality.psnr is None:
        return "exact" if quality.accepted else "nothing that could be compared"
    return ", ".join(reached_by(quality).in_words)


def reached_by(quality: Quality) -> Reached:
    """Return the figures of a quality."""
    return Reached(cosine=quality.cosine, psnr=quality.psnr, answers=quality.answers)
