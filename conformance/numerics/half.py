"""Rounding to half floats (IEEE binary16) under the choices that accelerators differ in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rounding = Literal["ties-away", "ties-even", "toward-zero"]
Overflow = Literal["saturate", "inf"]
Tiny = Literal["smallest", "nearest"]

LARGEST_HALF = 65504.0
SMALLEST_HALF = 2.0**-24
SMALLEST_NORMAL_HALF = 2.0**-14


class _Layout(NamedTuple):
    """How a float type is laid out, as far as dropping its last fraction bits needs it."""

    unsigned: type[np.unsignedinteger[Any]]
    fraction_bits: int


_LAYOUTS = {np.dtype(np.float32): _Layout(np.uint32, 23), np.dtype(np.float64): _Layout(np.uint64, 52)}
_HALF_FRACTION_BITS = 10


def round_to_half(
    x: NDArray[np.floating[Any]], *, rounding: Rounding, overflow: Overflow, tiny: Tiny
) -> NDArray[np.floating[Any]]:
    """Round every value to a half float, exactly, and keep the dtype.

    Args:
        x: any shape, float32 or float64.
        rounding: to the nearest half, where a value in the middle of two goes away from zero or to the even
            one; or to the nearest one ``toward-zero``.
        overflow: beyond 65504 after rounding (from 65520 on, if to nearest) and infinities give ±65504
            (``saturate``) or ±Inf (``inf``, IEEE).
        tiny: 0 < abs(x) < 2^-24 gives ±2^-24 (``smallest``), or 0 or ±2^-24 by the rounding (``nearest``).

    Returns:
        An array of the shape and dtype of ``x``; NaN stays NaN, zeros keep their sign.

    Raises:
        ValueError: ``x`` is neither float32 nor float64, or a choice is unknown.

    Source: IEEE 754-2019 binary16; the choices of the MLU200 series (nearest, ties away, saturating, tiny
    values kept as 2^-24) are those of the host conversions in Cambricon's public mlu-ops.
    """
    x = np.asarray(x)
    _check(x, rounding, overflow, tiny)
    magnitude = np.abs(x).reshape(-1)
    rounded = _round_normals(magnitude, rounding)
    small = magnitude < SMALLEST_NORMAL_HALF
    if small.any():
        rounded[small] = _round_subnormals(magnitude[small], rounding, tiny)
    rounded[rounded > LARGEST_HALF] = LARGEST_HALF if overflow == "saturate" else np.inf
    rounded[np.isnan(magnitude)] = np.nan
    return np.asarray(np.copysign(rounded.reshape(x.shape), x))


def _check(x: NDArray[np.floating[Any]], rounding: str, overflow: str, tiny: str) -> None:
    if x.dtype not in _LAYOUTS:
        raise ValueError(f"rounding to half takes float32 or float64, not {x.dtype}")
    if rounding not in get_args(Rounding):
        raise ValueError(f"rounding is one of {', '.join(get_args(Rounding))}, not {rounding!r}")
    if overflow not in {"saturate", "inf"}:
        raise ValueError(f"overflow gives 'saturate' or 'inf', not {overflow!r}")
    if tiny not in {"smallest", "nearest"}:
        raise ValueError(f"tiny values go to the 'smallest' half or to the 'nearest', not {tiny!r}")


def _round_normals(magnitude: NDArray[np.floating[Any]], rounding: Rounding) -> NDArray[np.floating[Any]]:
    """Keep ten fraction bits; a carry runs into the exponent, which is the next binade's first half."""
    layout = _LAYOUTS[magnitude.dtype]
    dropped = layout.fraction_bits - _HALF_FRACTION_BITS
    unsigned = layout.unsigned
    bits = magnitude.view(unsigned)
    half_step = unsigned(1 << (dropped - 1))
    if rounding == "ties-away":
        bits = bits + half_step
    elif rounding == "ties-even":
        last_kept = (bits >> unsigned(dropped)) & unsigned(1)
        bits = bits + (half_step - unsigned(1)) + last_kept
    return np.asarray(((bits >> unsigned(dropped)) << unsigned(dropped)).view(magnitude.dtype))


def _round_subnormals(
    magnitude: NDArray[np.floating[Any]], rounding: Rounding, tiny: Tiny
) -> NDArray[np.floating[Any]]:
    """Round values below 2^-14 to multiples of 2^-24."""
    steps = magnitude * magnitude.dtype.type(1 / SMALLEST_HALF)  # exact: a power of two
    if rounding == "ties-even":
        rounded = np.rint(steps)
    else:
        whole = np.floor(steps)
        rounded = whole + (steps - whole >= 0.5) if rounding == "ties-away" else whole
    if tiny == "smallest":
        rounded[(steps > 0) & (steps < 1)] = 1
    return np.asarray(rounded * SMALLEST_HALF, dtype=magnitude.dtype)
