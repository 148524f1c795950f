"""Verdicts from figures that were kept: the same errors beside other bounds, or another acceptance.

Errors, and what an output reached, are the worst of all samples, and limits are limits of each sample: so
the worst decides, and nothing has to be computed again. Where there are no figures (a missing output, a wrong
shape, a NaN) the verdict does not depend on limits, and stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from conformance.judging.comparison import against, distinct
from conformance.judging.fused_verdicts import is_of_right_devices

if TYPE_CHECKING:
    from conformance.judging.bounds import ErrorValues
    from conformance.judging.verdicts import Acceptance, Reached, Verdict

_CRITERIA = {
    "max_abs": "largest error",
    "mse": "mean squared error",
    "worst_channel_mse": "mean squared error of the worst channel",
    "cosine_distance": "cosine distance",
}


def within_bounds(verdict: Verdict, bounds: ErrorValues) -> Verdict:
    """Return a verdict as it is with other bounds."""
    needed = verdict.needed
    if needed is None or bounds == verdict.bounds:
        return verdict
    reasons = [
        f"{name} {against(getattr(needed, field), getattr(bounds, field), '> bound')}"
        for field, name in _CRITERIA.items()
        if getattr(needed, field) > getattr(bounds, field)
    ]
    return _replaced(verdict, reasons, bounds=bounds)


def accepted(verdict: Verdict, acceptance: Acceptance) -> Verdict:
    """Return the verdict of an output as it is with another acceptance; what right devices reach stays."""
    if verdict.reached is None or acceptance == verdict.acceptance:
        return verdict
    reached = verdict.reached
    reasons = [reason for reason in verdict.reasons if is_of_right_devices(reason)]
    reasons += [] if reached.meets(acceptance) else _shortfalls(reached, acceptance)
    return _replaced(verdict, reasons, acceptance=acceptance)


def _shortfalls(reached: Reached, acceptance: Acceptance) -> list[str]:
    pairs = {
        name: (getattr(reached, name), getattr(acceptance, name)) for name in acceptance.__struct_fields__
    }
    below = {
        name: distinct(found, least)
        for name, (found, least) in pairs.items()
        if found is not None and least is not None and found < least
    }
    return [
        f"it reaches a {name} of {texts[0]}, but at least {texts[1]} is accepted"
        for name, texts in below.items()
    ]


def _replaced(verdict: Verdict, reasons: list[str], **held_to: object) -> Verdict:
    outcome = "deviates" if reasons else "conforms"
    return msgspec.structs.replace(verdict, outcome=outcome, reasons=reasons, **held_to)
