"""The figures of a run that are tracked, and how two of them are compared."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_PSNR = 400.0
"""In dB: stands for the infinite one of an output that equals its golden; float64 reaches about 320."""
NO_NUMBER = 1e9
"""Stands for the infinite share of a result without numbers, such as NaN."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of a network at a precision in one run.

    Attributes:
        name: in files.
        words: in tables and sentences.
        unit: of its values.
        better: which way is better.
        ratio: whether two values are compared by their ratio; else by their difference.
        effect: the least change that counts, as a part of a ratio, or a difference.
        floor: what smaller values count as in a ratio.
        exact: whether a device without faults gives it again and again, to the last bit.
    """

    name: str
    words: str
    unit: str
    better: Literal["lower", "higher"]
    ratio: bool
    effect: float
    floor: float = 0.0
    exact: bool = True

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values on the scale on which differences count: logarithms where ratios do."""
        return np.log(np.maximum(values, self.floor)) if self.ratio else values

    def level(self, scaled: float) -> float:
        """Return the value of a scaled one."""
        return math.exp(scaled) if self.ratio else scaled

    def change(self, scaled: float) -> float:
        """Return the change that a difference of scaled values is."""
        return math.expm1(scaled) if self.ratio else scaled

    @property
    def scaled_effect(self) -> float:
        """The least difference of scaled values that counts."""
        return math.log1p(self.effect) if self.ratio else self.effect

    def change_in_words(self, change: float) -> str:
        """Return ``+4.1 %``, ``-10.2 dB``, ``+3``."""
        if self.ratio:
            return f"{100 * change:+.3g} %" if abs(change) < 10 else f"x {1 + change:.3g}"
        return f"{change:+.3g} {self.unit}".rstrip()

    def value_in_words(self, value: float) -> str:
        """Return a value with its unit."""
        if self.name == "seconds":
            return f"{1e3 * value:.4g} ms" if value < 1 else f"{value:.4g} s"
        if (self.name, value) in (("psnr", EXACT_PSNR), ("share", NO_NUMBER)):
            return "exact" if self.name == "psnr" else "no number"
        return f"{value:.4g} {self.unit}".rstrip()


def figures(slower: float) -> tuple[Figure, ...]:
    """Return all figures; ``slower`` is the least change of the device time that counts."""
    return (
        Figure("seconds", "device time", "s", "lower", ratio=True, effect=slower, floor=1e-12, exact=False),
        Figure("share", "worst share of a bound", "", "lower", ratio=True, effect=0.1, floor=1e-6),
        Figure("psnr", "PSNR of the output", "dB", "higher", ratio=False, effect=0.5),
        Figure("cosine_distance", "cosine distance", "", "lower", ratio=True, effect=0.1, floor=1e-9),
        Figure("answers", "right answers", "", "higher", ratio=False, effect=0.005),
        Figure("failing", "cases that deviate or break", "", "lower", ratio=False, effect=0.5),
    )
