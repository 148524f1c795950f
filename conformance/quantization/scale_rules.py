"""How a scale follows from a tensor's values: the rules that Cambricon's tools are known to use."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from conformance.numerics.fixed_point import limits, quantization_scale

if TYPE_CHECKING:
    from collections.abc import Callable

End = Literal["min", "max"]
"""Where the largest magnitude of a tensor stands: at its smallest or its largest value."""

LARGEST, TWO_SIDED = "largest-magnitude", "two-sided"


@dataclasses.dataclass(frozen=True)
class ScaleRule:
    """A rule.

    Attributes:
        scale: the scale for a largest magnitude, the end at which it stands, and a width; raises ValueError
            for zeros.
        evidence: how well the rule is known.
        source: where from.
    """

    scale: Callable[[float, End, int], float]
    evidence: str
    source: str


def _of_magnitude(magnitude: float, _: End, bits: int) -> float:
    return quantization_scale(magnitude, bits)


def _of_sides(magnitude: float, end: End, bits: int) -> float:
    """Return 128 / |min| where the minimum is farther from zero: its integer is -128; else 127 / max."""
    smallest, largest = limits(bits, "full")
    scale = quantization_scale(magnitude, bits)
    return scale * -smallest / largest if end == "min" else scale


RULES = {
    LARGEST: ScaleRule(
        _of_magnitude,
        "documented",
        "mlu-ops user guide, quantisation; the parameter files of CambriconECO/TensorFlow_Resnet50_Inference "
        "(0.913669 = 127 / 139)",
    ),
    TWO_SIDED: ScaleRule(
        _of_sides,
        "documented",
        "camb_quantize.py of SeanLi-OI/AI-Computing-System-Lab @ d02b285, the vendor's tool that writes "
        "quantised graphs; in its udnie_int8.pb the nine filters whose extreme is negative have 128 / |min|, "
        "the seven others 127 / max",
    ),
}
"""The rules by name; the first is the default: it is that of the parameter file."""
