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
from conformance.operators.case import OperatorCase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.operators.independent import Independent

    Array = np.ndarray[Any, Any]
    Indices = tuple[int, ...]

BATCHES = (5, 2, 16, 1)
"""Samples in the batches in which a sample is judged again; cases take turns."""
SHOWN = 6
"""Indices that a sentence shows."""


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
    found, attributes = [], dict(case.attributes)
    for axis in independent:
        length = axis.length(case.operands, attributes)
        for law, indices in _SELECTIONS[axis.name](length, case) if length else ():
            operands = tuple(axis.taken(case.operands, length, indices))
            sized = tuple(axis.sized(attributes, len(indices)).items())
            found.append(Derived(law, OperatorCase(case.name, operands, sized), axis.result, indices))
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
