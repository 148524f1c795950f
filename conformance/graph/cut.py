"""Cutting a graph: every consumer of a key node reads a golden instead of what the device computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.graph.editing import cast, copied, placeholder
from conformance.graph.frozen import output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.retype import output_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph, Node

PREFIX = "golden/"


def cut_input(node: str) -> str:
    """Return the name of the placeholder that stands for ``node`` in a cut graph."""
    return PREFIX + node


def cut(graph: FrozenGraph, shapes: Mapping[str, Sequence[int]], fetches: Sequence[str]) -> FrozenGraph:
    """Return ``graph``, pruned to ``fetches``, with readers of key nodes reading ``golden/<node>`` instead.

    Args:
        graph: the whole network.
        shapes: shape of each key node's first output; goldens are float32, whatever the node's float type.
        fetches: nodes to compute, key nodes or others.

    Returns:
        A graph whose outputs are ``fetches`` and whose inputs are those placeholders, old and new, that they
        need: each fetched node sees goldens only, so its error is its own.

    Raises:
        UsageError: a key node or fetch is not in the graph.
    """
    for name in (*shapes, *fetches):
        graph.require(name)
    standing_for = {name: _stand_in(graph.nodes[name], shape) for name, shape in shapes.items()}
    nodes = [node for nodes in standing_for.values() for node in nodes]
    readers = {name: nodes[-1].name for name, nodes in standing_for.items()}
    nodes += [
        copied(node, inputs=[_rewired(tensor, readers) for tensor in node.input])
        for node in graph.nodes.values()
    ]
    return graph.replaced(nodes, outputs=fetches).prune(fetches)


def _stand_in(node: Node, shape: Sequence[int]) -> list[Node]:
    """Return the placeholder for a key node, and a cast where the node is of another float type."""
    float32 = tensorflow().float32
    fed = placeholder(cut_input(node.name), float32, shape)
    kind = next(iter(output_types(node)), float32.as_datatype_enum)
    if kind == float32.as_datatype_enum:
        return [fed]
    return [fed, cast(f"{fed.name}/cast", fed.name, float32, kind)]


def _rewired(tensor: str, readers: Mapping[str, str]) -> str:
    if tensor.startswith("^") or output_index(tensor) != 0:
        return tensor
    return readers.get(producer(tensor), tensor)
