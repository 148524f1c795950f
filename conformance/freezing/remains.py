"""What is left of training after pruning: what cannot be in a frozen graph, and what the user should know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.freezing.ends import floats_after, gives_references, proposed
from conformance.freezing.reachable import behind_identities, reached
from conformance.freezing.variables import VARIABLES
from conformance.graph.frozen import INPUT_OPERATORS, producer
from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.operators import CONTROL_FLOW, STRUCTURAL
from conformance.graph.retype import attribute, output_types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.graph.frozen import FrozenGraph, Node

OF_PYTHON = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})
"""Operators that call a function of the program that made the graph."""
CALLS = frozenset({"If", "StatefulPartitionedCall", "While"})
"""Operators that count as stateful only because they may call what is."""
ARRAYS = "TensorArray"
"""How the names of operators begin that hold the steps of a loop, and nothing beyond a run."""
WRITES = ("Assign", "Scatter", "ResourceScatter", "ResourceApply", "Apply")
"""How the names of operators begin that change variables."""
FIRST = 3
"""How many names a remark gives."""


def check_remains(graph: FrozenGraph) -> None:
    """Demand that every operator is known, and that none keeps a state or runs a program's Python.

    Raises:
        UsageError: one is unknown or does.
    """
    for node in graph.nodes.values():
        if node.op in OF_PYTHON:
            raise UsageError(
                f"node {node.name!r} ({node.op}) in {graph.source} calls Python of the program that made it; "
                "feed it with --input, or choose other outputs"
            )
        if _keeps_state(node):
            raise UsageError(
                f"node {node.name!r} ({node.op}) in {graph.source} keeps a state that no checkpoint holds; "
                f"feed what it gives{proposed(floats_after(graph, [node.name]))}, or choose other outputs"
            )


def _keeps_state(node: Node) -> bool:
    holds = tensorflow().resource.as_datatype_enum in output_types(node)
    of_a_run = node.op.startswith(ARRAYS) or node.op in STRUCTURAL  # what hands a state on does not keep it
    return gives_references(node) or (holds and not of_a_run)


def check_order(training: FrozenGraph, kept: FrozenGraph) -> None:
    """Demand that no node reads a variable after it was changed: it would read what the checkpoint holds.

    Args:
        training: the graph with all that nodes wait for.
        kept: what is left of it.

    Raises:
        UsageError: a node does.
    """
    if not _updates(training, training.nodes):
        return
    for node in kept.nodes.values():
        read = [name for name in map(producer, node.input) if kept.nodes[name].op in VARIABLES]
        before = reached(training, training.nodes[node.name].input, waiting=True) if read else set()
        changing = [name for name in _updates(training, before) if _changes(training, name, read[0])]
        if changing:
            raise UsageError(
                f"node {node.name!r} in {training.source} reads variable {read[0]!r} after node "
                f"{changing[0]!r} ({training.nodes[changing[0]].op}) changed it, so it cannot be frozen; fix "
                "the branch that it is in with --set, or choose other outputs"
            )


def _changes(graph: FrozenGraph, writer: str, variable: str) -> bool:
    """Whether the first input of a node that changes a variable stands for this one."""
    return variable in reached(graph, [graph.nodes[writer].input[0]])


def _updates(graph: FrozenGraph, names: Iterable[str]) -> list[str]:
    return [name for name in names if graph.nodes[name].op.startswith(WRITES)]


def updates_gone(training: FrozenGraph, kept: FrozenGraph) -> list[str]:
    """Return a remark on the updates of variables that nodes waited for."""
    gone = [name for name in _updates(training, training.nodes) if name not in kept.nodes]
    return [f"updates of variables that nodes waited for are gone: {_first(gone)}"] if gone else []


def remarks(graph: FrozenGraph) -> list[str]:
    """Return what in a frozen graph behaves as in training, one sentence each."""
    return [*_branches(graph), *_batch_norms(graph), *_stateful(graph)]


def _branches(graph: FrozenGraph) -> list[str]:
    """Return a remark per condition that is decided only when the graph runs; loops are no branches."""
    conditions = dict.fromkeys(
        behind_identities(graph, node.input[1])
        for node in graph.nodes.values()
        if node.op == "Switch" and graph.nodes[producer(node.input[1])].op != "LoopCond"
    )
    return [_undecided(graph, tensor) for tensor in conditions]


def _undecided(graph: FrozenGraph, tensor: str) -> str:
    placeholders = [name for name in graph.inputs if name in reached(graph, [tensor])]
    what = f"; --set {placeholders[0]}=VALUE decides it" if len(placeholders) == 1 else ""
    return f"a branch by {tensor} stays, as only a run decides it{what}"


def _batch_norms(graph: FrozenGraph) -> list[str]:
    training = [
        node.name
        for node in graph.nodes.values()
        if node.op.startswith("FusedBatchNorm") and attribute(node, "is_training").b
    ]
    if not training:
        return []
    return [f"batch norms use the statistics of the batch, as in training: {_first(training)}"]


def _stateful(graph: FrozenGraph) -> list[str]:
    names = [node.name for node in graph.nodes.values() if _gives_other_values(node)]
    if not names:
        return []
    return [f"nodes give other values in every run: {_first(names)}"]


def _gives_other_values(node: Node) -> bool:
    definition = op_definition(node.op)
    if definition is None or node.op in CALLS | CONTROL_FLOW | INPUT_OPERATORS or node.op.startswith(ARRAYS):
        return False
    return bool(definition.is_stateful) and bool(definition.output_arg)


def _first(names: list[str]) -> str:
    return ", ".join(names[:FIRST]) + (f" and {len(names) - FIRST} more" if names[FIRST:] else "")
