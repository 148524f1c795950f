"""A frozen graph: a TensorFlow GraphDef whose variables are constants, with its inputs and outputs."""

from __future__ import annotations

import collections
import functools
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError, near_names
from conformance.files import read_bytes, write_atomically
from conformance.graph.lazy_tensorflow import op_definition, tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Node = Any  # tensorflow.NodeDef
GraphDef = Any  # tensorflow.GraphDef

INPUT_OPERATORS = frozenset({"Placeholder", "PlaceholderV2"})


def producer(tensor: str) -> str:
    """Return the node that makes ``tensor``: ``a`` for ``a``, ``a:1`` and ``^a``."""
    return tensor.removeprefix("^").partition(":")[0]


def full_name(tensor: str) -> str:
    """Return ``tensor`` with the number of its output: ``a:0`` for ``a``; control inputs stay as they are."""
    return tensor if ":" in tensor or tensor.startswith("^") else f"{tensor}:0"


def output_index(tensor: str) -> int:
    """Return which output of its node ``tensor`` is: 1 for ``a:1``, 0 for ``a``."""
    return int(tensor.partition(":")[2] or 0)


def data_inputs(node: Node) -> list[str]:
    """Return the tensors that ``node`` reads; its control inputs, which come after them, are left out."""
    return [tensor for tensor in node.input if not tensor.startswith("^")]


class FrozenGraph:
    """A GraphDef that is never changed in place, indexed by node name.

    Args:
        graph_def: the TensorFlow GraphDef; nodes in any order.
        outputs: names of the nodes whose first output is the result of the network.

    Raises:
        UsageError: a node stands twice, or among the nodes that the outputs need, one is missing or has an
            operator that the installed TensorFlow does not know.
    """

    def __init__(self, graph_def: GraphDef, outputs: Sequence[str], *, source: str = "graph") -> None:
        self.graph_def = graph_def
        self.outputs = tuple(outputs)
        self.source = source
        self.nodes: dict[str, Node] = {node.name: node for node in graph_def.node}
        self._check()

    def _check(self) -> None:
        if len(self.nodes) != len(self.graph_def.node):
            counts = collections.Counter(node.name for node in self.graph_def.node)
            doubled = counts.most_common(1)[0][0]
            raise UsageError(f"{self.source} has two nodes of one name: {doubled!r}; give each its own")
        defined = {function.signature.name for function in self.graph_def.library.function}
        for name in self._needed(self.outputs):
            op = self.nodes[name].op
            if op not in defined and op_definition(op) is None:
                raise UsageError(
                    f"operator {op!r} of node {name!r} in {self.source} is unknown to this TensorFlow; "
                    "register it or prune the node away"
                )

    def _needed(self, wanted: Iterable[str]) -> list[str]:
        """Return the nodes that the nodes ``wanted`` need, themselves included."""
        needed: dict[str, None] = {}
        pending = [producer(name) for name in wanted]
        while pending:
            name = pending.pop()
            if name in needed:
                continue
            needed[name] = None
            for tensor in self.require(name).input:
                if producer(tensor) not in self.nodes:
                    raise UsageError(f"node {name!r} in {self.source} reads {tensor!r}, which is missing")
                pending.append(producer(tensor))
        return list(needed)

    def require(self, name: str) -> Node:
        """Return the node called ``name``.

        Raises:
            UsageError: there is none; names near ones.
        """
        node = self.nodes.get(producer(name))
        if node is None:
            raise UsageError(f"node {name!r} is not in {self.source}{near_names(name, list(self.nodes))}")
        return node

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the placeholders, in graph order."""
        return tuple(node.name for node in self.graph_def.node if node.op in INPUT_OPERATORS)

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 over every node, its inputs and attributes: equal for equal graphs on every machine."""
        total = hashlib.sha256("\0".join(self.outputs).encode())
        for node in sorted(self.graph_def.node, key=lambda node: node.name):
            total.update(f"\n{node.name}\0{node.op}\0{','.join(node.input)}".encode())
            for key in sorted(node.attr):
                total.update(b"\0" + key.encode() + b"\0")
                total.update(node.attr[key].SerializeToString(deterministic=True))
        for function in sorted(self.graph_def.library.function, key=lambda item: item.signature.name):
            total.update(function.SerializeToString(deterministic=True))
        return total.hexdigest()

    def constant(self, tensor: str) -> np.ndarray[Any, Any] | None:
        """Return the value of ``tensor`` if it is a constant, perhaps behind Identity nodes, else None."""
        node = self.nodes[producer(tensor)]
        while node.op in ("Identity", "StopGradient"):
            node = self.nodes[producer(node.input[0])]
        if node.op != "Const":
            return None
        value: np.ndarray[Any, Any] = tensorflow().make_ndarray(node.attr["value"].tensor)
        return value

    def prune(self, outputs: Iterable[str]) -> FrozenGraph:
        """Return the graph of ``outputs`` and all that they need, in the old order."""
        wanted = tuple(outputs)
        needed = set(self._needed(wanted))
        return self.replaced([node for node in self.graph_def.node if node.name in needed], outputs=wanted)

    def replaced(
        self, nodes: Iterable[Node], *, outputs: Sequence[str] | None = None, functions: Iterable[Any] = ()
    ) -> FrozenGraph:
        """Return a graph of other ``nodes`` with the same versions, and the same functions and more."""
        graph_def = tensorflow().compat.v1.GraphDef()
        graph_def.node.extend(nodes)
        graph_def.library.CopyFrom(self.graph_def.library)
        graph_def.library.function.extend(functions)
        graph_def.versions.CopyFrom(self.graph_def.versions)
        return FrozenGraph(graph_def, self.outputs if outputs is None else outputs, source=self.source)

    def with_constants(self, values: Mapping[str, np.ndarray[Any, Any]]) -> FrozenGraph:
        """Return the graph with the constants of these names set to ``values`` of the same shape and dtype.

        Raises:
            UsageError: a name is not a constant of the graph, or its shape differs.
        """
        for name in values:
            if self.require(name).op != "Const":
                raise UsageError(f"weights are given for {name!r} of {self.source}, which is not a constant")
        return self.replaced([_filled(node, values) for node in self.graph_def.node])

    def copied_graph_def(self) -> GraphDef:
        """Return a copy to hand to TensorFlow, whose importer writes default attributes into what it gets.

        Devices and colocations of the machine that froze the graph are left out: they may not exist here.
        """
        copy = type(self.graph_def)()
        copy.CopyFrom(self.graph_def)
        for node in copy.node:
            node.device = ""
            node.attr.pop("_class", None)
        return copy

    def save(self, path: Path) -> None:
        """Write the GraphDef as a binary ``.pb`` file that TensorFlow and Netron open."""
        write_atomically(path, lambda file: file.write(self.graph_def.SerializeToString(deterministic=True)))


def _filled(node: Node, values: Mapping[str, np.ndarray[Any, Any]]) -> Node:
    if node.name not in values:
        return node
    tf = tensorflow()
    tensor = node.attr["value"].tensor
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    value = np.asarray(values[node.name], tf.as_dtype(tensor.dtype).as_numpy_dtype)
    if value.shape != shape:
        raise UsageError(f"weights of {node.name!r} have shape {value.shape}, but the graph wants {shape}")
    copy = type(node)()
    copy.CopyFrom(node)
    copy.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return copy


def load_frozen_graph(path: Path, outputs: Sequence[str]) -> FrozenGraph:
    """Read a binary GraphDef and prune it to ``outputs``.

    Raises:
        UsageError: the file is missing, empty or no GraphDef, or an output is not in it.
    """
    data = read_bytes(path, "frozen graph")
    tf = tensorflow()
    from google.protobuf.message import DecodeError

    graph_def = tf.compat.v1.GraphDef()
    try:
        graph_def.ParseFromString(data)
    except DecodeError as error:
        raise UsageError(f"frozen graph {path} is not a GraphDef: {error}") from error
    if not graph_def.node:
        raise UsageError(f"frozen graph {path} holds no nodes; give a frozen .pb")
    return FrozenGraph(graph_def, outputs, source=str(path)).prune(outputs)
