"""What a half cannot hold: magnitudes beyond 65504, and ones so small that their digits are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.diagnosis.evidence.statement import (
    EIGHT_ROUNDOFFS,
    HALF_ROUNDOFF,
    NOTICEABLE,
    Reason,
    Tensor,
    by_channel,
    energy,
    in_channel,
    number,
    percent,
    relative,
)
from conformance.numerics.half import LARGEST_HALF, SMALLEST_HALF, SMALLEST_NORMAL_HALF, round_to_half

if TYPE_CHECKING:
    from conformance.diagnosis.evidence.statement import Array, Doubles

OVERFLOWS_FROM = 65520.0
"""From here on rounding leaves the finite halves; below, no half is nearer than 65504."""


def overflow(node: str, tensor: Tensor) -> Reason | None:
    """Say how much of a tensor lies beyond the largest half."""
    values = tensor.values
    largest = float(max(values.max(), -values.min()))
    if largest < OVERFLOWS_FROM:
        return None
    magnitudes = np.abs(values).reshape(-1)
    beyond = magnitudes[magnitudes >= OVERFLOWS_FROM].astype(np.float64)
    error = float(relative(energy(beyond - LARGEST_HALF), energy(magnitudes)))
    return Reason(
        node,
        "overflow",
        f"{beyond.size} of {values.size} values of {tensor.role} of {node} lie beyond 65504, where halves "
        f"end; the largest is {number(largest)}. Cut off there, the tensor is {percent(error)} wrong (RMS).",
        {
            "tensor": tensor.role,
            "largest": largest,
            "beyond": int(beyond.size),
            "share_beyond": beyond.size / values.size,
            "relative_error": error,
        },
        max(largest / LARGEST_HALF, error / NOTICEABLE),
    )


def underflow(node: str, tensor: Tensor) -> Reason | None:
    """Say where a tensor is so small that a half keeps fewer digits of its worst channel than it should."""
    lost = rounding_of_small(tensor.values)
    if not lost.any():
        return None
    rows = by_channel(tensor.values)
    errors = relative(energy(lost.reshape(rows.shape)), energy(rows))
    worst = int(errors.argmax())
    if errors[worst] < EIGHT_ROUNDOFFS:
        return None
    return Reason(
        node,
        "underflow",
        f"{_small_shares(node, tensor)} Stored in half, the tensor is at least {percent(errors[worst])} "
        f"wrong (RMS){in_channel(worst, errors.size)}.",
        {**_small_figures(tensor), "worst_channel": worst, "relative_error": float(errors[worst])},
        float(errors[worst] / EIGHT_ROUNDOFFS),
    )


def small_divisor(node: str, tensor: Tensor, power: float) -> Reason | None:
    """Say where digits of ``x`` are lost to subnormal halves, in an operator that computes x^-``power``.

    The smallest values make the largest results, so every element counts by itself.
    """
    lost = np.abs(rounding_of_small(tensor.values)).reshape(-1)
    if not lost.any():
        return None
    magnitudes = np.abs(tensor.values, dtype=np.float64).reshape(-1)
    errors = power * np.divide(lost, magnitudes, out=np.zeros(lost.shape), where=magnitudes > 0)
    worst = int(errors.argmax())
    if errors[worst] < EIGHT_ROUNDOFFS:
        return None
    count, value = int(np.sum(errors >= EIGHT_ROUNDOFFS)), float(tensor.values.reshape(-1)[worst])
    return Reason(
        node,
        "underflow",
        f"{_small_shares(node, tensor)} Stored in half, {count} of them make their results at least "
        f"{percent(EIGHT_ROUNDOFFS)} wrong; {number(value)} makes it {percent(errors[worst])}.",
        {
            **_small_figures(tensor),
            "count": count,
            "worst_value": value,
            "relative_error": float(errors[worst]),
        },
        float(errors[worst] / EIGHT_ROUNDOFFS),
    )


def small_addend(node: str, addend: Tensor, other: Tensor) -> Reason | None:
    """Say what becomes of a constant of one value below the normal halves that is added to a tensor.

    It matters where the other operand is as small; elsewhere it is lost in the sum, which is one rounding.
    """
    value = float(addend.values.flat[0])
    off = abs(float(rounding_of_small(addend.values).flat[0]))
    if not off or off < EIGHT_ROUNDOFFS * abs(value) or not (addend.values == value).all():
        return None
    others = np.abs(other.values, dtype=np.float64)
    half_steps = np.where(others > 0, np.ldexp(HALF_ROUNDOFF, np.frexp(others)[1] - 1), 0)
    lost, smallest = int(np.sum(abs(value) < half_steps)), float(others.min())
    error = off / (smallest + abs(value))
    return Reason(
        node,
        "underflow",
        f"The constant {number(value)} of {node} lies below 2^-14, where halves lose digits: as a half it "
        f"is at least {percent(off / abs(value))} off. Beside {lost} of {others.size} values it is lost; "
        f"beside the smallest, {number(smallest)}, it makes the result {percent(error)} wrong.",
        {
            "tensor": addend.role,
            "constant": value,
            "constant_error": off / abs(value),
            "lost": lost,
            "smallest": smallest,
            "relative_error": error,
        },
        max(1.0, error / EIGHT_ROUNDOFFS),
    )


def rounding_of_small(values: Array) -> Doubles:
    """Return x - half(x) where x lies below the normal halves, else 0.

    Rounding to the nearest errs least, so that a device which keeps tiny values as 2^-24 loses no less.
    """
    lost = np.zeros(values.shape)
    small = np.abs(values) < SMALLEST_NORMAL_HALF
    few = values[small].astype(np.float64)
    lost[small] = few - round_to_half(few, rounding="ties-even", overflow="saturate", tiny="nearest")
    return lost


def _small_figures(tensor: Tensor) -> dict[str, float | int | str]:
    magnitudes = np.abs(tensor.values)
    there = magnitudes > 0
    return {
        "tensor": tensor.role,
        "share_below_smallest": float(np.mean(there & (magnitudes < SMALLEST_HALF))),
        "share_below_normal": float(np.mean(there & (magnitudes < SMALLEST_NORMAL_HALF))),
    }


def _small_shares(node: str, tensor: Tensor) -> str:
    figures = _small_figures(tensor)
    return (
        f"{percent(float(figures['share_below_normal']))} of {tensor.role} of {node} lie below 2^-14, where "
        f"halves lose digits, {percent(float(figures['share_below_smallest']))} below 2^-24, where they end."
    )
