"""Laws that hold beside the reference: parts of an operand give parts of the result.

Along some axes an operator computes each part by itself: samples of a batch, output channels. Taking some
indices there before the operator, or of its result, is then the same. Three laws are that one:

* **rows**: a sample in a batch of 2, 5 or 16 is the sample by itself;
* **channels**: channels in another order give the results in that order;
* **halves**: the results of two halves, one after the other, are that of the whole; a case has one of them.

Each is a derived case, judged as every case and compared with the case from which it is derived.
Bits must be the same where a device has no choice: where each element is one sum, product or quotient of
operands, it has the same operands in every place. Elsewhere right devices may differ within their bounds: a
sum may run in another order where a kernel divides another shape otherwise, and a function may be
approximated otherwise in what remains beside whole vectors. That is told in a note.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.operators import known
from conformance.operators.operand import Operand, TakenOperand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.operators.case import OperatorCase
    from conformance.operators.operand import AnyOperand

    Array = np.ndarray[Any, Any]
    Indices = tuple[int, ...]

BATCHES = (5, 2, 16, 1)
"""Samples in the batches in which a sample is judged again; cases take turns."""
MATRIX = 2
"""Axes from which on something has rows."""
SHOWN = 6
"""Indices that a sentence shows."""


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

    def length(self, case: OperatorCase) -> int:
        """Return how many parts a case has along the axis; 0 where they are not computed by themselves."""
        attributes = dict(case.attributes)
        rank = max(len(operand.shape) for operand in case.operands)
        if self.result >= 0 and rank < MATRIX:  # a vector has channels alone
            return 0
        if self.where is not None and attributes[self.where[0]] != self.where[1]:
            return 0
        listed: Any = attributes.get(self.besides, ())
        excluded = (listed,) if isinstance(listed, int) else listed
        if any(axis % rank == self.result % rank for axis in excluded):
            return 0
        operands = case.operands
        return max((operands[place].shape[axis] for place, axis in self._along(operands)), default=0)

    def taken(self, case: OperatorCase, indices: Indices) -> OperatorCase:
        """Return a case of some parts of a case's operands."""
        length, operands = self.length(case), list(case.operands)
        for place, axis in self._along(case.operands):
            whole = operands[place]
            if isinstance(whole, Operand) and whole.shape[axis] == length:
                operands[place] = TakenOperand(whole, axis, indices)
        changed = tuple((key, self._sized(key, value, len(indices))) for key, value in case.attributes)
        return dataclasses.replace(case, operands=tuple(operands), attributes=changed)

    def _sized(self, key: str, value: Any, length: int) -> object:
        if key != self.sizes:
            return value
        sizes = list(value)
        sizes[self.result] = length
        return tuple(sizes)

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


@dataclasses.dataclass(frozen=True)
class Derived:
    """A case that is derived from another, and must give a part of its result.

    Attributes:
        law: ``rows``, ``channels`` or ``halves``.
        case: the derived case.
        axis: the axis of the result.
        indices: which parts of the result it must give, in this order.
    """

    law: str
    case: OperatorCase
    axis: int
    indices: Indices

    @property
    def in_words(self) -> str:
        """Which parts it has."""
        more = ", ..." if len(self.indices) > SHOWN else ""
        shown = ", ".join(map(str, self.indices[:SHOWN]))
        return f"{shown}{more} along axis {self.axis} (law: {self.law})"

    def difference(self, whole: Array, part: Array) -> str:
        """Return where a result differs from the part of another that it must be, or ''."""
        expected = np.take(np.asarray(whole), self.indices, self.axis)
        found = np.asarray(part)
        if found.shape != expected.shape:
            return f"shape {list(found.shape)} in place of {list(expected.shape)}"
        places = np.argwhere(_bits(found) != _bits(expected))
        if not len(places):
            return ""
        first = tuple(places[0].tolist())
        return f"[{','.join(map(str, first))}] = {found[first]:.9g} in place of {expected[first]:.9g}"


def _bits(values: Array) -> Array:
    bits: Array = np.ascontiguousarray(values, np.float32).view(np.int32).reshape(values.shape)
    return bits


def derived_of(case: OperatorCase, independent: Sequence[Independent]) -> list[Derived]:
    """Return the cases that the laws of an operator derive from a case.

    Args:
        case: the case.
        independent: the axes along which its operator computes each part by itself.
    """
    found = []
    for axis in independent:
        length = axis.length(case)
        for law, indices in _SELECTIONS[axis.name](length, case) if length else ():
            found.append(Derived(law, axis.taken(case, indices), axis.result, indices))
    return found


def _batches(length: int, case: OperatorCase) -> Iterator[tuple[str, Indices]]:
    """Yield a sample by itself, or in other places of a batch."""
    sizes = BATCHES if length > 1 else BATCHES[:-1]
    size = sizes[_turn(case) % len(sizes)]
    yield "rows", tuple((place + 1) % min(length, 2) for place in range(size))


def _channels(length: int, case: OperatorCase) -> Iterator[tuple[str, Indices]]:
    """Yield all channels, the last one first, and one of the halves, of which the second is longer."""
    if length > 1:
        middle, every = length // 2, tuple(range(length))
        yield "channels", every[::-1]
        yield "halves", every[middle:] if _turn(case) % 2 else every[:middle]


def _turn(case: OperatorCase) -> int:
    """Return a number by which cases take turns, the same on every machine."""
    return sum(operand.seed for operand in case.operands)


_SELECTIONS = {"rows": _batches, "channels": _channels}


def demands_bits(op: str) -> bool:
    """Return whether a right device has no choice: each element is one sum, product or quotient."""
    entry = known(op)
    return entry.treatment == entry.margin_class == "elementwise" and entry.emulation == "rounded"
