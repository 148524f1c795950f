"""What fixed point does to a tensor: its step against the tensor's spread, and what is clamped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conformance.diagnosis.evidence.statement import (
    NOTICEABLE,
    Evidence,
    decibels,
    number,
    percent,
    relative,
)
from conformance.numerics.fixed_point import limits

if TYPE_CHECKING:
    from conformance.diagnosis.evidence.statement import Array, Doubles

COMPARED_BITS = 16


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
        zeroed=int(np.count_nonzero((magnitudes < 0.5) & (magnitudes > 0))),  # noqa: PLR2004 - half a step
    )


def coarse_step(node: str, tensor: FixedPointTensor, found: Rounding) -> Evidence | None:
    """Say how coarse one step is where rounding alone costs a tensor 1 % or more."""
    error = found.relative_noise
    if error < NOTICEABLE:
        return None
    step, spread = 1 / tensor.scale, float(np.std(tensor.rows, dtype=np.float64))
    in_spreads = step / (spread or math.sqrt(found.signal.sum() / tensor.rows.size) * step)
    zeroed = found.zeroed / max(int(np.count_nonzero(tensor.rows)), 1)
    finer = _wider(tensor, error)
    return Evidence(
        "quantisation step",
        node,
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


def saturation(node: str, tensor: FixedPointTensor, found: Rounding) -> Evidence | None:
    """Say how much of a tensor is clamped: its scale was made from smaller numbers."""
    if not found.clamped:
        return None
    _, high = limits(tensor.bits, "full")
    error = float(relative(found.clamped_energy, found.signal.sum()))
    share = found.clamped / tensor.rows.size
    return Evidence(
        "saturation",
        node,
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
