"""What a piece of evidence is, when a loss is worth stating, and how figures are written in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Doubles = NDArray[np.float64]

Kind = Literal[
    "overflow",
    "stagnation",
    "accumulated rounding",
    "underflow",
    "cancellation",
    "magnification",
    "quantisation step",
    "saturation",
    "outliers",
    "uneven channels",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

HALF_ROUNDOFF = 2.0**-11
"""Largest relative error of one rounding to a normal half."""

NOTICEABLE = 0.01
"""Relative error (RMS) from which on a loss is stated: 40 dB, what networks' outputs are commonly held to."""

EIGHT_ROUNDOFFS = 8 * HALF_ROUNDOFF
"""Relative error (RMS) from which on a loss by half arithmetic is stated.

A device that rounds once per operator stays below one roundoff; three bits more are an operator's own error,
even where the network bears them.
"""

LEAST_ROWS = 16
"""A channel of fewer values is not looked at by itself: the RMS of a few says nothing."""


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that makes a node lose accuracy at a precision, mostly true of its golden's own numbers.

    Attributes:
        node: the node.
        kind: what it is, mostly one of :data:`KINDS`.
        sentence: plain English with the figures.
        figures: the figures by name, finite.
        strength: how many times over its limit it is, at least 1; the limit of most kinds is a relative
            error, so that strengths of different kinds can be compared. Not written down.
    """

    node: str
    kind: str
    sentence: str
    figures: dict[str, float | int | str]
    strength: float = 0.0


def size_of(reason: Reason) -> float | None:
    """Return the relative error (RMS) that a cause makes where it makes most; None where it names none."""
    figures = {name: float(value) for name, value in reason.figures.items() if not isinstance(value, str)}
    for name in ("relative_error", "rounding"):
        if name in figures:
            return figures[name]
    for name in ("snr_db", "snr_db_median_channel"):
        if name in figures:
            return float(10 ** (-figures[name] / 20))
    return None


class Tensor(NamedTuple):
    """A tensor and what a sentence calls it, such as ``the output``; its values are not empty."""

    role: str
    values: Array


def by_channel(values: Array) -> Array:
    """Return ``values`` as (rows, channels), or as one column where a channel has few values."""
    rows = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    return rows if len(rows) >= LEAST_ROWS else values.reshape(-1, 1)


def energy(rows: Array) -> Doubles:
    """Return the sum of squares of every column, in float64."""
    return np.asarray(np.square(rows, dtype=np.float64).sum(axis=0))


def relative(error: Doubles | float, signal: Doubles | float) -> Doubles:
    """Return sqrt(error / signal) of two energies, 0 where there is no signal."""
    errors, signals = np.broadcast_arrays(np.asarray(error, np.float64), np.asarray(signal, np.float64))
    ratios = np.divide(errors, signals, out=np.zeros(errors.shape), where=signals > 0)
    return np.asarray(np.sqrt(ratios))


def decibels(relative_error: float) -> float:
    """Return the signal-to-noise ratio in dB that a relative error above 0 is."""
    return float(-20 * np.log10(relative_error))


def in_channel(channel: int, channels: int) -> str:
    """Return `` in channel 5``, or nothing where there is only one."""
    return f" in channel {channel}" if channels > 1 else ""


def number(value: float) -> str:
    """Return three significant digits."""
    return f"{value:.3g}"


def percent(share: float) -> str:
    """Return a share with two digits, such as ``0.25 %`` or ``97 %``."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
