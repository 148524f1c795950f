"""Nodes of a rewritten graph that hold what another one holds: whoever reads them reads the other one.

Operators bring constants of their own, mostly the same few; graphs of Keras read every weight through an
Identity. Both cost as much to load as a node that computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.graph.frozen import producer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from conformance.graph.frozen import FrozenGraph, Node


def without_copies(
    nodes: Sequence[Node], network: FrozenGraph, arrays: Collection[str]
) -> tuple[list[Node], dict[str, str]]:
    """Return nodes without copies, and of what a reader of a copy may name the node to read instead.

    What is asked for stays, as does what another node waits for.

    Args:
        nodes: producers first.
        network: the graph that they were made of.
        arrays: the constants that lie beside the graph.
    """
    kept, same_as, first = [], dict[str, str](), dict[bytes, str]()
    asked = {*network.outputs, *_awaited(network)}
    for node in nodes:
        same = node.name
        if node.name not in asked and _hands_on_a_constant(node, network):
            same = node.input[0]
        elif node.op == "Const" and not (node.input or node.name in network.nodes or node.name in arrays):
            same = first.setdefault(node.attr["value"].tensor.SerializeToString(), node.name)
        if same == node.name:
            kept.append(node)
        else:
            same_as[node.name] = same_as[f"{node.name}:0"] = same
    return kept, same_as


def _awaited(graph: FrozenGraph) -> set[str]:
    """Return the nodes after which others run without reading them."""
    tensors = (tensor for node in graph.nodes.values() for tensor in node.input)
    return {producer(tensor) for tensor in tensors if tensor.startswith("^")}


def _hands_on_a_constant(node: Node, network: FrozenGraph) -> bool:
    source = network.nodes.get(node.input[0]) if node.op == "Identity" and len(node.input) == 1 else None
    return source is not None and source.op == "Const"
