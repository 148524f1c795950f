"""Putting a fault into a graph before a device compiles it, so that whatever follows computes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.graph.dataflow import dataflow, tensor_types
from conformance.graph.editing import copied
from conformance.graph.frozen import FrozenGraph, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PLANTED = "planted"
"""Part of the names of what a faulty node becomes: its right value, and what the fault makes of it."""


def raw(node: str) -> str:
    """Return the name under which a faulty node's right value is computed."""
    return f"{node}/{PLANTED}-raw"


def planted(graph: FrozenGraph, nodes: Iterable[str], fault: Callable[..., Any]) -> FrozenGraph:
    """Return ``graph`` with what ``fault`` makes under the names of ``nodes``.

    Args:
        graph: the network, whole or cut.
        nodes: which nodes are faulty.
        fault: takes TensorFlow, the node's name, its right value, and its inputs, constants as arrays;
            returns the faulty value.
    """
    targets, types = set(nodes), tensor_types(graph)
    planted_nodes = []
    for node in graph.nodes.values():
        if node.name in targets:
            planted_nodes += [copied(node, name=raw(node.name)), *_faulty(graph, node, types, fault)]
        else:
            planted_nodes.append(node)
    return graph.replaced(planted_nodes).prune(graph.outputs)


def _faulty(graph: FrozenGraph, node: Any, types: Any, fault: Callable[..., Any]) -> list[Any]:
    """Return the nodes that compute the faulty value, the last of them under the node's own name."""
    tf = tensorflow()
    with tf.Graph().as_default() as traced:
        sources: dict[str, str] = {}

        def standing_for(tensor: str, source: str) -> Any:
            kind = types[producer(tensor)][output_index(tensor)]
            stand_in = tf.compat.v1.placeholder(kind.dtype, kind.shape)
            sources[stand_in.op.name] = source
            return stand_in

        right = standing_for(node.name, raw(node.name))
        inputs = [
            value if (value := graph.constant(tensor)) is not None else standing_for(tensor, tensor)
            for tensor in node.input
        ]
        made = fault(tf, node.name, right, *inputs)
        if made.op.name in sources:
            made = tf.identity(made)
    return _renamed(traced.as_graph_def().node, made.op.name, node.name, sources)


def _renamed(nodes: Iterable[Any], last: str, name: str, sources: dict[str, str]) -> list[Any]:
    """Return traced nodes below ``name``, reading what the placeholders stood for."""
    names = {
        node.name: name if node.name == last else f"{name}/{PLANTED}/{node.name}"
        for node in nodes
        if node.name not in sources
    }

    def source(tensor: str) -> str:
        prefix = "^" if tensor.startswith("^") else ""
        index = f":{output_index(tensor)}" if output_index(tensor) else ""
        inner = producer(tensor)
        return sources[inner] if inner in sources else f"{prefix}{names[inner]}{index}"

    return [
        copied(node, name=names[node.name], inputs=[source(tensor) for tensor in node.input])
        for node in nodes
        if node.name in names
    ]


def transplanted(graph: FrozenGraph, donor: FrozenGraph, nodes: Iterable[str]) -> FrozenGraph:
    """Return an emulated graph in which what computes ``nodes`` is that of ``donor``, emulated otherwise."""
    targets = set(nodes)

    def of_targets(name: str) -> bool:
        return any(name == target or name.startswith(f"{target}/") for target in targets)

    kept = [node for node in graph.nodes.values() if not of_targets(node.name)]
    given = [node for node in donor.nodes.values() if of_targets(node.name)]
    known = {function.signature.name for function in graph.library.function}
    functions = [item for item in donor.library.function if item.signature.name not in known]
    library = type(graph.library)()
    library.CopyFrom(graph.library)
    library.function.extend(functions)
    return graph.replaced([*kept, *given], arrays=donor.arrays, library=library)


def dependents(graph: FrozenGraph, node: str) -> list[str]:
    """Return the nodes that need ``node``, producers first."""
    import networkx as nx

    needing = nx.descendants(dataflow(graph), node) if node in graph.nodes else set()
    return [name for name in graph.nodes if name in needing]
