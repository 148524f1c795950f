"""Functions that make errors larger: reciprocals of next to nothing, exponentials of large numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.diagnosis.evidence.statement import (
    HALF_ROUNDOFF,
    NOTICEABLE,
    Evidence,
    energy,
    number,
    percent,
    relative,
)

if TYPE_CHECKING:
    from conformance.diagnosis.evidence.statement import Array

UNEVEN = 10.0
"""A factor ten times the median is stated: of the 40 dB that a network needs, it costs what it scales 20."""
LEAST_FACTORS = 8
"""Of fewer factors the median says nothing."""


def large_factors(node: str, divisors: Array, power: float) -> Evidence | None:
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
    return Evidence(
        "magnification",
        node,
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


def large_exponents(node: str, exponents: Array, result: Array) -> Evidence | None:
    """Say what rounding the arguments of an exponential to half does: exp(x (1 + u)) is exp(x) (1 + x u)."""
    grown = np.abs(exponents, dtype=np.float64) * result * HALF_ROUNDOFF
    error = float(relative(energy(grown.reshape(-1)), energy(result.reshape(-1))))
    if error < NOTICEABLE:
        return None
    largest = float(np.abs(exponents).max())
    return Evidence(
        "magnification",
        node,
        f"The exponents of {node} reach {number(largest)}; rounding them to half changes the result by up to "
        f"{percent(error)} (RMS).",
        {"largest": largest, "relative_error": error},
        error / NOTICEABLE,
    )
