"""An operator that is tested: how its cases are drawn and built, and along which axes laws hold."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.operators.case import OperatorCase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypothesis.strategies import DrawFn

    from conformance.operators.independent import Independent
    from conformance.operators.operand import AnyOperand

    Tensor = Any
    Drawn = tuple[Sequence[AnyOperand], Mapping[str, object]]
    Built = Callable[..., Tensor]


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
