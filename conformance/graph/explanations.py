"""Why each key node was chosen, in as much detail as the graph tells."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

from conformance.graph.composing import composable
from conformance.graph.operators import STRUCTURAL, known
from conformance.graph.selection import END, FIXED, JOIN, NAMED, OUTPUT, PRODUCTS, RARE, REDUCTION
from conformance.graph.sums import static_shapes, sum_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from conformance.graph.operators import Treatment
    from conformance.graph.selection import Described
    from conformance.graph.structure import Structure

SHOWN_OPERATORS = 4
"""How many operator types of a block are listed."""


def explained(structure: Structure, node: Described) -> list[str]:
    """Return a phrase for each reason, or several, of a node: numbers of terms, which block, which inputs."""
    return [phrase for reason in node.reasons for phrase in _phrases(structure, node, reason)]


def _phrases(structure: Structure, node: Described, reason: str) -> Iterator[str]:
    if reason == OUTPUT:
        yield OUTPUT
    elif reason == FIXED:
        yield f"fixed point: {_sum(structure, node.name)}"
    elif reason == PRODUCTS:
        yield f"sum of products: {_sum(structure, node.name)}"
    elif reason == REDUCTION:
        yield f"reduction: {_sum(structure, node.name)}"
    elif reason == JOIN:
        yield f"first join of the branches from {_listed(structure.joins[node.name])}"
    elif reason == END:
        yield from _ends(structure, node.name)
    elif reason == RARE:
        index, count = structure.rare[node.name]
        yield f"rare: the only {node.op}" if count == 1 else f"rare: {node.op} {index} of {count}"
    elif reason == NAMED:
        yield f"named by {structure.named[node.name]!r}"


def _sum(structure: Structure, name: str) -> str:
    return str(sum_of(structure.graph, name, static_shapes(structure.types)))


def _ends(structure: Structure, name: str) -> Iterator[str]:
    """Return which module and which repeated block a node is the end of."""
    if block := structure.blocks.get(name):
        operators = [structure.graph.nodes[inner].op for inner in block.nodes]
        yield f"end of block {block.index} of {block.count} ({_shortened(operators)})"
    if name in structure.module_ends:
        yield f"end of the module after {structure.module_ends[name]}"


def _shortened(operators: Iterable[str]) -> str:
    """Return the first few operator types, each once, without those that only hand values on."""
    kinds = list(dict.fromkeys(op for op in operators if op not in STRUCTURAL))
    return ", ".join([*kinds[:SHOWN_OPERATORS], *(["…"] if len(kinds) > SHOWN_OPERATORS else [])])


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def unmodelled_nodes(structure: Structure) -> list[str]:
    """Return the nodes that compute floats in a way that the emulator does not model, producers first.

    What constants and shapes decide beyond that shows when a device opens the graph.
    """
    composed = set(composable(structure.graph))

    def modelled(name: str) -> bool:
        emulation = known(structure.graph.nodes[name].op).emulation
        return emulation is not None and (emulation != "composed" or name in composed)

    computing = [name for name in structure.order if any(kind.floating for kind in structure.types[name])]
    return [name for name in computing if not modelled(name)]


@dataclasses.dataclass(frozen=True)
class OperatorCount:
    """One operator type of a network.

    Attributes:
        op: the operator type.
        count: how many nodes of the dataflow have it.
        share: their share of the dataflow's nodes, 0 to 1.
        treatment: what an MLU does with it.
        first: the first of these nodes, producers first.
    """

    op: str
    count: int
    share: float
    treatment: Treatment
    first: str


def census(structure: Structure) -> list[OperatorCount]:
    """Return the operator types of the dataflow, rare ones first, then by name; inputs do not count."""
    operators = [structure.graph.nodes[name].op for name in structure.order]
    first = {op: name for name, op in zip(reversed(structure.order), reversed(operators), strict=True)}
    counts = collections.Counter(operators)
    return [
        OperatorCount(op, count, count / len(operators), known(op).treatment, first[op])
        for op, count in sorted(counts.items(), key=lambda item: (item[1], item[0]))
    ]
