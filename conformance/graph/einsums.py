"""Einsum of two operands, written as the matmul that it is, between transpositions and reshapes.

TensorFlow 2 writes the matmuls of a transformer block so. TensorFlow 1, and with it Cambricon's fork, has no
such operator: the matmul is what a card can be given, and what it takes in fixed point.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.constants import parted
from conformance.graph.dataflow import tensor_types
from conformance.graph.editing import constant, copied, plain
from conformance.graph.frozen import data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph, Node

    Array = np.ndarray[Any, Any]

INSIDE = "/einsum/"
"""Below it, after the node's name, stand the nodes that it becomes; the last of them keeps its name."""

Length = int | None
"""Of an axis; None where it is not known."""


@dataclasses.dataclass(frozen=True)
class Contraction:
    """The axes of an equation such as ``abc,cde->abde``, by what becomes of them.

    Attributes:
        left, right, result: the equation.
        batch: axes that both operands and the result have.
        rows, columns: axes of one operand and the result.
        summed: axes of both operands that the result lacks.
    """

    left: str
    right: str
    result: str
    batch: str
    rows: str
    columns: str
    summed: str

    @property
    def swapped(self) -> Contraction:
        """The same with the operands exchanged."""
        return dataclasses.replace(
            self, left=self.right, right=self.left, rows=self.columns, columns=self.rows
        )


def contraction(equation: str) -> Contraction | None:
    """Return the axes of an equation; None if it is no matmul: it has other operands, or an axis twice."""
    operands, arrow, result = equation.replace(" ", "").partition("->")
    left, _, right = operands.partition(",")
    parts = (left, right, result)
    if not arrow or not right or not all(part.isalpha() and len(set(part)) == len(part) for part in parts):
        return None
    shared = [axis for axis in left if axis in right]
    rows, columns = ([axis for axis in each if axis not in shared] for each in (left, right))
    if not set(rows + columns) <= set(result) <= set(left + right):
        return None
    batch = "".join(axis for axis in shared if axis in result)
    summed = "".join(axis for axis in shared if axis not in result)
    whole = all((rows, columns, summed))
    return Contraction(*parts, batch, "".join(rows), "".join(columns), summed) if whole else None


def with_plain_einsums(graph: FrozenGraph) -> FrozenGraph:
    """Return ``graph`` with every Einsum written as a matmul, where it is one and its shapes are known."""
    found = {
        name: axes
        for name, node in graph.nodes.items()
        if node.op == "Einsum" and (axes := contraction(attribute(node, "equation").s.decode())) is not None
    }
    if not found:
        return graph
    types, nodes = tensor_types(graph), []
    for name, node in graph.nodes.items():
        made = _Einsum(graph, types, node, found[name]).written() if name in found else None
        nodes += [node] if made is None else made
    structure, arrays = parted(node for node in nodes if node.name not in graph.nodes)
    new = {node.name: node for node in structure}
    return graph.replaced([new.get(node.name, node) for node in nodes], arrays=arrays)


class _Einsum:
    """Writes one node as a matmul.

    Args:
        graph: the network.
        types: of its tensors.
        node: the Einsum.
        axes: of its equation.
    """

    def __init__(
        self, graph: FrozenGraph, types: dict[str, list[TensorType]], node: Node, axes: Contraction
    ) -> None:
        self._graph, self._node = graph, node
        self._operands = data_inputs(node)
        self._dtype = tensorflow().as_dtype(attribute(node, "T").type)
        if graph.constant(self._operands[0]) is not None and graph.constant(self._operands[1]) is None:
            self._operands, axes = self._operands[::-1], axes.swapped  # filters stand to the right
        self._axes = axes
        self._lengths: dict[str, Length] = {}
        for tensor, letters in zip(self._operands, (axes.left, axes.right), strict=True):
            shape = types[producer(tensor)][output_index(tensor)].shape or (None,) * len(letters)
            for letter, length in zip(letters, shape, strict=False):
                self._lengths[letter] = self._lengths.get(letter) or length
        self._nodes: list[Node] = []

    def written(self) -> list[Node] | None:
        """Return the nodes, the last under its name; None where too little is known of its shape."""
        axes = self._axes
        groups = ((*axes.batch, axes.rows, axes.summed), (*axes.batch, axes.summed, axes.columns))
        result = (*axes.batch, *axes.rows, *axes.columns)
        shapes = [self._shape(group) for group in (*groups, result)]
        if any(sum(length is None for length in shape) > 1 for shape in shapes):
            return None
        left, right = (
            self._operand(index, letters, group, shape)
            for index, (letters, group, shape) in enumerate(
                zip((axes.left, axes.right), groups, shapes[:2], strict=True)
            )
        )
        last = self._add("MatMul", "BatchMatMulV2" if axes.batch else "MatMul", [left, right])
        if len(axes.rows) > 1 or len(axes.columns) > 1:
            last = self._reshaped("result", last, shapes[2])
        if "".join(result) != axes.result:
            last = self._transposed("transposed", last, [result.index(axis) for axis in axes.result])
        self._nodes[-1] = copied(self._nodes[-1], name=self._node.name)
        self._nodes[-1].input.extend(tensor for tensor in self._node.input if tensor.startswith("^"))
        return self._nodes

    def _shape(self, group: Sequence[str]) -> list[Length]:
        """Return the lengths of axes, several of which may be one."""
        lengths = [[self._lengths[letter] for letter in letters] for letters in group]
        return [
            None if None in each else math.prod(length for length in each if length is not None)
            for each in lengths
        ]

    def _operand(self, index: int, letters: str, group: Sequence[str], shape: Sequence[Length]) -> str:
        """Return the tensor that holds an operand as the matmul reads it: a constant is made anew."""
        tensor, name = self._operands[index], ("left", "right")[index]
        order = [letters.index(letter) for letter in "".join(group)]
        moved, split = order != sorted(order), any(len(each) > 1 for each in group)
        value = self._graph.constant(tensor)
        if value is not None and (moved or split):
            value = value.astype(self._dtype.as_numpy_dtype).transpose(order)
            return self._constant(name, value.reshape([-1 if n is None else n for n in shape]))
        if moved:
            tensor = self._transposed(f"{name}_transposed", tensor, order)
        return self._reshaped(name, tensor, shape) if split else tensor

    def _add(self, name: str, op: str, inputs: Sequence[str], **types: Any) -> str:
        self._nodes.append(plain(f"{self._node.name}{INSIDE}{name}", op, inputs, T=self._dtype, **types))
        return str(self._nodes[-1].name)

    def _constant(self, name: str, value: Array) -> str:
        self._nodes.append(constant(f"{self._node.name}{INSIDE}{name}", value))
        return str(self._nodes[-1].name)

    def _transposed(self, name: str, tensor: str, order: Sequence[int]) -> str:
        axes = self._constant(f"{name}/order", np.array(order, np.int32))
        return self._add(name, "Transpose", [tensor, axes], Tperm="int32")

    def _reshaped(self, name: str, tensor: str, shape: Sequence[Length]) -> str:
        wanted = [-1 if length is None else length for length in shape]
        lengths = self._constant(f"{name}/shape", np.array(wanted, np.int32))
        return self._add(name, "Reshape", [tensor, lengths], Tshape="int32")
