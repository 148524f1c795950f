"""Control inputs: they make a node wait for another, mostly for an update of training, and carry no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.graph.dataflow import unobservable
from conformance.graph.editing import copied
from conformance.graph.frozen import producer

if TYPE_CHECKING:
    from conformance.graph.frozen import FrozenGraph


def without_waiting(graph: FrozenGraph) -> FrozenGraph:
    """Return the graph without control inputs, but for those from inside a loop or branch of TensorFlow 1.

    There they say which branch or which round a constant belongs to.

    Args:
        graph: a graph of which every input is there.
    """
    inside = unobservable(graph)
    nodes = []
    for node in graph.graph_def.node:
        inputs = [tensor for tensor in node.input if not tensor.startswith("^") or producer(tensor) in inside]
        nodes.append(node if len(inputs) == len(node.input) else copied(node, inputs=inputs))
    return graph.replaced(nodes)
