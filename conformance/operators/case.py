"""One case of an operator that is tested."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conformance.operators.operand import AnyOperand


@dataclasses.dataclass(frozen=True)
class OperatorCase:
    """One case: an operator with attributes and operands.

    Attributes:
        name: of the tested operator.
        operands: in the operator's order.
        attributes: names and values, all hashable.
    """

    name: str
    operands: tuple[AnyOperand, ...]
    attributes: tuple[tuple[str, object], ...] = ()

    @property
    def in_words(self) -> list[str]:
        """One line per attribute and operand."""
        return [
            *(f"{key} = {value}" for key, value in self.attributes),
            *(f"operand {place}: {operand.in_words}" for place, operand in enumerate(self.operands)),
        ]

    @property
    def elements(self) -> int:
        """How many numbers all operands have."""
        return sum(int(operand.array().size) for operand in self.operands)
