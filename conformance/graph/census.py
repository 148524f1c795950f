"""How often each operator type occurs, and what an MLU does with it."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Literal

from conformance.graph.operators import ELEMENTWISE, FIXED_POINT, MOVEMENT, REDUCTIONS

if TYPE_CHECKING:
    from conformance.graph.structure import Structure

Treatment = Literal["fixed point", "reduction", "elementwise", "movement", "other"]
TREATMENTS: tuple[tuple[frozenset[str], Treatment], ...] = (
    (FIXED_POINT, "fixed point"),
    (REDUCTIONS, "reduction"),
    (ELEMENTWISE, "elementwise"),
    (MOVEMENT, "movement"),
)


@dataclasses.dataclass(frozen=True)
class OperatorCount:
    """One operator type of a network.

    Attributes:
        op: the operator type.
        count: how many nodes of the dataflow have it.
        share: their share of the dataflow's nodes, 0 to 1.
        treatment: what an MLU does with it; ``other`` is run in float by a kernel that is not modelled.
        first: the first of these nodes, producers first.
    """

    op: str
    count: int
    share: float
    treatment: Treatment
    first: str


def treatment(op: str) -> Treatment:
    """Return what an MLU does with an operator type."""
    return next((kind for operators, kind in TREATMENTS if op in operators), "other")


def census(structure: Structure) -> list[OperatorCount]:
    """Return the operator types of the dataflow, rare ones first, then by name; inputs do not count."""
    operators = [structure.graph.nodes[name].op for name in structure.order]
    first = {op: name for name, op in zip(reversed(structure.order), reversed(operators), strict=True)}
    counts = collections.Counter(operators)
    return [
        OperatorCount(op, count, count / len(operators), treatment(op), first[op])
        for op, count in sorted(counts.items(), key=lambda item: (item[1], item[0]))
    ]
