"""The four precisions: fixed-point width of convolution and matmul inputs × float width of all else."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Literal

from conformance.errors import UsageError, near_names

FixedBits = Literal[8, 16]
FloatBits = Literal[16, 32]


@dataclasses.dataclass(frozen=True, order=True)
class Precision:
    """One precision of the card, such as ``int8-fp16``.

    Attributes:
        fixed_bits: bits of the fixed-point inputs and filters of convolutions and matmuls.
        float_bits: bits of every other tensor.

    Source: `MLU_QUANT_PARAM` bit_width × `MLU_OP_PRECISION` of Cambricon's TensorFlow.
    """

    fixed_bits: FixedBits
    float_bits: FloatBits

    @property
    def fixed(self) -> str:
        """The fixed-point marker: ``int8`` or ``int16``."""
        return f"int{self.fixed_bits}"

    @property
    def floating(self) -> str:
        """The float marker: ``fp16`` or ``fp32``."""
        return f"fp{self.float_bits}"

    def __str__(self) -> str:
        return f"{self.fixed}-{self.floating}"


FIXED_BITS: tuple[FixedBits, ...] = (8, 16)
FLOAT_BITS: tuple[FloatBits, ...] = (16, 32)
PRECISIONS: tuple[Precision, ...] = tuple(
    itertools.starmap(Precision, itertools.product(FIXED_BITS, FLOAT_BITS))
)


def parse_precision(text: str) -> Precision:
    """Return the precision called ``text``.

    Raises:
        UsageError: ``text`` is none of the four.
    """
    by_name = {str(precision): precision for precision in PRECISIONS}
    if text not in by_name:
        raise UsageError(f"precision {text!r} does not exist{near_names(text, list(by_name))}")
    return by_name[text]
