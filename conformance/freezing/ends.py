"""Where a graph ends, its last float nodes, and where it can be cut: the first floats after a pipeline."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.graph.frozen import INPUT_OPERATORS, data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.retype import output_types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.graph.frozen import FrozenGraph, Node

FIRST = 3
"""How many tensors a sentence proposes."""
MOST = 20
"""More outputs than that were not meant: a graph with what training left in it."""


def last_floats(graph: FrozenGraph, inputs: Iterable[str] = ()) -> list[str]:
    """Return the float nodes that depend on an input and that no other such node reads, in graph order.

    What is read only to be shown, such as by an ArgMax, is an output. Read through other nodes counts, too.

    Args:
        graph: any graph, unfrozen or not.
        inputs: the nodes that count as inputs; empty: placeholders, iterators and everything else that gives
            values of its own accord.

    Raises:
        UsageError: there is no such node, or there are too many to be meant.
    """
    sources = set(inputs) or {name for name, node in graph.nodes.items() if _gives_values(node)}
    live = _reached(sources, _readers(graph)) - sources
    floats = [name for name, node in graph.nodes.items() if name in live and _is_result(node)]
    read = _reached(floats, {name: _producers(node) for name, node in graph.nodes.items()}, inclusive=False)
    outputs = [name for name in floats if name not in read]
    if not outputs or len(outputs) > MOST:
        what = "no float node that depends on an input" if not outputs else _many(outputs)
        raise UsageError(f"{graph.source} has {what}; name its outputs with --output NODE")
    return outputs


def _many(outputs: list[str]) -> str:
    return f"{len(outputs)} float nodes that no other reads, such as {', '.join(outputs[-FIRST:])}"


def _gives_values(node: Node) -> bool:
    return not _producers(node) and node.op != "Const" and bool(output_types(node))


def _producers(node: Node) -> list[str]:
    return list(map(producer, data_inputs(node)))


def _readers(graph: FrozenGraph) -> dict[str, list[str]]:
    readers = collections.defaultdict(list)
    for name, node in graph.nodes.items():
        for source in _producers(node):
            readers[source].append(name)
    return readers


def _reached(start: Iterable[str], onward: dict[str, list[str]], *, inclusive: bool = True) -> set[str]:
    """Return what can be reached from ``start``; without it, unless one of it is reached from another."""
    reached: set[str] = set(start) if inclusive else set()
    pending = list(start)
    while pending:
        for name in onward.get(pending.pop(), ()):
            if name not in reached:
                reached.add(name)
                pending.append(name)
    return reached


def _is_result(node: Node) -> bool:
    """Whether a node gives floats; a Switch hands on what may not be there, mostly to an assertion."""
    return node.op != "Switch" and _floating(next(iter(output_types(node)), 0))


def _floating(dtype: int) -> bool:
    """Whether a dtype, as TensorFlow enumerates them, is one; 0 is none at all."""
    return bool(dtype) and bool(tensorflow().as_dtype(dtype).is_floating)


def gives_references(node: Node) -> bool:
    """Whether a node gives references to what it holds, as variables of TensorFlow 1 do."""
    definition = op_definition(node.op)
    return definition is not None and any(argument.is_ref for argument in definition.output_arg)


def floats_after(graph: FrozenGraph, names: Iterable[str]) -> list[str]:
    """Return the first float tensors that are computed from some nodes, such as ``IteratorGetNext:1``."""
    found: dict[str, None] = {}
    pending = collections.deque((name, index) for name in names for index in _outputs(graph.nodes[name]))
    seen = set(pending)
    while pending:
        name, index = pending.popleft()
        types = output_types(graph.nodes[name])
        if _floating(types[index]) and not gives_references(graph.nodes[name]):
            found[f"{name}:{index}" if index else name] = None
            continue
        for reader in _reading(graph, name, index):
            new = [(reader, output) for output in _outputs(graph.nodes[reader])]
            pending += [pair for pair in new if pair not in seen]
            seen.update(new)
    return list(found)


def _outputs(node: Node) -> range:
    return range(len(output_types(node)))


def _reading(graph: FrozenGraph, name: str, index: int) -> list[str]:
    """Return the nodes that read one tensor."""
    return [
        other
        for other, node in graph.nodes.items()
        if any((producer(tensor), output_index(tensor)) == (name, index) for tensor in data_inputs(node))
    ]


def proposed(tensors: Iterable[str]) -> str:
    """Return ', such as --input A or --input B', or '' where there is nothing to propose."""
    shown = [f"--input {tensor}" for tensor in tensors][:FIRST]
    return f", such as {' or '.join(shown)}" if shown else ""


def check_numbers(graph: FrozenGraph) -> None:
    """Demand that every placeholder takes numbers.

    Raises:
        UsageError: one takes strings; proposes where to cut.
    """
    numbers = {name: _takes_numbers(graph.nodes[name]) for name in graph.inputs}
    wrong = [name for name, takes in numbers.items() if not takes]
    if wrong:
        names = ", ".join(map(repr, wrong))
        raise UsageError(
            f"{graph.source} reads strings from placeholder {names}, and inputs here are numbers; cut the "
            f"graph with --input NODE{proposed(floats_after(graph, wrong))}"
        )


def _takes_numbers(node: Node) -> bool:
    assert node.op in INPUT_OPERATORS
    dtype = tensorflow().as_dtype(node.attr["dtype"].type)
    return bool(dtype.is_floating or dtype.is_integer or dtype.is_bool)
