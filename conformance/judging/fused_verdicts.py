"""Outputs of the whole network, held to what right devices of the precision reach along it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from conformance.judging.bounds import FLOAT32_ROUNDOFF
from conformance.judging.comparison import distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.judging.bounds import ErrorValues
    from conformance.judging.comparison import Comparison
    from conformance.judging.verdicts import Verdict

ALONG = "along the whole network"
MULTIPLE = 3.0
"""Of a right device's error: its own, and what two right devices differ by, which is up to 1.2 times it."""
SPREAD = 5.0
"""How far a root mean square of n errors goes beyond its expectation: 1 + 5 / sqrt(n), or less.

Source: B. Laurent, P. Massart, "Adaptive estimation of a quadratic functional by model selection", Ann.
Statist. 28 (2000), 1302-1338, lemma 1: 4 in a million beyond.
"""


def held_to_right(
    verdict: Verdict,
    comparisons: Sequence[Comparison],
    reached: ErrorValues,
    precision: str,
    golden_square: float = 0.0,
) -> Verdict:
    """Return the verdict on an output with what is wrong with its errors beside those of right devices.

    Args:
        verdict: on its acceptance.
        comparisons: one per run.
        reached: the largest errors of right devices on any sample.
        precision: its name.
        golden_square: mean square of the golden. Right devices may all have luck, as where a Softmax is
            certain: an error is never held to less than what rounding the golden to float32 may come to.
    """
    ideal = math.sqrt(max(reached.mse, FLOAT32_ROUNDOFF**2 * golden_square))
    reasons = [reason for item in comparisons if (reason := _beyond(item, ideal, precision))]
    return msgspec.structs.replace(
        verdict,
        outcome="deviates" if reasons else verdict.outcome,
        reasons=[*verdict.reasons, *reasons],
        cost=reached,
    )


def _beyond(item: Comparison, ideal: float, precision: str) -> str:
    """Return the sentence for an error that is larger than that of any right device, or ''."""
    if item.metrics is None or not item.elements:
        return ""
    multiple = MULTIPLE * (1 + SPREAD / math.sqrt(item.elements))
    found = math.sqrt(item.metrics.mse)
    if found <= multiple * ideal:
        return ""
    texts = distinct(found, ideal)
    return (
        f"{item.where} has a root mean square error of {texts[0]}, an ideal {precision} device {texts[1]} "
        f"{ALONG}; at most {multiple:.3g} times that is right"
    )


def is_of_right_devices(reason: str) -> bool:
    """Return whether a sentence is about what right devices reach, whatever is accepted."""
    return ALONG in reason
