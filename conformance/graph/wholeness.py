"""What every graph of a file must be before anything is made of it: without circles, and as it says it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.graph.constants import APART, constant_shape
from conformance.graph.dataflow import tensor_types
from conformance.graph.frozen import producer
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from conformance.graph.frozen import FrozenGraph, Node

LARGEST_CONSTANT = 2**36
"""Bytes of a constant; a graph may say in a few bytes that one number fills it."""
SHOWN = 5
"""How many nodes of a circle a sentence names."""


def check_whole(graph: FrozenGraph) -> None:
    """Demand a graph that can be analysed and run: TensorFlow's importer takes it, too.

    Raises:
        UsageError: it is malformed; names the node where that is known.
    """
    check_order_and_constants(graph)
    try:
        tensor_types(graph)
    except (ValueError, TypeError, KeyError, tensorflow().errors.OpError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"TensorFlow refuses the frozen graph of {graph.source}: {first}") from error


def check_order_and_constants(graph: FrozenGraph) -> None:
    """Demand that no node waits for itself, and that constants are what they say.

    Raises:
        UsageError: nodes form a circle outside of TensorFlow 1's loops, or a constant is malformed.
    """
    _check_order(graph)
    for node in graph.nodes.values():
        if node.op == "Const":
            _check_constant(node, graph.source)


def _check_order(graph: FrozenGraph) -> None:
    import networkx as nx

    edges = nx.DiGraph()
    for node in graph.nodes.values():
        if node.op != "NextIteration":
            edges.add_edges_from((producer(tensor), node.name) for tensor in node.input)
    if nx.is_directed_acyclic_graph(edges):
        return
    circle = [start for start, _ in nx.find_cycle(edges)]
    more = f" and {len(circle) - SHOWN} more" if circle[SHOWN:] else ""
    named = ", ".join(map(repr, circle[:SHOWN]))
    raise UsageError(f"nodes of {graph.source} form a circle, each waiting for the next: {named}{more}")


def _check_constant(node: Node, source: str) -> None:
    tf, what = tensorflow(), f"constant {node.name!r} of {source}"
    tensor, declared = node.attr["value"].tensor, node.attr["dtype"].type
    if not declared or tensor.dtype != declared:
        raise UsageError(f"{what} has no value of the type that it declares; write the graph again")
    shape = constant_shape(node)
    try:
        dtype = tf.as_dtype(declared)
    except TypeError as error:
        raise UsageError(f"{what} has the unknown type {declared}; write the graph again") from error
    size = math.prod(shape) * (dtype.size or 1)
    if min(shape, default=0) < 0 or size > LARGEST_CONSTANT:
        raise UsageError(f"{what} has the shape {shape}, which no constant can have; write the graph again")
    if APART not in node.attr and tensor.tensor_content and len(tensor.tensor_content) != size:
        raise UsageError(
            f"{what} has {len(tensor.tensor_content)} bytes, but its shape {shape} of {dtype.name} takes "
            f"{size}; write the graph again"
        )
