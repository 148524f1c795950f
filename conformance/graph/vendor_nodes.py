"""Graphs that Cambricon's tool quantised: their nodes become TensorFlow's, their integer filters floats.

A filter becomes the numbers that its integers stand for, so that its scale makes the same integers of them.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from conformance.errors import UsageError
from conformance.graph.constants import stored
from conformance.graph.editing import constant, copied, plain
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.operators import known
from conformance.graph.own_scales import with_scales
from conformance.graph.vendor_operators import (
    MEANINGLESS,
    NEUTRAL,
    NORMALISING,
    QUANTISED,
    REMEDIES,
    UNSET_POSITION,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.graph.constants import Array
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.graph.vendor_operators import QuantisedOperator

FLOAT_GRAPH = "give the float graph instead"
PADDINGS, SIDES = "paddings", 4
"""The attribute for the zeros around a picture: above, below, left, right."""


def with_plain_nodes(graph: FrozenGraph) -> FrozenGraph:
    """Return a graph in which quantised nodes of Cambricon's are TensorFlow's, with scales of their own.

    Args:
        graph: any graph, as it was read; one without such nodes is returned as it is.

    Raises:
        UsageError: such a node has no scale, or cannot be written with TensorFlow's operators; names it.
    """
    vendor = [node for node in graph.nodes.values() if node.op in QUANTISED or node.op in NORMALISING]
    return _Translation(graph).whole() if vendor else graph


@dataclasses.dataclass
class _Filter:
    """An integer constant that is a filter.

    Attributes:
        scale: what its integers are divided by.
        reader: the quantised node that said so.
        nodes: the constant and the Identity nodes behind it.
    """

    scale: float
    reader: Node
    nodes: tuple[str, ...]


class _Translation:
    """Of one graph; ``_filters`` are its integer filters by the name of their constant."""

    def __init__(self, graph: FrozenGraph) -> None:
        self._graph = graph
        self._filters: dict[str, _Filter] = {}
        self._names = set(graph.nodes)

    def whole(self) -> FrozenGraph:
        nodes = [made for node in self._graph.nodes.values() for made in self._translated(node)]
        floats = {name: kept for kept in self._filters.values() for name in kept.nodes}
        self._check_readers(floats)
        arrays: dict[str, Array] = {}
        for index, node in enumerate(nodes):
            if node.name in self._filters:
                nodes[index], made = self._dequantised(node, self._filters[node.name])
                arrays |= made
            elif node.name in floats:
                nodes[index] = copied(node)
                nodes[index].attr["T"].type = tensorflow().float32.as_datatype_enum
        return self._graph.replaced(nodes, arrays=arrays)

    def _translated(self, node: Node) -> Iterator[Node]:
        if node.op in NORMALISING:
            yield from self._normalising(node)
        elif node.op in QUANTISED:
            yield from self._quantised(node, QUANTISED[node.op])
        else:
            yield node

    def _normalising(self, node: Node) -> Iterator[Node]:
        made = copied(node, op=NORMALISING[node.op])
        for key in ("position", "scale"):
            made.attr.pop(key, None)
        yield made

    def _quantised(self, node: Node, kind: QuantisedOperator) -> Iterator[Node]:
        self._check(node, kind)
        scales = self._scale(node, kind.operands[0]), self._scale(node, kind.operands[1])
        self._note_filter(node, kind, scales[1])
        *inputs, bias = data_inputs(node) if kind.biased else [*data_inputs(node), ""]
        waiting = [tensor for tensor in node.input if tensor.startswith("^")]
        name = self._free(f"{node.name}/{kind.op}") if kind.biased else node.name
        main = plain(name, kind.op, [*inputs, *waiting], T="float32")
        attributes = {attribute.name for attribute in op_definition(kind.op).attr}
        for key in attributes & set(node.attr) - {"T"}:
            main.attr[key].CopyFrom(node.attr[key])
        yield from self._padded(node, main)
        yield with_scales(main, kind.bits, scales)
        if kind.biased:
            yield self._biased(node, main, bias)

    def _check(self, node: Node, kind: QuantisedOperator) -> None:
        """Demand a node that TensorFlow's operator can stand for."""
        wanted = len(op_definition(kind.op).input_arg) + kind.biased
        if len(data_inputs(node)) != wanted:
            self._refuse(node, f"has {len(data_inputs(node))} inputs in place of {wanted}")
        float32 = tensorflow().float32.as_datatype_enum
        for key in ("T", "InT", "OutT"):
            if _value(node, key) not in (None, float32):
                self._refuse(node, f"has the type {key} = {tensorflow().as_dtype(_value(node, key)).name}")
        named = {f"{which}_{what}" for which in kind.operands for what in ("scale", "position")}
        familiar = {attribute.name for attribute in op_definition(kind.op).attr} | MEANINGLESS | named
        for key in node.attr:
            if key.startswith("_") or key in familiar or key == PADDINGS:
                continue
            if key not in NEUTRAL or _value(node, key) != NEUTRAL[key]:
                shown = f"has the attribute {key}" + (f" = {_value(node, key)}" if key in NEUTRAL else "")
                self._refuse(node, f"{shown}, which TensorFlow's {kind.op} lacks", REMEDIES.get(key, ""))

    def _refuse(self, node: Node, what: str, remedy: str = "") -> NoReturn:
        raise UsageError(
            f"node {node.name!r} ({node.op}) in {self._graph.source} {what}; {remedy or FLOAT_GRAPH}"
        )

    def _scale(self, node: Node, operand: str) -> float:
        """Return what the operand was multiplied by: its scale / 2^position."""
        key = f"{operand}_scale"
        if key not in node.attr:
            self._refuse(
                node, f"has no {key}", "quantise the float graph again, or give that: it will be calibrated"
            )
        position = _value(node, f"{operand}_position") or 0
        scale = float(_value(node, key))
        if not (math.isfinite(scale) and scale > 0):
            self._refuse(node, f"has the {key} {scale:g}, which is not a positive number")
        return scale if position == UNSET_POSITION else math.ldexp(scale, -position)

    def _free(self, name: str) -> str:
        """Return a name that no node has."""
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def _padded(self, node: Node, main: Node) -> Iterator[Node]:
        """Yield the padding that was folded into a convolution, of rows then columns; ``main`` reads it."""
        sides = _value(node, PADDINGS) or []
        if not any(sides):
            return
        if len(sides) != SIDES or _value(node, "data_format") not in (None, b"NHWC"):
            self._refuse(node, f"has the {PADDINGS} {sides}, which are not those of rows and columns")
        amounts = np.array([[0, 0], sides[:2], sides[2:], [0, 0]], np.int32)
        around = constant(self._free(f"{node.name}/paddings"), amounts)
        pad = plain(
            self._free(f"{node.name}/Pad"),
            "Pad",
            [main.input[0], around.name],
            T="float32",
            Tpaddings="int32",
        )
        main.input[0] = pad.name
        yield from (around, pad)

    def _biased(self, node: Node, main: Node, bias: str) -> Node:
        """Return the node that adds the bias, under the old name."""
        value = self._graph.constant(bias)
        if value is not None and value.ndim != 1:
            return plain(node.name, "Add", [main.name, bias], T="float32")
        added = plain(node.name, "BiasAdd", [main.name, bias], T="float32")
        if "data_format" in node.attr:
            added.attr["data_format"].CopyFrom(node.attr["data_format"])
        return added

    def _note_filter(self, node: Node, kind: QuantisedOperator, scale: float) -> None:
        """Note that an integer constant is a filter of this scale."""
        tensor = node.input[known(kind.op).data_arguments[1]]
        value = self._graph.constant(tensor)
        if value is None:
            declared = _value(node, "FilterT") or _value(node, "T1")
            if declared and tensorflow().as_dtype(declared).is_integer:
                self._refuse(node, f"reads integers from {tensor!r}, which is no constant")
            return
        if not np.issubdtype(value.dtype, np.integer):
            return
        chain = self._chain(tensor)
        noted = self._filters.setdefault(chain[-1], _Filter(scale, node, chain))
        noted.nodes = tuple(dict.fromkeys((*chain, *noted.nodes)))
        if noted.scale != scale:
            self._refuse(node, f"reads the filter of {noted.reader.name!r} with another scale")

    def _chain(self, tensor: str) -> tuple[str, ...]:
        """Return the nodes from a tensor back to the constant that it is."""
        names = [producer(tensor)]
        while self._graph.nodes[names[-1]].op != "Const":
            names.append(producer(self._graph.nodes[names[-1]].input[0]))
        return tuple(names)

    def _check_readers(self, floats: dict[str, _Filter]) -> None:
        """Demand that nothing else reads what was an integer and is a float now."""
        for node in self._graph.nodes.values():
            for tensor in () if node.op in QUANTISED or node.name in floats else data_inputs(node):
                if producer(tensor) in floats:
                    reader = floats[producer(tensor)].reader
                    self._refuse(reader, f"shares its integer filter {tensor!r} with {node.name!r}")

    def _dequantised(self, node: Node, found: _Filter) -> tuple[Node, dict[str, Array]]:
        integers = self._graph.constant(node.name)
        assert integers is not None, "it is a constant"
        made = copied(node)
        made.attr["dtype"].type = tensorflow().float32.as_datatype_enum
        return stored(made, (integers / found.scale).astype(np.float32))


def _value(node: Node, key: str) -> Any:
    """Return the value of an attribute as Python has it; None if there is none."""
    attribute = node.attr.get(key)
    kind = attribute.WhichOneof("value") if attribute is not None else None
    if attribute is None or kind is None:
        return None
    if kind == "list":
        return [*attribute.list.i, *attribute.list.f]
    return getattr(attribute, kind)
