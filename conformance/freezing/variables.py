"""Variables become constants: the value that the checkpoint holds, under the variable's own name.

Source: what reads a variable, and what it reads of a constant instead, is that of TensorFlow's own
``convert_variables_to_constants``; that one runs a session of the graph, which must be importable for it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError
from conformance.freezing.reachable import behind_identities, constant_node, reached
from conformance.graph.constants import is_apart, stored
from conformance.graph.editing import copied, plain
from conformance.graph.frozen import FrozenGraph, output_index, producer
from conformance.graph.lazy_tensorflow import op_definition, tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from conformance.freezing.checkpoint import Checkpoint
    from conformance.graph.frozen import Node

ASSIGNMENTS = frozenset({"Assign", "AssignVariableOp"})

RESTORE = "RestoreV2"

Array = np.ndarray[Any, Any]

HANDLE = "VarHandleOp"

VARIABLES = frozenset({"Variable", "VariableV2", HANDLE})

PASSING = frozenset({"Enter", "Exit", "Identity", "Merge", "NextIteration", "Switch"})
"""Operators that hand on a variable's handle as they hand on its value."""

OF_REFERENCES = {f"Ref{op}": op for op in PASSING}
"""Operators on a reference to a variable, and what does the same on its value."""


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


def by_value(graph: FrozenGraph) -> FrozenGraph:
    """Return the graph with operators on values in place of those that hand on references."""
    return graph.replaced(
        [
            copied(node, op=OF_REFERENCES[node.op]) if node.op in OF_REFERENCES else node
            for node in graph.nodes.values()
        ]
    )


def with_values(graph: FrozenGraph, checkpoint: Checkpoint, places: Mapping[str, Place]) -> FrozenGraph:
    """Return the graph with its variables as constants.

    Args:
        graph: pruned to what is needed, as every variable in it must be in the checkpoint.
        checkpoint: the values.
        places: by variable node, where its value lies, if not under the node's own name.

    Raises:
        UsageError: a variable is missing, is of another shape or dtype, or is changed by a node.
    """
    variables = {node.name: node for node in graph.nodes.values() if node.op in VARIABLES}
    found = {name: places.get(name) or part_of(name, checkpoint) or Place(name) for name in variables}
    checkpoint.require([place.name for place in found.values()], graph.source)
    handled = _handles(graph)
    nodes: list[Node] = []
    arrays: dict[str, Array] = {}
    for name, node in graph.nodes.items():
        if name in variables:
            made, large = _constant(name, _value(node, found[name], checkpoint, graph.source))
            nodes.append(made)
            arrays |= large
        else:
            nodes += _reading(node, handled, graph.source)
    return graph.replaced(nodes, arrays=arrays)


def _constant(name: str, value: Array) -> tuple[Node, dict[str, Array]]:
    """Return a constant of a value, and its array if that lies beside the graph."""
    if is_apart(tensorflow().as_dtype(value.dtype), value.nbytes):
        return stored(plain(name, "Const", [], dtype=value.dtype), value)
    return constant_node(name, value), {}


def _value(node: Node, place: Place, checkpoint: Checkpoint, source: str) -> Array:
    """Return a variable's value, which must be of the shape and dtype that the graph says."""
    stored = checkpoint.value(place.name)
    value = stored[tuple(slice(start, start + length) for start, length in place.box)]
    tf = tensorflow()
    shape = tf.TensorShape(node.attr["shape"].shape) if "shape" in node.attr else tf.TensorShape(None)
    declared = shape.rank is not None and (shape.rank or node.op != "Variable")
    if declared and not shape.is_compatible_with(value.shape):
        raise UsageError(
            f"variable {place.name!r} of checkpoint {checkpoint.prefix} has shape {value.shape}, but "
            f"{node.name!r} in {source} has {tuple(shape.as_list())}; give the checkpoint of this graph"
        )
    wanted, found = tf.as_dtype(node.attr["dtype"].type), tf.as_dtype(stored.dtype)
    if wanted != found:
        raise UsageError(
            f"variable {place.name!r} of checkpoint {checkpoint.prefix} holds {found.name}, but "
            f"{node.name!r} in {source} is {wanted.name}; give the checkpoint of this graph"
        )
    return value


@dataclasses.dataclass(frozen=True)
class _Handled:
    """A tensor that stands for a variable: its name, its dtype, and whether it does so by a handle."""

    variable: str
    dtype: int
    by_handle: bool


def _handles(graph: FrozenGraph) -> dict[str, _Handled]:
    """Return the nodes whose outputs stand for a variable: variables, and what hands on a handle."""
    handled = {
        node.name: _Handled(node.name, node.attr["dtype"].type, node.op == HANDLE)
        for node in graph.nodes.values()
        if node.op in VARIABLES
    }
    resource = tensorflow().resource.as_datatype_enum
    before = -1
    while len(handled) > before:
        before = len(handled)
        for node in graph.nodes.values():
            if node.op in PASSING and node.name not in handled and node.attr["T"].type == resource:
                sources = [handled[producer(name)] for name in node.input if producer(name) in handled]
                handled |= {node.name: sources[0]} if sources else {}
    return handled


def _reading(node: Node, handled: Mapping[str, _Handled], source: str) -> list[Node]:
    """Return what a node that is no variable becomes: one that reads values, not variables."""
    taken = [handled[producer(name)] for name in node.input if producer(name) in handled]
    if not taken:
        return [node]
    if node.op in READERS:
        return READERS[node.op](node, taken[0].dtype)
    if node.name in handled:
        rewritten = copied(node)
        rewritten.attr["T"].type = taken[0].dtype
        return [rewritten]
    if _takes_values(node) and not taken[0].by_handle:
        return [node]
    raise UsageError(
        f"node {node.name!r} ({node.op}) in {source} takes variable {taken[0].variable!r} itself, not its "
        "value, so it cannot be frozen; fix the branch that it is in with --set, choose other outputs, or "
        "give a SavedModel if it is a function"
    )


def _takes_values(node: Node) -> bool:
    """Whether an operator reads what it is given; one that wants references writes to them."""
    definition = op_definition(node.op)
    return definition is not None and not any(argument.is_ref for argument in definition.input_arg)


def _read(node: Node, dtype: int) -> list[Node]:
    return [plain(node.name, "Identity", list(node.input), T=dtype)]


def _gather(node: Node, dtype: int) -> list[Node]:
    """Gather along the first axis after those of the batch."""
    axis = constant_node(f"{node.name}/axis", np.array(node.attr["batch_dims"].i, np.int32))
    params, indices, *ordering = node.input
    gathered = plain(
        node.name,
        "GatherV2",
        [params, indices, axis.name, *ordering],
        Tparams=dtype,
        Tindices=node.attr["Tindices"].type,
        Taxis=tensorflow().int32,
    )
    gathered.attr["batch_dims"].i = node.attr["batch_dims"].i
    return [axis, gathered]


def _gather_nd(node: Node, dtype: int) -> list[Node]:
    return [
        plain(node.name, "GatherNd", list(node.input), Tparams=dtype, Tindices=node.attr["Tindices"].type)
    ]


def _shape(node: Node, dtype: int) -> list[Node]:
    out = node.attr["out_type"].type or tensorflow().int32.as_datatype_enum
    return [plain(node.name, "Shape", list(node.input), T=dtype, out_type=out)]


def _initialized(node: Node, dtype: int) -> list[Node]:  # noqa: ARG001 - as the others
    return [constant_node(node.name, np.array(True))]  # noqa: FBT003 - the value of a constant


READERS: dict[str, Callable[[Node, int], list[Node]]] = {
    "ReadVariableOp": _read,
    "ResourceGather": _gather,
    "ResourceGatherNd": _gather_nd,
    "VariableShape": _shape,
    "VarIsInitializedOp": _initialized,
    "IsVariableInitialized": _initialized,
}
