"""Axes along which an operator computes each part by itself: samples of a batch, output channels."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.operators.operand import Operand, TakenOperand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from conformance.operators.operand import AnyOperand

MATRIX = 2
"""Axes from which on something has rows."""


@dataclasses.dataclass(frozen=True)
class Independent:
    """An axis along which an operator computes each part by itself.

    Attributes:
        name: what lies along it: ``rows`` or ``channels``.
        result: the axis of the result.
        operands: the axis of each operand, None for one that every part reads as a whole; None for all: the
            result's axis, in every operand that is as long as the result there.
        where: the name of an attribute, and the value with which it is so; None: it always is.
        besides: the name of an attribute that lists axes that are not so.
        sizes: the name of an attribute that has the lengths of the result.
    """

    name: str
    result: int
    operands: tuple[int | None, ...] | None = None
    where: tuple[str, object] | None = None
    besides: str = ""
    sizes: str = ""

    def length(self, operands: Sequence[AnyOperand], attributes: Mapping[str, object]) -> int:
        """Return how many parts a case has along the axis; 0 where they are not computed by themselves."""
        rank = max(len(operand.shape) for operand in operands)
        if self.result >= 0 and rank < MATRIX:  # a vector has channels alone
            return 0
        if self.where is not None and attributes[self.where[0]] != self.where[1]:
            return 0
        listed: Any = attributes.get(self.besides, ())
        excluded = (listed,) if isinstance(listed, int) else listed
        if any(axis % rank == self.result % rank for axis in excluded):
            return 0
        return max((operands[place].shape[axis] for place, axis in self._along(operands)), default=0)

    def taken(
        self, operands: Sequence[AnyOperand], length: int, indices: tuple[int, ...]
    ) -> list[AnyOperand]:
        """Return operands of which some parts are taken.

        Args:
            operands: of a case.
            length: how many parts they have along the axis.
            indices: which parts are taken, in this order.
        """
        found = list(operands)
        for place, axis in self._along(operands):
            whole = operands[place]
            if isinstance(whole, Operand) and whole.shape[axis] == length:
                found[place] = TakenOperand(whole, axis, indices)
        return found

    def sized(self, attributes: Mapping[str, Any], length: int) -> dict[str, object]:
        """Return attributes for a result that has another length along the axis."""
        if not self.sizes:
            return dict(attributes)
        sizes = list(attributes[self.sizes])
        sizes[self.result] = length
        return {**attributes, self.sizes: tuple(sizes)}

    def _along(self, operands: Sequence[AnyOperand]) -> Iterator[tuple[int, int]]:
        """Yield the positions of the operands that have the axis, and which of theirs it is."""
        if self.operands is not None:
            yield from ((place, axis) for place, axis in enumerate(self.operands) if axis is not None)
            return
        rank = max(len(operand.shape) for operand in operands)
        from_last = self.result - rank if self.result >= 0 else self.result
        for place, operand in enumerate(operands):
            if len(operand.shape) >= -from_last > 0:
                yield place, from_last


ROWS, CHANNELS = Independent("rows", 0), Independent("channels", -1)
EACH = (ROWS, CHANNELS)
"""Of an operator that computes each element by itself."""
