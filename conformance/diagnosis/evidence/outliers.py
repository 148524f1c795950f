"""What stretches the one scale of a tensor: a few large values, or a few large channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.diagnosis.evidence.statement import (
    NOTICEABLE,
    Evidence,
    decibels,
    number,
    relative,
)

if TYPE_CHECKING:
    from conformance.diagnosis.evidence.quantization_step import FixedPointTensor, Rounding
    from conformance.diagnosis.evidence.statement import Array

QUANTILE = 0.999
LEAST_VALUES = 1000
"""Of fewer values the 99.9 % quantile is the largest one."""
LEAST_CHANNELS = 3
LEAST_ROWS = 8
"""The range of a channel of fewer values says nothing; a depthwise filter of 3 x 3 has 9."""
STRETCHED = 4.0
"""A range four times that of nearly all values is stated: it costs them two bits. Normal and exponential
distributions of millions of values stay at 1.6 and 2.3 times their quantile."""


def outliers(node: str, tensor: FixedPointTensor, found: Rounding) -> Evidence | None:
    """Say which few values stretch the range, where rounding costs the tensor 1 % or more."""
    magnitudes = np.abs(tensor.rows[tensor.rows != 0])
    if magnitudes.size < LEAST_VALUES or found.relative_noise < NOTICEABLE:
        return None
    quantile, largest = _quantile(magnitudes), float(magnitudes.max())
    ratio = largest / quantile
    if ratio < STRETCHED:
        return None
    count = int(np.count_nonzero(magnitudes > quantile))
    clamped = _error_when_clamped(magnitudes, quantile, found, ratio)
    return Evidence(
        "outliers",
        node,
        f"A few values stretch the scale of the {tensor.role} of {node}: the largest, {number(largest)}, is "
        f"{number(ratio)} times the 99.9 % quantile of |x|, {number(quantile)}. With {count} of "
        f"{tensor.rows.size} values clamped to it, signal to quantisation noise would be about "
        f"{decibels(clamped):.1f} dB instead of {decibels(found.relative_noise):.1f} dB.",
        {
            "tensor": tensor.role,
            "largest": largest,
            "quantile": quantile,
            "ratio": ratio,
            "count": count,
            "snr_db": decibels(found.relative_noise),
            "snr_db_clamped": decibels(clamped),
        },
        ratio / STRETCHED,
    )


def _quantile(magnitudes: Array) -> float:
    at = int(QUANTILE * (magnitudes.size - 1))
    return float(np.partition(magnitudes, at)[at])


def _error_when_clamped(magnitudes: Array, quantile: float, found: Rounding, ratio: float) -> float:
    """Return the relative error with ``quantile`` as the range: a finer step, and what is cut off."""
    signal = float(np.square(magnitudes, dtype=np.float64).sum())
    cut = float(np.square(magnitudes[magnitudes > quantile] - np.float64(quantile)).sum())
    return float(np.hypot(found.relative_noise / ratio, relative(cut, signal)))


def uneven_channels(node: str, tensor: FixedPointTensor, found: Rounding) -> Evidence | None:
    """Say which channel stretches the range, where the middle one then loses 1 % or more to rounding."""
    used = found.signal > 0
    if used.sum() < LEAST_CHANNELS or len(tensor.rows) < LEAST_ROWS:
        return None
    ranges = np.abs(tensor.rows).max(axis=0).astype(np.float64)
    widest, typical = int(ranges.argmax()), float(np.median(ranges[used]))
    ratio = float(ranges[widest] / typical)
    error = float(np.median(relative(found.noise, found.signal)[used]))
    if ratio < STRETCHED or error < NOTICEABLE:
        return None
    narrow = int(np.sum(ranges[used] * STRETCHED <= ranges[widest]))
    return Evidence(
        "uneven channels",
        node,
        f"Channel {widest} of the {tensor.role} of {node} reaches {number(float(ranges[widest]))}, "
        f"{number(ratio)} times the median channel, and all share one scale: {narrow} of {int(used.sum())} "
        f"channels use a quarter of the range or less, and signal to quantisation noise of the median "
        f"channel is {decibels(error):.1f} dB.",
        {
            "tensor": tensor.role,
            "channel": widest,
            "largest": float(ranges[widest]),
            "median": typical,
            "ratio": ratio,
            "narrow_channels": narrow,
            "channels": int(used.sum()),
            "snr_db_median_channel": decibels(error),
        },
        ratio / STRETCHED,
    )
