"""Which variable of a checkpoint is whose: read off the graph's own restore operators, else by name."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from conformance.freezing.reachable import behind_identities, reached
from conformance.graph.frozen import output_index, producer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from conformance.freezing.checkpoint import Checkpoint
    from conformance.graph.frozen import FrozenGraph, Node

ASSIGNMENTS = frozenset({"Assign", "AssignVariableOp"})
RESTORE = "RestoreV2"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a variable's value lies.

    Attributes:
        name: of the variable in the checkpoint.
        box: (start, length) per axis of the part that belongs here; empty for all of it.
    """

    name: str
    box: tuple[tuple[int, int], ...] = ()


def places(graph: FrozenGraph, restore: str, checkpoint: Checkpoint) -> dict[str, Place]:
    """Return, by variable node, where the graph's restore operators say that its value lies.

    A meta graph names its restore node. Without one, all restore operators count, and a variable that the
    checkpoint knows by its own name goes by that: other savers may restore averages in its place.

    Args:
        graph: the whole graph, savers included.
        restore: the node that restores the checkpoint, or ''.
        checkpoint: what is restored.
    """
    known = restore if restore in graph.nodes else ""
    names = reached(graph, [known], waiting=True) if known else graph.nodes
    found: dict[str, Place] = {}
    for variable, place in _assigned(graph, names):
        own_name = not known and variable in checkpoint.variables
        if place.name in checkpoint.variables and not own_name:
            found.setdefault(variable, place)
    return found


def _assigned(graph: FrozenGraph, names: Iterable[str]) -> Iterator[tuple[str, Place]]:
    """Yield every variable among ``names`` that is assigned what a restore operator reads."""
    for name in names:
        node = graph.nodes[name]
        if node.op in ASSIGNMENTS:
            tensor = behind_identities(graph, node.input[1])
            restoring = graph.nodes.get(producer(tensor))
            if restoring is not None and restoring.op == RESTORE:
                yield producer(node.input[0]), _place(graph, restoring, output_index(tensor))


def _place(graph: FrozenGraph, restoring: Node, index: int) -> Place:
    """Return what a restore operator's output is: a name, and a slice like ``6 2 0,2:-``."""
    name, text = (_text(graph, tensor, index) for tensor in restoring.input[1:3])
    *full, extents = text.split(" ") if text else [""]
    return Place(name, _box([int(length) for length in full], extents))


def _text(graph: FrozenGraph, tensor: str, index: int) -> str:
    graph.require(tensor)
    values = graph.constant(tensor)
    return "" if values is None else values.reshape(-1)[index].decode()


def _box(full: list[int], extents: str) -> tuple[tuple[int, int], ...]:
    """Return (start, length) per axis; '-' is the whole axis.

    Source: TensorSlice::Parse.
    """
    boxes = []
    for length, extent in zip(full, extents.split(":"), strict=False):
        start, _, part = extent.partition(",")
        boxes.append((0, length) if extent == "-" else (int(start), int(part)))
    return tuple(boxes)


def part_of(variable: str, checkpoint: Checkpoint) -> Place | None:
    """Return the slice of a partitioned variable that ``w/part_1`` is, by its number, or None.

    Source: ``tf.compat.v1.get_variable`` numbers the parts of a partitioned variable in the order of their
    offsets, and ``tf.compat.v1.train.Saver`` stores each as a slice of one variable.
    """
    whole, _, number = variable.rpartition("/part_")
    stored = checkpoint.variables.get(whole)
    if stored is None or not number.isdecimal() or int(number) >= len(stored.slices):
        return None
    return Place(whole, stored.slices[int(number)])
