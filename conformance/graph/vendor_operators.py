"""Operators that Cambricon's TensorFlow has and stock TensorFlow lacks; what stands for the quantised ones.

Source: SeanLi-OI/AI-Computing-System-Lab @ d02b285: the graphs of ``Lab4/code_chap_5_1_student/models``, the
registrations in the fork's ``math_ops.cc``, and the vendor's tool that writes such graphs,
``Lab5/bert/bert-master-batchmatmulv2/camb_quantize.py``.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

UNSET_POSITION = 1024
"""The position of a node that has none: its scale holds the position already."""


@dataclasses.dataclass(frozen=True)
class QuantisedOperator:
    """A quantised operator of the fork.

    Attributes:
        bits: of its input and filter, 8 or 16.
        op: TensorFlow's operator that computes the same of numbers that are not quantised.
        biased: whether its last input is a bias that it adds.
        operands: how its attributes call its two operands, the input and the filter of ``op``.
    """

    bits: Literal[8, 16]
    op: str
    biased: bool = False
    operands: tuple[str, str] = ("input", "filter")


def _of(prefix: str, bits: Literal[8, 16]) -> dict[str, QuantisedOperator]:
    """Return the operators that there are at both widths, at one of them."""
    return {
        f"{prefix}Conv2D": QuantisedOperator(bits, "Conv2D"),
        f"{prefix}Conv2DBias": QuantisedOperator(bits, "Conv2D", biased=True),
        f"{prefix}Conv2DBackpropInput": QuantisedOperator(bits, "Conv2DBackpropInput"),
        f"{prefix}MatMul": QuantisedOperator(bits, "MatMul"),
        f"{prefix}MLP": QuantisedOperator(bits, "MatMul", biased=True),
    }


_PAIR = ("input1", "input2")

QUANTISED: dict[str, QuantisedOperator] = {
    **_of("Int8", 8),
    **_of("Int16", 16),
    "Fix8MatMul": QuantisedOperator(8, "MatMul"),
    "Fix8MLP": QuantisedOperator(8, "MatMul", biased=True),
    "Int8BatchMatMulV2": QuantisedOperator(8, "BatchMatMulV2", operands=_PAIR),
    "MLUBatchMatMulV2": QuantisedOperator(16, "BatchMatMulV2", operands=_PAIR),
}
"""The quantised operators that multiply, by type.

``MLUBatchMatMulV2`` is what the vendor's tool writes for 16 bits; its registration is not public.
"""

NORMALISING = {"Int8LRN": "LRN", "Int16LRN": "LRN"}
"""Quantised operators that stay what they are but for the position of their input, ``position``."""

MEANINGLESS = frozenset({"mean_r", "mean_g", "mean_b", "std", "FilterT", "InT", "OutT", "T1"})
"""Attributes that say nothing more: of preprocessing that is not folded in, and of types."""

NEUTRAL: dict[str, Any] = {
    "axis": 1,
    "b_is_sparse": False,
    "filter_is_sparse": False,
    "filter_positions": [],
    "filter_scales": [],
    "mlu_group": 1,
    "use_convfirst": False,
}
"""Attributes of the fork that TensorFlow's operators lack, by the value at which they change nothing."""

REMEDIES = {
    "filter_positions": "it has a scale per channel: quantise with channel_quantization = False",
    "filter_scales": "it has a scale per channel: quantise with channel_quantization = False",
    "use_convfirst": "it folds preprocessing into the convolution: quantise with use_convfirst = False",
}
"""What to do about an attribute that is not neutral, where more can be said than to give the float graph."""

HINTS = (
    (r"PowerDifference", "SquaredDifference is its second power"),
    (r"FakeQuantScaleInt(8|16)Gen", "the graph was saved while it calibrated: give what was saved after"),
    (r"(QuantMatMul|QuantMatMulBias|Quantify)", "it quantises while it runs: give the float graph"),
    (r"(Int|Fix)(8|16).*", "how this quantised operator is written is not public: give the float graph"),
    (r"MLU.*", "it is Cambricon's own: give the graph as it was before Cambricon's tools changed it"),
)
"""What is known of operators that cannot be translated, by patterns of their types."""


def hint(op: str) -> str:
    """Return what is known of an operator that TensorFlow lacks; '' if nothing is."""
    return next((told for pattern, told in HINTS if re.fullmatch(pattern, op)), "")
