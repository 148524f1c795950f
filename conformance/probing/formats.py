"""Floating-point formats and their roundings, in NumPy's float64: what probes predict results with.

Independent of the emulator's kernels, which work on the bits of floats: here a number is divided by the step
of the format around it, and what is left decides.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

Rounding = Literal["ties-even", "ties-away", "toward-zero", "down", "up"]
Overflow = Literal["saturate", "inf"]
Tiny = Literal["nearest", "smallest", "zero"]

ROUNDINGS: tuple[Rounding, ...] = ("ties-even", "ties-away", "toward-zero", "down", "up")


@dataclasses.dataclass(frozen=True)
class Format:
    """A binary floating-point format with the way in which numbers become it.

    Attributes:
        digits: significant binary digits.
        least: exponent of the smallest normal number.
        most: exponent of the largest numbers.
        rounding: which of two neighbours a number becomes.
        overflow: what is too large becomes: the largest number, or infinite.
        tiny: what lies below the smallest subnormal becomes: as it is rounded; the smallest one; and with
            ``zero`` all subnormals are zeros.
    """

    digits: int
    least: int
    most: int
    rounding: Rounding = "ties-even"
    overflow: Overflow = "inf"
    tiny: Tiny = "nearest"

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return float(np.ldexp(2.0 - np.ldexp(1.0, 1 - self.digits), self.most))

    @property
    def smallest(self) -> float:
        """The smallest subnormal number."""
        return float(np.ldexp(1.0, self.least + 1 - self.digits))

    def round(self, x: Any) -> Doubles:
        """Return ``x``, any finite or infinite float64, in this format; NaN and the sign of zeros stay."""
        values = np.asarray(x, np.float64)
        with np.errstate(all="ignore"):
            exponents = np.maximum(np.frexp(values)[1] - 1, self.least) - (self.digits - 1)
            steps = np.ldexp(1.0, np.where(np.isfinite(values), exponents, 0))
            rounded = np.copysign(_whole(values / steps, self.rounding) * steps, values)
            magnitudes = np.abs(values)
            if self.tiny == "smallest":
                below = (magnitudes > 0) & (magnitudes < self.smallest)
                rounded = np.where(below, np.copysign(self.smallest, values), rounded)
            if self.tiny == "zero":
                subnormal = np.abs(rounded) < np.ldexp(1.0, self.least)
                rounded = np.where(subnormal, np.copysign(0.0, values), rounded)
            beyond = np.where(self._stays_finite(values), self.largest, np.inf)
            rounded = np.where(np.abs(rounded) > self.largest, np.copysign(beyond, values), rounded)
        return np.where(np.isnan(values), values, rounded)

    def _stays_finite(self, values: Doubles) -> Any:
        """Return where what is too large becomes the largest number: rounded down, it never is infinite."""
        if self.overflow == "saturate":
            return True
        finite = np.isfinite(values)
        return {"down": finite & (values > 0), "up": finite & (values < 0)}.get(self.rounding, False)


def _whole(x: Doubles, rounding: Rounding) -> Doubles:
    """Return the whole numbers that ``x``, below 2^53, is rounded to."""
    if rounding == "ties-even":
        return np.asarray(np.rint(x))
    if rounding == "ties-away":
        whole = np.trunc(x)
        return np.asarray(whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0.0))
    towards = {"toward-zero": np.trunc, "down": np.floor, "up": np.ceil}[rounding]
    return np.asarray(towards(x))


HALF = Format(11, -14, 15)
SINGLE = Format(24, -126, 127)
DOUBLE = Format(53, -1022, 1023)
"""IEEE 754's binary formats; ``DOUBLE`` rounds what is in it already, so that it changes nothing."""
