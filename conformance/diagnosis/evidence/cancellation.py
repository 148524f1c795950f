"""Where errors grow: differences of near-equal numbers, reciprocals of small ones, large exponents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.diagnosis.evidence.statement import (
    HALF_ROUNDOFF,
    NOTICEABLE,
    Reason,
    by_channel,
    energy,
    in_channel,
    number,
    percent,
    relative,
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

UNEVEN = 10.0
"""A factor ten times the median is stated: of the 40 dB that a network needs, it costs what it scales 20."""

LEAST_FACTORS = 8
"""Of fewer factors the median says nothing."""


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


def cancellation(node: str, operands: Sequence[Array], result: Array, float_bits: int) -> Reason | None:
    """Say where the sum of ``operands`` is so much smaller than they are that their errors take over."""
    factors = amplification(operands, result)
    worst = int(factors.argmax())
    factor, over = float(factors[worst]), factors >= limit(float_bits)
    if not over.any():
        return None
    rounding = factor * ROUNDOFF[float_bits]
    return Reason(
        node,
        "cancellation",
        f"The operands of {node} cancel: they are {number(factor)} times as large as the result"
        f"{in_channel(worst, factors.size)} (RMS), so their relative errors grow by as much; rounding them "
        f"to fp{float_bits} alone makes up to {percent(rounding)} of the result."
        + (f" This affects {int(over.sum())} of {over.size} channels." if over.size > 1 else ""),
        {
            "amplification": factor,
            "worst_channel": worst,
            "channels_over": int(over.sum()),
            "channels": factors.size,
            "rounding": rounding,
        },
        factor / limit(float_bits),
    )


def large_factors(node: str, divisors: Array, power: float) -> Reason | None:
    """Say where x^-``power`` is far larger than elsewhere in the tensor.

    Errors of the same size everywhere, as fixed point with one scale makes them, are blown up there.
    """
    magnitudes = np.abs(divisors, dtype=np.float64).reshape(-1)
    if magnitudes.size < LEAST_FACTORS or not magnitudes.all():
        return None
    factors = magnitudes**-power
    largest, typical = int(factors.argmax()), float(np.median(factors))
    ratio = float(factors[largest] / typical)
    if ratio < UNEVEN:
        return None
    count = int(np.sum(factors >= UNEVEN * typical))
    return Reason(
        node,
        "magnification",
        f"{node} turns {number(float(magnitudes[largest]))} into {number(float(factors[largest]))}, "
        f"{number(ratio)} times its median: what it scales there, errors included, grows by as much more. "
        f"{count} of {factors.size} values are {UNEVEN:g} times the median or more.",
        {
            "divisor": float(magnitudes[largest]),
            "factor": float(factors[largest]),
            "median_factor": typical,
            "ratio": ratio,
            "position": largest,
            "count": count,
        },
        ratio / UNEVEN,
    )


def large_exponents(node: str, exponents: Array, result: Array) -> Reason | None:
    """Say what rounding the arguments of an exponential to half does: exp(x (1 + u)) is exp(x) (1 + x u)."""
    grown = np.abs(exponents, dtype=np.float64) * result * HALF_ROUNDOFF
    error = float(relative(energy(grown.reshape(-1)), energy(result.reshape(-1))))
    if error < NOTICEABLE:
        return None
    largest = float(np.abs(exponents).max())
    return Reason(
        node,
        "magnification",
        f"The exponents of {node} reach {number(largest)}; rounding them to half changes the result by up to "
        f"{percent(error)} (RMS).",
        {"largest": largest, "relative_error": error},
        error / NOTICEABLE,
    )
