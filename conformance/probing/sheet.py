"""A sheet of experiments: many small graphs side by side in one, so that a device compiles once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.dataflow import tensor_types
from conformance.graph.editing import constant, placeholder, plain
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.quantization.parameter_file import QuantizationScales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from conformance.graph.frozen import Node
    from conformance.precision import Precision

Array = np.ndarray[Any, Any]

PRODUCER = 27
"""GraphDef version of TensorFlow 1.13, which every later TensorFlow takes."""


class Sheet:
    """Nodes, feeds, fetches and scales of the experiments of one precision, collected while they are made.

    Attributes:
        precision: at which they run.
        nodes: in the order of making.
        feeds: float32 arrays, by placeholder.
        constants: values of constants, by node.
        fetches: nodes whose results are wanted.
        scales: of fixed-point operators, by ``NODE/input`` and ``NODE/filter``.
    """

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self.nodes: list[Node] = []
        self.feeds: dict[str, Array] = {}
        self.constants: dict[str, Array] = {}
        self.fetches: list[str] = []
        self.scales: dict[str, float] = {}

    def feed(self, name: str, value: Any) -> str:
        """Return a placeholder that gets ``value`` as float32."""
        array = np.asarray(value, np.float32)
        self.nodes.append(placeholder(name, "float32", array.shape))
        self.feeds[name] = array
        return name

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Return a constant of the graph."""
        self.constants[name] = np.asarray(value, dtype)
        self.nodes.append(constant(name, self.constants[name]))
        return name

    def compute(self, name: str, op: str, inputs: Sequence[str], *, fetch: bool = True, **types: Any) -> Node:
        """Return a node of type float32; what ``types`` says of other attributes of types is added."""
        node = plain(name, op, inputs, T="float32", **types)
        self.nodes.append(node)
        if fetch:
            self.fetches.append(name)
        return node

    def reduce(self, name: str, op: str, source: str, axes: Sequence[int]) -> Node:
        """Return a reduction over ``axes``, which are not kept."""
        at = self.constant(f"{name}/axes", np.array(axes, np.int32), np.int32)
        return self.compute(name, op, [source, at], Tidx="int32")

    def fixed_point(
        self, name: str, op: str, inputs: Sequence[str], scales: tuple[float, float], **attributes: Any
    ) -> Node:
        """Return a fixed-point operator with the scales of its input and its filter."""
        node = self.compute(name, op, inputs)
        if op != "MatMul":
            node.attr["strides"].list.i.extend(attributes.get("strides", [1, 1, 1, 1]))
            node.attr["padding"].s = attributes.get("padding", b"VALID")
        self.scales |= {f"{name}/input": scales[0], f"{name}/filter": scales[1]}
        return node


@dataclasses.dataclass(frozen=True, eq=False)
class Printed:
    """A sheet that is ready to run.

    Attributes:
        graph: of all its experiments.
        fetches: what is wanted.
        feeds: by placeholder.
        inputs: feeds and constants, by name: what predictions start from.
        shapes: of what is fetched.
        scales: of its fixed-point operators.
    """

    graph: FrozenGraph
    fetches: tuple[str, ...]
    feeds: dict[str, Array]
    inputs: dict[str, Array]
    shapes: dict[str, tuple[int | None, ...]]
    scales: QuantizationScales


def printed(precision: Precision, experiments: Iterable[Callable[[Sheet], None]]) -> Printed:
    """Return the sheet of some experiments at one precision."""
    sheet = Sheet(precision)
    for experiment in experiments:
        experiment(sheet)
    graph_def = tensorflow().compat.v1.GraphDef(node=sheet.nodes)
    graph_def.versions.producer = PRODUCER
    graph = FrozenGraph.of(graph_def, sheet.fetches, source="the probe's graph")
    inputs = {**sheet.feeds, **sheet.constants}
    types = tensor_types(graph)
    shapes = {name: tuple(types[name][0].shape or ()) for name in sheet.fetches}
    scales = QuantizationScales(precision.fixed_bits, sheet.scales)
    return Printed(graph, tuple(sheet.fetches), sheet.feeds, inputs, shapes, scales)
