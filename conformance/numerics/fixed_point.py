"""Fixed point of n bits with one scale per tensor, as Cambricon's tensor unit takes it.

Source: the quantisation chapter of Cambricon's public mlu-ops user guide (position and scale) and the scales
in its public TensorFlow quantisation files (one scale, which is scale divided by 2^position).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rounding = Literal["half-away", "half-up"]
Range = Literal["full", "symmetric"]

_LEAST_BITS, _MOST_BITS = 2, 32
_SPLITTER = 2.0**27 + 1.0


def quantization_scale(max_abs: float, bits: int) -> float:
    """Return (2^(bits-1) - 1) / ``max_abs``, the scale of Cambricon's TensorFlow quantisation file.

    Raises:
        ValueError: ``max_abs`` is not finite and positive, is so small that the scale overflows, or ``bits``
            is out of 2..32.
    """
    _, largest = limits(bits, "symmetric")
    _check_max_abs(max_abs)
    if max_abs == 0:
        raise ValueError("a tensor of zeros (max |x| = 0) has no quantisation scale")
    scale = largest / max_abs
    if not math.isfinite(scale):
        raise ValueError(f"max |x| = {max_abs!r} is too small: its {bits}-bit quantisation scale overflows")
    return scale


def position_and_scale(max_abs: float, bits: int) -> tuple[int, float]:
    """Return the position p and the scale s that Cambricon's kernels take in place of one scale.

    p = floor(log2 max_abs) - (bits - 2); s = 2^p (2^(bits-1) - 1) / max_abs, so that s / 2^p is
    :func:`quantization_scale`. s lies in (1 - 2^(1-bits), 2): below 1 exactly when ``max_abs`` exceeds
    (2^(bits-1) - 1) 2^p, that is, in the last 2^(1-bits) of a binade.

    Returns:
        (p, s), and (0, 1.0) for ``max_abs`` 0.

    Raises:
        ValueError: ``max_abs`` is negative or not finite, or ``bits`` is out of 2..32.
    """
    _, largest = limits(bits, "symmetric")
    _check_max_abs(max_abs)
    if max_abs == 0:
        return 0, 1.0
    mantissa, exponent = math.frexp(max_abs)  # max_abs = mantissa 2^exponent, mantissa in [1/2, 1)
    position = exponent - 1 - (bits - 2)
    return position, math.ldexp(largest / mantissa, position - exponent)


def limits(bits: int, range_: Range) -> tuple[int, int]:
    """Return the smallest and the largest integer of ``bits`` bits.

    Args:
        bits: 2 to 32.
        range_: ``full`` is two's complement, -2^(n-1) to 2^(n-1)-1; ``symmetric`` leaves -2^(n-1) out.

    Raises:
        ValueError: ``bits`` or ``range_`` is none of these.
    """
    if not _LEAST_BITS <= bits <= _MOST_BITS:
        raise ValueError(f"fixed point has {_LEAST_BITS} to {_MOST_BITS} bits, not {bits}")
    if range_ not in {"full", "symmetric"}:
        raise ValueError(f"the range is 'full' or 'symmetric', not {range_!r}")
    largest = 2 ** (bits - 1) - 1
    return (-largest - 1 if range_ == "full" else -largest), largest


def quantize(
    x: NDArray[np.floating[Any]],
    scale: float,
    bits: int,
    *,
    rounding: Rounding = "half-away",
    range_: Range = "full",
) -> NDArray[np.int64]:
    """Return clamp(round(x · scale)), with the product as exact as in real numbers.

    Args:
        x: any shape, float16, float32 or float64; infinities clamp.
        scale: finite and positive; taken as the float64 it is.
        bits: 2 to 32.
        rounding: a product in the middle of two integers goes away from zero (``half-away``) or towards
            +infinity (``half-up``).
        range_: see :func:`limits`.

    Returns:
        int64 of the shape of ``x``.

    Raises:
        ValueError: ``x`` has a NaN or is not of a float type, ``scale`` is not finite and positive, or a
            choice is unknown.
    """
    low, high = limits(bits, range_)
    if rounding not in {"half-away", "half-up"}:
        raise ValueError(f"rounding is 'half-away' or 'half-up', not {rounding!r}")
    _check_scale(scale)
    wide = _as_float64(x)
    with np.errstate(over="ignore"):
        product = wide * scale
    # Clamping first keeps integers small; one step of slack leaves the last rounding to be decided exactly.
    rounded = _round(np.clip(product, low - 1.0, high + 1.0), wide, scale, rounding)
    return np.clip(rounded, low, high).astype(np.int64).reshape(np.shape(x))


def dequantize(q: NDArray[np.integer[Any]], scale: float) -> NDArray[np.float64]:
    """Return ``q`` / ``scale`` in float64, of the shape of ``q``.

    Raises:
        ValueError: ``scale`` is not finite and positive.
    """
    _check_scale(scale)
    return np.asarray(np.asarray(q).astype(np.float64) / scale)


def _check_max_abs(max_abs: float) -> None:
    if not (math.isfinite(max_abs) and max_abs >= 0):
        raise ValueError(f"the largest |x| of a tensor must be finite and not negative, not {max_abs!r}")


def _check_scale(scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"a quantisation scale must be finite and positive, not {scale!r}")


def _as_float64(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    values = np.asarray(x)
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError(f"only float values can be quantised, not {values.dtype}")
    wide = values.astype(np.float64).reshape(-1)
    if np.isnan(wide).any():
        raise ValueError("a tensor with NaN cannot be quantised")
    return wide


def _round(
    product: NDArray[np.float64], x: NDArray[np.float64], scale: float, rounding: Rounding
) -> NDArray[np.float64]:
    """Round to integers as if ``product`` were the exact x · scale.

    Only a float64 product that is exactly in the middle of two integers can have its side changed by what its
    own rounding lost: every other one is at least one of its units in the last place away from the middle,
    and the loss is at most half of one.
    """
    magnitude = np.abs(product)  # the fraction of a positive float is exact, that of a negative one is not
    below = np.floor(magnitude)
    fraction = magnitude - below
    up = fraction > 0.5
    middle = np.flatnonzero(fraction == 0.5)
    if middle.size:
        sign = np.sign(product[middle])
        lost = sign * _product_error_sign(x[middle], scale)
        tie_up = sign > 0 if rounding == "half-up" else True
        up[middle] = np.where(lost == 0, tie_up, lost > 0)
    return np.asarray(np.copysign(below + up, product))


def _product_error_sign(x: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Return the sign of (exact x · scale) - (float64 x · scale).

    Source: T. J. Dekker, A floating-point technique for extending the available precision, 1971 (TwoProduct),
    on the mantissas, so that nothing overflows.
    """
    left, _ = np.frexp(x)
    right, _ = math.frexp(scale)
    left_high, left_low = _split(left)
    right_high, right_low = _split(np.float64(right))
    product = left * right
    error = left_high * right_high - product
    error += left_high * right_low
    error += left_low * right_high
    error += left_low * right_low
    return np.asarray(np.sign(error))


def _split(value: Any) -> tuple[Any, Any]:
    """Return two floats of at most 26 bits whose sum is ``value``."""
    shifted = value * _SPLITTER
    high = shifted - (shifted - value)
    return high, value - high
