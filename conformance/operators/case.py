"""An operator that is tested, and one case of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypothesis.strategies import DrawFn

    from conformance.operators.independent import Independent
    from conformance.operators.operand import AnyOperand

    Tensor = Any
    Drawn = tuple[Sequence[AnyOperand], Mapping[str, object]]
    Built = Callable[..., Tensor]


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


@dataclasses.dataclass(frozen=True)
class OperatorTest:
    """An operator that is tested.

    Attributes:
        name: as records call it: the operator type, with a word for a variant of it.
        op: the operator type that is judged.
        draw: draws operands and attributes of a case.
        build: makes the tensor in a graph: gets TensorFlow, the operands, and attributes by name.
        independent: axes along which it computes each part by itself: laws hold there, beside the reference.
    """

    name: str
    op: str
    draw: Callable[[DrawFn], Drawn]
    build: Built
    independent: tuple[Independent, ...] = ()

    def drawn(self, draw: DrawFn) -> OperatorCase:
        """Return a case."""
        operands, attributes = self.draw(draw)
        return OperatorCase(self.name, tuple(operands), tuple(attributes.items()))
