"""Dropout that keeps everything: a mask that constants prove to be all ones is multiplied away.

Only bounds are followed, through the few operators that ``tf.nn.dropout`` builds its mask of, so a mask is
taken for ones only where no random number could make it anything else.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.freezing.type_inference import inferred_types
from conformance.graph.dataflow import topological
from conformance.graph.editing import plain
from conformance.graph.frozen import data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph, Node

RANDOM = "RandomUniform"
PRODUCTS = frozenset({"Mul"})
CHOICES = frozenset({"SelectV2", "Select"})


@dataclasses.dataclass(frozen=True)
class Bounds:
    """A number lies in low … high; ``below`` says that it is never ``high`` itself.

    Both are NumPy numbers of the tensor's dtype. Rounding keeps order, so what an operator makes of bounds
    bounds what it makes of the numbers.
    """

    low: Any
    high: Any
    below: bool = False

    @property
    def is_one(self) -> bool:
        """Whether it is always 1, or True."""
        return bool(self.low == self.high == 1)

    def stays_below_with(self, summand: Bounds) -> bool:
        """Return whether the sum with a constant stays below its bound, too, because it is not rounded.

        That is the sum with 0, and of a random number below 1 with 1: it has the digit to spare.
        """
        constant = bool(summand.low == summand.high)
        return self.below and constant and (summand.low == 0 or (summand.low == 1 and self.high <= 1))


def without_idle_dropout(graph: FrozenGraph) -> tuple[FrozenGraph, list[str]]:
    """Return the graph without masks that are all ones, and the names of the nodes that applied them.

    ``x · 1`` and ``x`` have the same bits, and so has a choice between ``x`` and 0 that always takes ``x``.

    Args:
        graph: a graph that TensorFlow knows, variables or not.
    """
    kept = _kept_inputs(graph)
    if not kept:
        return graph, []
    nodes = [
        plain(node.name, "Identity", [kept[node.name]], T=node.attr["T"].type) if node.name in kept else node
        for node in graph.nodes.values()
    ]
    return graph.replaced(nodes), list(kept)


def _kept_inputs(graph: FrozenGraph) -> dict[str, str]:
    """Return, by node, the input that it hands on because the other one is a mask of ones."""
    random = _random(graph)
    if not random:
        return {}
    known = bounds(graph)
    ones = {name for name in random if (found := known.get(name)) and found.is_one}
    kept = {node.name: _beside_ones(node, ones) for node in graph.nodes.values()}
    types = inferred_types(graph) if any(kept.values()) else {}
    return {name: tensor for name, tensor in kept.items() if tensor and _as_large(types, name, tensor)}


def _random(graph: FrozenGraph) -> set[str]:
    """Return the nodes that depend on random numbers, through operators whose bounds are known."""
    random: set[str] = set()
    if all(node.op != RANDOM for node in graph.nodes.values()):
        return random
    for name in topological(graph):
        node = graph.nodes[name]
        if node.op == RANDOM or (
            node.op in OPERATORS and not random.isdisjoint(map(producer, data_inputs(node)))
        ):
            random.add(name)
    return random


def _beside_ones(node: Node, ones: set[str]) -> str:
    """Return the input of a node that stands beside a mask of ones, or ''."""
    if node.op in CHOICES and producer(node.input[0]) in ones:
        return str(node.input[1])
    if node.op in PRODUCTS:
        for mask, other in ((1, 0), (0, 1)):
            if producer(node.input[mask]) in ones:
                return str(node.input[other])
    return ""


def _as_large(types: Mapping[str, list[TensorType]], name: str, tensor: str) -> bool:
    """Whether a tensor has the shape of what a node makes of it: a mask may spread a smaller one."""
    shape = types[producer(tensor)][output_index(tensor)].shape
    return shape is not None and shape == types[name][0].shape


def bounds(graph: FrozenGraph) -> dict[str, Bounds]:
    """Return the bounds of all elements of each node's output (False is 0, True 1), where they are known."""
    known: dict[str, Bounds] = {}
    for name in topological(graph):
        node = graph.nodes[name]
        found = _of_source(graph, node)
        if node.op in OPERATORS and all(producer(tensor) in known for tensor in data_inputs(node)):
            found = _computed(node, [known[producer(tensor)] for tensor in data_inputs(node)])
        if found is not None:
            known[name] = found
    return known


def _of_source(graph: FrozenGraph, node: Node) -> Bounds | None:
    """Return the bounds of a constant or of random numbers."""
    if node.op == RANDOM:
        number = _dtype(node, "dtype")
        return Bounds(number(0), number(1), below=True)
    value = graph.constant(node.name) if node.op == "Const" else None
    if value is None or not value.size or value.dtype.kind not in "fiubV":  # V: bfloat16
        return None
    return Bounds(value.min(), value.max())


def _computed(node: Node, arguments: Sequence[Bounds]) -> Bounds | None:
    with np.errstate(all="ignore"):
        found = OPERATORS[node.op](node, arguments)
    return found if np.isfinite(found.low) and np.isfinite(found.high) else None


def _dtype(node: Node, attribute: str) -> Any:
    return tensorflow().as_dtype(node.attr[attribute].type).as_numpy_dtype


def _same(_: Node, arguments: Sequence[Bounds]) -> Bounds:
    return arguments[0]


def _cast(node: Node, arguments: Sequence[Bounds]) -> Bounds:
    number = _dtype(node, "DstT")
    return Bounds(number(arguments[0].low), number(arguments[0].high))


def _sum(_: Node, arguments: Sequence[Bounds]) -> Bounds:
    first, second = arguments
    below = first.stays_below_with(second) or second.stays_below_with(first)
    return Bounds(first.low + second.low, first.high + second.high, below)


def _difference(_: Node, arguments: Sequence[Bounds]) -> Bounds:
    first, second = arguments
    return Bounds(first.low - second.high, first.high - second.low)


def _product(_: Node, arguments: Sequence[Bounds]) -> Bounds:
    first, second = arguments
    if first.is_one or second.is_one:
        return second if first.is_one else first
    corners = [a * b for a in (first.low, first.high) for b in (second.low, second.high)]
    return Bounds(min(corners), max(corners))


def _floor(_: Node, arguments: Sequence[Bounds]) -> Bounds:
    (bound,) = arguments
    high = np.floor(bound.high)
    return Bounds(np.floor(bound.low), high - (bound.below and high == bound.high))


def _at_least(_: Node, arguments: Sequence[Bounds]) -> Bounds:
    first, second = arguments
    return Bounds(np.bool_(first.low >= second.high), np.bool_(first.high >= second.low))


OPERATORS: dict[str, Callable[[Node, Sequence[Bounds]], Bounds]] = {
    "Identity": _same,
    "Cast": _cast,
    "Add": _sum,
    "AddV2": _sum,
    "Sub": _difference,
    "Mul": _product,
    "Floor": _floor,
    "GreaterEqual": _at_least,
}
