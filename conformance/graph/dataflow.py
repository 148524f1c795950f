"""The part of a graph that depends on its inputs, as a directed graph; shapes and types of its tensors."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.cached_methods import cached_per_object
from conformance.graph.frozen import FrozenGraph, data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import CONTROL_FLOW, SOURCES, STRUCTURAL
from conformance.graph.retype import output_types

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import networkx as nx


MAKES_ARRAYS = frozenset({"TensorArrayV2", "TensorArrayV3"})
WRITES_ARRAYS = frozenset({f"TensorArray{name}V3" for name in ("Write", "Scatter", "Split")})
"""Operators whose first output is a flow."""


def dataflow(graph: FrozenGraph) -> nx.DiGraph:
    """Return the nodes that depend on an input, placeholders included; edges go from producer to consumer.

    Constants and what is computed from them alone are left out: no error of a device arises there.
    """
    import networkx as nx

    everything = nx.DiGraph()
    everything.add_nodes_from(graph.nodes)
    for node in graph.nodes.values():
        everything.add_edges_from((producer(tensor), node.name) for tensor in data_inputs(node))
    live = set(graph.inputs).union(*(nx.descendants(everything, name) for name in graph.inputs))
    return nx.DiGraph(everything.subgraph(live))


def computed_from(graph: FrozenGraph, names: Iterable[str]) -> dict[str, set[str]]:
    """Return, for each of ``names``, the nodes that are computed from it, itself among them."""
    import networkx as nx

    edges = nx.DiGraph()
    edges.add_nodes_from(graph.nodes)
    for node in graph.nodes.values():
        edges.add_edges_from((producer(tensor), node.name) for tensor in data_inputs(node))
    return {name: {name, *nx.descendants(edges, name)} for name in names}


def topological(graph: FrozenGraph) -> list[str]:
    """Return all node names, producers before consumers, ties in graph order.

    Loops (TensorFlow 1 control flow) keep graph order.
    """
    import networkx as nx

    order = {name: index for index, name in enumerate(graph.nodes)}
    edges = nx.DiGraph()
    edges.add_nodes_from(graph.nodes)
    for node in graph.nodes.values():
        if node.op != "NextIteration":
            edges.add_edges_from((producer(tensor), node.name) for tensor in node.input)
    return list(nx.lexicographical_topological_sort(edges, key=order.__getitem__))


def unobservable(graph: FrozenGraph) -> frozenset[str]:
    """Return the nodes inside TensorFlow 1 loops and branches, whose values cannot be fetched.

    A branch that is not taken has none, and a loop has one per iteration.
    """
    if not any(node.op in CONTROL_FLOW for node in graph.nodes.values()):
        return frozenset()
    depth: dict[str, int] = {}
    for name in topological(graph):
        node = graph.nodes[name]
        operators = {graph.nodes[producer(tensor)].op for tensor in node.input}
        around = max(
            (depth[producer(tensor)] for tensor in node.input if producer(tensor) in depth), default=0
        )
        enters = node.op == "Enter" or (node.op == "Switch" and "LoopCond" not in operators)
        leaves = node.op == "Exit" or (node.op == "Merge" and "NextIteration" not in operators)
        depth[name] = around + enters - leaves
    return frozenset(name for name in depth if depth[name] > 0 or graph.nodes[name].op == "NextIteration")


def float_source(graph: FrozenGraph, name: str) -> str:
    """Return the nearest node of a float type that ``name`` is computed from, inputs apart; '' if none is.

    It is an output as :mod:`conformance.network_file` names it: the first of its node.
    """
    pending, seen = [name], {name}
    while pending:
        for tensor in data_inputs(graph.nodes[pending.pop(0)]):
            source = producer(tensor)
            node = graph.nodes[source]
            kind = tensorflow().as_dtype(output_types(node)[0])
            if tensor == source and node.op not in SOURCES and kind.is_floating:
                return source
            if source not in seen:
                seen.add(source)
                pending.append(source)
    return ""


def array_flows(graph: FrozenGraph) -> frozenset[str]:
    """Return the nodes whose first output is the flow of a TensorArray: it orders users, and says nothing."""
    flows = {name for name, node in graph.nodes.items() if node.op in WRITES_ARRAYS}
    pending = {name for name, node in graph.nodes.items() if node.op in MAKES_ARRAYS} | flows
    while pending:
        pending = {
            name
            for name, node in graph.nodes.items()
            if node.op in STRUCTURAL
            and name not in flows
            and any(_is_flow(tensor, graph, pending) for tensor in data_inputs(node))
        }
        flows |= pending
    return frozenset(flows)


def _is_flow(tensor: str, graph: FrozenGraph, sources: Collection[str]) -> bool:
    """Whether a tensor is a flow of one of the sources: the second output of an array, else the first."""
    source = producer(tensor)
    makes = source in sources and graph.nodes[source].op in MAKES_ARRAYS
    return source in sources and (not makes or output_index(tensor) == 1)


@dataclasses.dataclass(frozen=True)
class TensorType:
    """Static type of a tensor: a TensorFlow dtype and a shape, None where unknown."""

    dtype: Any
    shape: tuple[int | None, ...] | None

    @property
    def floating(self) -> bool:
        """Whether values are floating point, so that they can be judged."""
        return bool(self.dtype.is_floating)

    @property
    def in_words(self) -> str:
        """Dtype and shape, such as ``float32 ?x8x8x3``."""
        if self.shape is None:
            return f"{self.dtype.name} of any shape"
        sizes = "x".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype.name} {sizes or 'of a single number'}"


@cached_per_object
def tensor_types(graph: FrozenGraph) -> dict[str, list[TensorType]]:
    """Return for each node the types of its outputs, by TensorFlow's own shape inference."""
    tf = tensorflow()
    with tf.Graph().as_default() as loaded:
        tf.import_graph_def(graph.structure(), name="")
    return {
        operation.name: [TensorType(tensor.dtype.base_dtype, _shape(tensor)) for tensor in operation.outputs]
        for operation in loaded.get_operations()
        if operation.name in graph.nodes
    }


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    return None if tensor.shape.rank is None else tuple(tensor.shape.as_list())


SCALAR_OR_UNKNOWN = 21
"""Graphs of this producer and earlier ones write a shape that is not known as they write that of a scalar."""


def placeholder_type(graph: FrozenGraph, name: str) -> tuple[np.dtype[Any], tuple[int | None, ...] | None]:
    """Return the NumPy dtype and the shape of a placeholder; None where unknown.

    Source: tensorflow/core/ops/array_ops.cc, shape function of Placeholder.
    """
    tf = tensorflow()
    attributes = graph.nodes[name].attr
    shape = tf.TensorShape(attributes["shape"].shape if "shape" in attributes else None)
    if shape.rank == 0 and graph.versions.producer <= SCALAR_OR_UNKNOWN:
        shape = tf.TensorShape(None)
    dtype = np.dtype(tf.as_dtype(attributes["dtype"].type).as_numpy_dtype)
    return dtype, None if shape.rank is None else tuple(shape.as_list())
