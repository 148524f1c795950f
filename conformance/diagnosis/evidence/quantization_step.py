"""What fixed point costs: the step, saturation, and what stretches the one scale of a tensor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conformance.diagnosis.evidence.statement import NOTICEABLE, Reason, decibels, number, percent, relative
from conformance.numerics.fixed_point import limits

if TYPE_CHECKING:
    from conformance.diagnosis.evidence.statement import Array, Doubles

COMPARED_BITS = 16

QUANTILE = 0.999

LEAST_VALUES = 1000
"""Of fewer values the 99.9 % quantile is the largest one."""

LEAST_CHANNELS = 3

LEAST_ROWS = 8
"""The range of a channel of fewer values says nothing; a depthwise filter of 3 x 3 has 9."""

STRETCHED = 4.0
"""A range four times that of nearly all values is stated: it costs them two bits. Normal and exponential
distributions of millions of values stay at 1.6 and 2.3 times their quantile."""


class FixedPointTensor(NamedTuple):
    """A tensor that is rounded to fixed point.

    Attributes:
        role: ``input`` or ``filter``.
        rows: its values, (rows, channels).
        scale: x · scale is rounded to integers.
        bits: of the integers.
    """

    role: str
    rows: Array
    scale: float
    bits: int


class Rounding(NamedTuple):
    """What rounding to fixed point does; energies are in squared steps.

    Attributes:
        signal, noise: energy of each channel, and of what rounding changes in it, clamping left out.
        clamped_energy, clamped: energy of what clamping cuts off, and how many values it does.
        largest: largest |x · scale|.
        zeroed: how many values that are not 0 become 0.
    """

    signal: Doubles
    noise: Doubles
    clamped_energy: float
    clamped: int
    largest: float
    zeroed: int

    @property
    def relative_noise(self) -> float:
        """Rounding noise relative to the whole tensor."""
        return float(relative(self.noise.sum(), self.signal.sum()))


def rounding(tensor: FixedPointTensor) -> Rounding:
    """Return what rounding to integers of ``bits`` bits does to a tensor."""
    scaled = tensor.rows * np.float32(tensor.scale)
    magnitudes = np.abs(scaled)
    low, high = limits(tensor.bits, "full")
    beyond = scaled[(scaled >= high + 0.5) | (scaled < low - 0.5)].astype(np.float64)
    return Rounding(
        signal=np.square(scaled, dtype=np.float64).sum(axis=0),
        noise=np.square(np.rint(scaled) - scaled, dtype=np.float64).sum(axis=0),
        clamped_energy=float(np.square(beyond - np.clip(beyond, low, high)).sum()),
        clamped=int(beyond.size),
        largest=float(magnitudes.max()),
        zeroed=int(np.count_nonzero((magnitudes < 0.5) & (magnitudes > 0))),
    )


def coarse_step(node: str, tensor: FixedPointTensor, found: Rounding) -> Reason | None:
    """Say how coarse one step is where rounding alone costs a tensor 1 % or more."""
    error = found.relative_noise
    if error < NOTICEABLE:
        return None
    step, spread = 1 / tensor.scale, float(np.std(tensor.rows, dtype=np.float64))
    in_spreads = step / (spread or math.sqrt(found.signal.sum() / tensor.rows.size) * step)
    zeroed = found.zeroed / max(int(np.count_nonzero(tensor.rows)), 1)
    finer = _wider(tensor, error)
    return Reason(
        node,
        "quantisation step",
        f"One step of int{tensor.bits} is {number(in_spreads)} standard deviations of the {tensor.role} of "
        f"{node}: signal to quantisation noise is {decibels(error):.1f} dB"
        + (f" (at int16 it would be {finer['snr_db_int16']:.1f} dB)" if finer else "")
        + f", and {percent(zeroed)} of the values that are not 0 become 0.",
        {
            "tensor": tensor.role,
            "bits": tensor.bits,
            "step": step,
            "step_in_standard_deviations": in_spreads,
            "snr_db": decibels(error),
            **finer,
            "zeroed_share": zeroed,
            "largest_level": found.largest,
        },
        error / NOTICEABLE,
    )


def _wider(tensor: FixedPointTensor, error: float) -> dict[str, float]:
    """Return the signal-to-noise ratio of 16 bits over the same range, for a tensor of fewer."""
    if tensor.bits >= COMPARED_BITS:
        return {}
    finer = (2 ** (COMPARED_BITS - 1) - 1) / (2 ** (tensor.bits - 1) - 1)
    wide = rounding(tensor._replace(scale=tensor.scale * finer, bits=COMPARED_BITS))
    return {"snr_db_int16": decibels(wide.relative_noise or error / finer)}


def saturation(node: str, tensor: FixedPointTensor, found: Rounding) -> Reason | None:
    """Say how much of a tensor is clamped: its scale was made from smaller numbers."""
    if not found.clamped:
        return None
    _, high = limits(tensor.bits, "full")
    error = float(relative(found.clamped_energy, found.signal.sum()))
    share = found.clamped / tensor.rows.size
    return Reason(
        node,
        "saturation",
        f"{percent(share)} of the {tensor.role} of {node} lies beyond the largest int{tensor.bits} number: "
        f"its scale, {number(tensor.scale)}, is too large and takes it to {number(found.largest)}, where "
        f"{high} is the most. Clamped, the tensor is {percent(error)} wrong (RMS).",
        {
            "tensor": tensor.role,
            "bits": tensor.bits,
            "scale": tensor.scale,
            "share": share,
            "largest_level": found.largest,
            "relative_error": error,
        },
        max(found.largest / high, error / NOTICEABLE),
    )


def outliers(node: str, tensor: FixedPointTensor, found: Rounding) -> Reason | None:
    """Say which few values stretch the range, where rounding costs the tensor 1 % or more."""
    magnitudes = np.abs(tensor.rows[tensor.rows != 0])
    if magnitudes.size < LEAST_VALUES or found.relative_noise < NOTICEABLE:
        return None
    at = int(QUANTILE * (magnitudes.size - 1))
    quantile, largest = float(np.partition(magnitudes, at)[at]), float(magnitudes.max())
    ratio = largest / quantile
    if ratio < STRETCHED:
        return None
    count = int(np.count_nonzero(magnitudes > quantile))
    clamped = _error_when_clamped(magnitudes, quantile, found, ratio)
    return Reason(
        node,
        "outliers",
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


def _error_when_clamped(magnitudes: Array, quantile: float, found: Rounding, ratio: float) -> float:
    """Return the relative error with ``quantile`` as the range: a finer step, and what is cut off."""
    signal = float(np.square(magnitudes, dtype=np.float64).sum())
    cut = float(np.square(magnitudes[magnitudes > quantile] - np.float64(quantile)).sum())
    return float(np.hypot(found.relative_noise / ratio, relative(cut, signal)))


def uneven_channels(node: str, tensor: FixedPointTensor, found: Rounding) -> Reason | None:
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
    return Reason(
        node,
        "uneven channels",
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
