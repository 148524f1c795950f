"""Cutting a graph: every consumer of a key node reads a golden instead of what the device computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.graph.editing import copied, placeholder
from conformance.graph.frozen import FrozenGraph, output_index, producer
from conformance.graph.tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "golden/"


def cut_input(node: str) -> str:
    """Return the name of the placeholder that stands for ``node`` in a cut graph."""
    return PREFIX + node


def cut(graph: FrozenGraph, shapes: Mapping[str, Sequence[int]], fetches: Sequence[str]) -> FrozenGraph:
    """Return ``graph``, pruned to ``fetches``, with readers of key nodes reading ``golden/<node>`` instead.

    Args:
        graph: the whole network.
        shapes: shape of each key node's first output; each is float32.
        fetches: nodes to compute, key nodes or others.

    Returns:
        A graph whose outputs are ``fetches`` and whose inputs are those placeholders, old and new, that they
        need: each fetched node sees goldens only, so its error is its own.

    Raises:
        UsageError: a key node or fetch is not in the graph.
    """
    for name in (*shapes, *fetches):
        graph.require(name)
    nodes = [placeholder(cut_input(name), tensorflow().float32, shape) for name, shape in shapes.items()]
    nodes += [
        copied(node, inputs=[_rewired(tensor, shapes) for tensor in node.input])
        for node in graph.graph_def.node
    ]
    return graph.replaced(nodes, outputs=fetches).prune(fetches)


def _rewired(tensor: str, shapes: Mapping[str, Sequence[int]]) -> str:
    if tensor.startswith("^") or output_index(tensor) != 0 or producer(tensor) not in shapes:
        return tensor
    return cut_input(producer(tensor))
