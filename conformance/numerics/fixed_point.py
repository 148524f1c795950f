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
FLOAT32_DIGITS = 24
"""Binary digits of a float32."""


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
    """Return clamp(round(x · scale)); the product of two float32 numbers is exact in float64.

    Args:
        x: any shape, float16 or float32; infinities clamp.
        scale: finite, positive, and of no more digits than a float32 has.
        bits: 2 to 32.
        rounding: a product in the middle of two integers goes away from zero (``half-away``) or towards
            +infinity (``half-up``).
        range_: see :func:`limits`.

    Returns:
        int64 of the shape of ``x``.

    Raises:
        ValueError: ``x`` has a NaN or is of another type, ``scale`` is not as said, or a choice is unknown.
    """
    low, high = limits(bits, range_)
    if rounding not in {"half-away", "half-up"}:
        raise ValueError(f"rounding is 'half-away' or 'half-up', not {rounding!r}")
    _check_scale(scale)
    with np.errstate(over="ignore"):
        product = np.clip(_as_float64(x) * scale, low - 1.0, high + 1.0)
    return np.asarray(np.clip(_round(product, rounding), low, high)).astype(np.int64)


def _check_max_abs(max_abs: float) -> None:
    if not (math.isfinite(max_abs) and max_abs >= 0):
        raise ValueError(f"the largest |x| of a tensor must be finite and not negative, not {max_abs!r}")


def _check_scale(scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"a quantisation scale must be finite and positive, not {scale!r}")
    if not math.ldexp(math.frexp(scale)[0], FLOAT32_DIGITS).is_integer():
        raise ValueError(f"a quantisation scale must be a float32, not {scale!r}, or no product is exact")


def _as_float64(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    values = np.asarray(x)
    if values.dtype not in (np.float16, np.float32):
        raise ValueError(f"only float32 and float16 values can be quantised, not {values.dtype}")
    if np.isnan(values).any():
        raise ValueError("a tensor with NaN cannot be quantised")
    return values.astype(np.float64)


def _round(product: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    """Round to integers; the fraction of a positive float is exact, that of a negative one is not."""
    magnitude = np.abs(product)
    below = np.floor(magnitude)
    fraction = magnitude - below
    tie_up = (fraction == 0.5) & ((product > 0) | (rounding == "half-away"))
    return np.asarray(np.copysign(below + ((fraction > 0.5) | tie_up), product))
