"""Operands that nearly cancel: their errors stay, the result that they are measured against shrinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.diagnosis.evidence.statement import (
    HALF_ROUNDOFF,
    NOTICEABLE,
    Evidence,
    by_channel,
    energy,
    in_channel,
    number,
    percent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.diagnosis.evidence.statement import Array, Doubles

ROUNDOFF = {16: HALF_ROUNDOFF, 32: 2.0**-24}
AMPLIFIED = 100.0
"""From here on it is stated at any precision: what comes in is as exact as 16-bit convolutions make it, about
1e-4, and 1e-4 becomes 1 %."""
MOST = 2.0**24
"""A golden's operands are float32 numbers, so more cancellation than this cannot be told from all."""


def amplification(operands: Sequence[Array], result: Array) -> Doubles:
    """Return sqrt(Σ|operands|²) / |result| per channel: by how much relative errors of the operands grow.

    Args:
        operands: what is added; broadcast to the result's shape.
        result: their sum, perhaps with signs.

    Returns:
        One factor per channel, or one where channels have few values; 1 for zeros, at most 2^24.
    """
    left = energy(by_channel(result))
    taken = np.sum([energy(by_channel(np.broadcast_to(item, result.shape))) for item in operands], axis=0)
    factors = np.divide(taken, left, out=np.full(left.shape, MOST**2), where=left * MOST**2 > taken)
    return np.where(taken > 0, np.sqrt(factors), 1.0)


def limit(float_bits: int) -> float:
    """Return from which factor on cancellation is stated: the operands' rounding alone makes 1 %."""
    return min(AMPLIFIED, NOTICEABLE / ROUNDOFF[float_bits])


def cancellation(node: str, operands: Sequence[Array], result: Array, float_bits: int) -> Evidence | None:
    """Say where the sum of ``operands`` is so much smaller than they are that their errors take over."""
    factors = amplification(operands, result)
    worst = int(factors.argmax())
    factor, over = float(factors[worst]), factors >= limit(float_bits)
    if not over.any():
        return None
    rounding = factor * ROUNDOFF[float_bits]
    return Evidence(
        "cancellation",
        node,
        f"The operands of {node} cancel: they are {number(factor)} times as large as the result"
        f"{in_channel(worst, factors.size)} (RMS), so their relative errors grow by as much; rounding them "
        f"to fp{float_bits} alone makes up to {percent(rounding)} of the result."
        + (f" So it is in {int(over.sum())} of {over.size} channels." if over.size > 1 else ""),
        {
            "amplification": factor,
            "worst_channel": worst,
            "channels_over": int(over.sum()),
            "channels": factors.size,
            "rounding": rounding,
        },
        factor / limit(float_bits),
    )
