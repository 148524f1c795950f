"""Functions of a graph's library: what nodes call, and what these call in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from conformance.graph.frozen import FrozenGraph, Node


def with_called(graph: FrozenGraph, nodes: Iterable[Node]) -> Iterator[Node]:
    """Yield nodes of a graph and those of the functions that they call, each function once."""
    library = {function.signature.name: function.node_def for function in graph.library.function}
    pending, called = list(nodes), set[str]()
    while pending:
        node = pending.pop(0)
        yield node
        for name in _functions(node) & library.keys() - called:
            called.add(name)
            pending.extend(library[name])


def _functions(node: Node) -> set[str]:
    """Return the names of what may be functions that a node calls."""
    attributes = node.attr.values()
    named = {function.name for value in attributes for function in (value.func, *value.list.func)}
    return {node.op} | named
