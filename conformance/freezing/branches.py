"""Branches of TensorFlow 1 whose condition is decided, such as ``is_training``: the one taken stays."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from conformance.freezing.reachable import behind_identities, constant_node, decided_value
from conformance.graph.dataflow import unobservable
from conformance.graph.editing import copied, plain
from conformance.graph.frozen import output_index, producer

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from conformance.graph.frozen import FrozenGraph, Node

SWITCH, MERGE = "Switch", "Merge"


@dataclasses.dataclass(frozen=True)
class Decided:
    """A graph without the branches that are never taken.

    Attributes:
        graph: what is left; branches inside of branches are decided, too.
        conditions: the tensors that were decided, and how.
    """

    graph: FrozenGraph
    conditions: dict[str, bool]


def without_dead_branches(graph: FrozenGraph) -> Decided:
    """Decide what constants decide, again until nothing is left to decide.

    Args:
        graph: a graph of which every input is there.
    """
    conditions: dict[str, bool] = {}
    while found := _conditions(graph):
        conditions |= {behind_identities(graph, tensor): value for tensor, value in found.items()}
        graph = _taken(graph, found)
    return Decided(graph, conditions)


def _conditions(graph: FrozenGraph) -> dict[str, bool]:
    """Return the value of each condition of a Switch that is decided."""
    tensors = {node.input[1] for node in graph.nodes.values() if node.op == SWITCH}
    values = {tensor: decided_value(graph, tensor) for tensor in sorted(tensors)}
    return {tensor: bool(value) for tensor, value in values.items() if value is not None}


def _taken(graph: FrozenGraph, conditions: Mapping[str, bool]) -> FrozenGraph:
    """Return the graph without what lies behind the outputs of a Switch that are never taken."""
    decided = {
        node.name: conditions[node.input[1]]
        for node in graph.nodes.values()
        if node.op == SWITCH and node.input[1] in conditions
    }
    live = _live(graph, decided)
    merged = _merged(graph, decided, live)
    nodes: list[Node] = []
    for name in live:
        if name in decided or name in merged:
            nodes += _handing_on(graph.nodes[name], decided, merged, live)
        else:
            nodes.append(_rewired(graph.nodes[name], decided, merged, live))
    return graph.replaced(nodes)


def _live(graph: FrozenGraph, decided: Mapping[str, bool]) -> list[str]:
    """Return the nodes that run, in graph order: all of their inputs do, or, for a Merge, one.

    A loop runs when it is entered, so what goes around in it counts only then.
    """
    live: set[str] = set()
    before = -1
    while len(live) > before:
        before = len(live)
        for node in graph.nodes.values():
            alive = [_alive(tensor, decided, live) for tensor in node.input]
            if any(alive) if node.op == MERGE else all(alive):
                live.add(node.name)
    return [name for name in graph.nodes if name in live]


def _alive(tensor: str, decided: Mapping[str, bool], live: Container[str]) -> bool:
    """Whether a tensor gets a value; of a decided Switch only one output does."""
    name, side = producer(tensor), bool(output_index(tensor))
    return name in live and (tensor.startswith("^") or decided.get(name, side) == side)


def _merged(graph: FrozenGraph, decided: Mapping[str, bool], live: Container[str]) -> dict[str, int]:
    """Return, for each Merge that one branch alone reaches, which of its inputs that is."""
    found = {}
    for node in graph.nodes.values():
        if node.op == MERGE and node.name in live:
            alive = [index for index, tensor in enumerate(node.input) if _alive(tensor, decided, live)]
            if len(alive) == 1:
                found[node.name] = alive[0]
    return found


def _handing_on(
    node: Node, decided: Mapping[str, bool], merged: Mapping[str, int], live: Container[str]
) -> list[Node]:
    """Return an Identity in place of a decided Switch or of a Merge of one branch, whose number is known."""
    taken = _rewired(node, decided, merged, live)
    inputs = [taken.input[0], *(tensor for tensor in taken.input if tensor.startswith("^"))]
    handing_on = plain(node.name, "Identity", inputs, T=node.attr["T"].type)
    if node.name not in merged:
        return [handing_on]
    return [handing_on, constant_node(_number(node.name), np.array(merged[node.name], np.int32))]


def _number(merge: str) -> str:
    return f"{merge}/value_index"


def _rewired(
    node: Node, decided: Mapping[str, bool], merged: Mapping[str, int], live: Container[str]
) -> Node:
    """Return a node that reads what is left of its inputs."""
    inputs = [
        _renamed(tensor, decided, merged)
        for tensor in node.input
        if node.op != MERGE or _alive(tensor, decided, live)
    ]
    if inputs == list(node.input):
        return node
    rewired = copied(node, inputs=inputs)
    if node.op == MERGE:
        rewired.attr["N"].i = sum(not tensor.startswith("^") for tensor in inputs)
    return rewired


def _renamed(tensor: str, decided: Mapping[str, bool], merged: Mapping[str, int]) -> str:
    """Return the name of a tensor after rewriting: an Identity has one output."""
    if output_index(tensor) == 0:
        return tensor
    if producer(tensor) in decided:
        return producer(tensor)
    return _number(producer(tensor)) if producer(tensor) in merged else tensor


def without_waiting(graph: FrozenGraph) -> FrozenGraph:
    """Return the graph without control inputs, but for those from inside a loop or branch of TensorFlow 1.

    There they say which branch or which round a constant belongs to.

    Args:
        graph: a graph of which every input is there.
    """
    inside = unobservable(graph)
    nodes = []
    for node in graph.nodes.values():
        inputs = [tensor for tensor in node.input if not tensor.startswith("^") or producer(tensor) in inside]
        nodes.append(node if len(inputs) == len(node.input) else copied(node, inputs=inputs))
    return graph.replaced(nodes)
