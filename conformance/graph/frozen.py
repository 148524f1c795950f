"""A frozen graph: a TensorFlow graph whose variables are constants, with its inputs and outputs."""

from __future__ import annotations

import collections
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from conformance.errors import UsageError, near_names
from conformance.files import write_all
from conformance.graph.array_files import array_writers, check_no_arrays
from conformance.graph.constants import (
    APART,
    constant_shape,
    declared,
    fill,
    parted,
    serialized_attribute,
    stored,
)
from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.vendor_operators import hint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import PurePath

    from conformance.graph.array_files import Writer
    from conformance.graph.constants import Array

Node = Any  # tensorflow.NodeDef
GraphDef = Any  # tensorflow.GraphDef

LARGEST_MESSAGE = 2**31 - 2**24
"""Bytes of constants that a protocol buffer can hold, with room for all the rest of a graph."""

INPUT_OPERATORS = frozenset({"Placeholder", "PlaceholderV2"})


REMEDY = (
    "name outputs before that with --output, feed its results with --input, or give a graph with "
    "TensorFlow's own operators in their place"
)
"""What to do about operators that TensorFlow lacks."""

SHOWN_NODES = 3
"""How many nodes of one operator a sentence names."""


def producer(tensor: str) -> str:
    """Return the node that makes ``tensor``: ``a`` for ``a``, ``a:1`` and ``^a``."""
    return tensor.removeprefix("^").partition(":")[0]


def full_name(tensor: str) -> str:
    """Return ``tensor`` with the number of its output: ``a:0`` for ``a``; control inputs stay as they are."""
    return tensor if ":" in tensor or tensor.startswith("^") else f"{tensor}:0"


def output_index(tensor: str) -> int:
    """Return which output of its node ``tensor`` is: 1 for ``a:1``, 0 for ``a``."""
    return int(tensor.partition(":")[2] or 0)


def _told(unknown: Mapping[str, Sequence[str]]) -> str:
    """Return in words which operators are unknown, at which nodes, and what is known of them all the same."""
    told = []
    for op, names in unknown.items():
        listed = ", ".join(sorted(names)[:SHOWN_NODES])
        more = f" and {len(names) - SHOWN_NODES} more" if names[SHOWN_NODES:] else ""
        told.append(f"operator {op!r} of {listed}{more}" + (f" ({known})" if (known := hint(op)) else ""))
    return ", ".join(told)


def data_inputs(node: Node) -> list[str]:
    """Return the tensors that ``node`` reads; its control inputs, which come after them, are left out."""
    return [tensor for tensor in node.input if not tensor.startswith("^")]


class FrozenGraph:
    """The structure of a graph, and beside it the arrays of its large constants; never changed in place.

    Graphs that are made from each other share nodes and arrays: cutting, pruning and rewriting cost what the
    structure costs.

    Args:
        nodes: TensorFlow NodeDefs in any order; those of large constants without content.
        outputs: names of the nodes whose first output is the result of the network.
        source: what the graph is called in errors.
        arrays: of the constants whose content is not in their node, by name; see
            :mod:`conformance.graph.constants`.
        library: the functions that nodes call, as a FunctionDefLibrary.
        versions: of the GraphDef, as a VersionDef.

    Raises:
        UsageError: a node stands twice, or among the nodes that the outputs need, one is missing or has an
            operator that the installed TensorFlow does not know.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        outputs: Sequence[str],
        *,
        source: str = "graph",
        arrays: Mapping[str, Array] | None = None,
        library: Any = None,
        versions: Any = None,
    ) -> None:
        self.outputs, self.source = tuple(outputs), source
        listed = list(nodes)
        self.nodes: dict[str, Node] = {node.name: node for node in listed}
        marked = {name for name, node in self.nodes.items() if APART in node.attr}
        self.arrays = {name: array for name, array in (arrays or {}).items() if name in marked}
        empty = tensorflow().compat.v1.GraphDef()
        self.library = empty.library if library is None else library
        self.versions = empty.versions if versions is None else versions
        self._check(listed)

    @classmethod
    def of(
        cls,
        graph_def: GraphDef,
        outputs: Sequence[str],
        *,
        source: str = "graph",
        arrays: Mapping[str, Array] | None = None,
    ) -> FrozenGraph:
        """Return the graph of a TensorFlow GraphDef; ``arrays`` are those of constants it has no content of.

        Errors are those of the class.
        """
        nodes, large = parted(graph_def.node)
        large |= arrays or {}
        library, versions = graph_def.library, graph_def.versions
        return cls(nodes, outputs, source=source, arrays=large, library=library, versions=versions)

    def _check(self, nodes: Sequence[Node]) -> None:
        if len(self.nodes) != len(nodes):
            counts = collections.Counter(node.name for node in nodes)
            doubled = counts.most_common(1)[0][0]
            raise UsageError(f"{self.source} has two nodes of one name: {doubled!r}; give each its own")
        lost = [node.name for node in nodes if APART in node.attr and node.name not in self.arrays]
        assert not lost, f"the constant {lost[0]!r} of {self.source} has lost its array"
        defined = {function.signature.name for function in self.library.function}
        unknown: dict[str, list[str]] = collections.defaultdict(list)
        for name in self._needed(self.outputs):
            op = self.nodes[name].op
            if op not in defined and op_definition(op) is None:
                unknown[op].append(name)
        if unknown:
            raise UsageError(f"{self.source} needs what TensorFlow lacks: {_told(unknown)}; {REMEDY}")

    def _needed(self, wanted: Iterable[str]) -> list[str]:
        """Return the nodes that the nodes ``wanted`` need, themselves included."""
        needed = dict.fromkeys(self.require(name).name for name in wanted)
        pending = list(needed)
        while pending:
            name = pending.pop()
            for tensor in self.nodes[name].input:
                source = producer(tensor)
                if source in needed:
                    continue
                if source not in self.nodes:
                    raise UsageError(f"node {name!r} in {self.source} reads {tensor!r}, which is missing")
                needed[source] = None
                pending.append(source)
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
        return tuple(node.name for node in self.nodes.values() if node.op in INPUT_OPERATORS)

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 over every node, its inputs and attributes: equal for equal graphs on every machine."""
        total = hashlib.sha256("\0".join(self.outputs).encode())
        for name, node in sorted(self.nodes.items()):
            total.update(f"\n{name}\0{node.op}\0{','.join(node.input)}".encode())
            for key in sorted(node.attr.keys() - {APART}):
                total.update(b"\0" + key.encode() + b"\0")
                for part in serialized_attribute(node, key, self.arrays):
                    total.update(part)
        for function in sorted(self.library.function, key=lambda item: item.signature.name):
            total.update(function.SerializeToString(deterministic=True))
        return total.hexdigest()

    def constant(self, tensor: str) -> Array | None:
        """Return the value of ``tensor`` if it is a constant, perhaps behind Identity nodes, else None.

        A large one may be of a narrower dtype than its node says, with the same values.
        """
        node = self.nodes[producer(tensor)]
        while node.op in ("Identity", "StopGradient"):
            node = self.nodes[producer(node.input[0])]
        if node.op != "Const":
            return None
        if node.name in self.arrays:
            return self.arrays[node.name]
        value: Array = tensorflow().make_ndarray(node.attr["value"].tensor)
        return value

    def prune(self, outputs: Iterable[str]) -> FrozenGraph:
        """Return the graph of ``outputs`` and all that they need, in the old order."""
        wanted = tuple(outputs)
        needed = set(self._needed(wanted))
        if wanted == self.outputs and len(needed) == len(self.nodes):
            return self
        return self.replaced([node for name, node in self.nodes.items() if name in needed], outputs=wanted)

    def replaced(
        self,
        nodes: Iterable[Node],
        *,
        outputs: Sequence[str] | None = None,
        arrays: Mapping[str, Array] | None = None,
        library: Any = None,
    ) -> FrozenGraph:
        """Return a graph of other ``nodes``, with the same versions.

        Args:
            nodes: all of them.
            outputs: the same ones unless given.
            arrays: of large constants that are new.
            library: the functions; the same ones unless given.
        """
        return FrozenGraph(
            nodes,
            self.outputs if outputs is None else outputs,
            source=self.source,
            arrays={**self.arrays, **(arrays or {})},
            library=self.library if library is None else library,
            versions=self.versions,
        )

    def with_constants(self, values: Mapping[str, Array]) -> FrozenGraph:
        """Return the graph with the constants of these names set to ``values`` of the same shape and dtype.

        Raises:
            UsageError: a name is not a constant of the graph, or its shape differs.
        """
        filled = {
            name: stored(self.require(name), self._fitting(name, value)) for name, value in values.items()
        }
        arrays = {name: array for _, made in filled.values() for name, array in made.items()}
        nodes = [filled[name][0] if name in filled else node for name, node in self.nodes.items()]
        return self.replaced(nodes, arrays=arrays)

    def _fitting(self, name: str, value: Array) -> Array:
        """Return a value in the dtype of a constant, whose shape it must have."""
        node = self.require(name)
        if node.op != "Const":
            raise UsageError(f"weights are given for {name!r} of {self.source}, which is not a constant")
        if value.shape != (shape := constant_shape(node)):
            raise UsageError(f"weights of {name!r} have shape {value.shape}, but the graph wants {shape}")
        return declared(node, value)

    def structure(self) -> GraphDef:
        """Return a GraphDef to hand to TensorFlow, whose importer writes into what it gets, without arrays.

        Devices and colocations of the machine that froze the graph are left out: they may not exist here.
        """
        graph_def = tensorflow().compat.v1.GraphDef(library=self.library, versions=self.versions)
        graph_def.node.extend(self.nodes.values())
        for node in graph_def.node:
            node.device = ""
            node.attr.pop("_class", None)
        return graph_def

    def copied_graph_def(self) -> GraphDef:
        """Return the whole graph as a GraphDef that may be changed, without devices and colocations.

        Raises:
            UsageError: its constants are larger than a protocol buffer can be.
        """
        if not self.fits_one_message:
            raise UsageError(
                f"the constants of {self.source} have {self.constant_bytes} bytes, but one protocol buffer "
                f"holds {LARGEST_MESSAGE} at most; use a device that takes them beside the graph"
            )
        graph_def = self.structure()
        for node in graph_def.node:
            if node.name in self.arrays:
                fill(node, self.arrays[node.name])
        return graph_def

    def save(self, path: Path) -> list[Path]:
        """Write the graph as a binary ``.pb`` file that TensorFlow and Netron open, and return its files.

        An older file is replaced, but arrays beside it are not; see :meth:`files`.

        Raises:
            UsageError: there are such arrays, of whatever graph.
        """
        check_no_arrays(path)
        files = {Path(file): write for file, write in self.files(path).items()}
        write_all(files)
        return list(files)

    def files(self, path: PurePath) -> dict[PurePath, Writer]:
        """Return what writes the graph, by the files that it takes, ``path`` last.

        There is one file, but where the constants are larger than a protocol buffer can be: these then lie in
        files beside it, which this project reads; see :mod:`conformance.graph.array_files`.
        """
        whole = self.fits_one_message
        arrays = {} if whole else array_writers(path, self.nodes.values(), self.arrays)

        def write(file: BinaryIO) -> None:
            graph_def = self.copied_graph_def() if whole else self.structure()
            file.write(graph_def.SerializeToString(deterministic=True))

        return {**arrays, path: write}

    @property
    def fits_one_message(self) -> bool:
        """Whether a protocol buffer can hold the whole graph."""
        return self.constant_bytes <= LARGEST_MESSAGE

    @property
    def constant_bytes(self) -> int:
        """Bytes of the large constants; what else there is is small beside the limit."""
        return sum(array.nbytes for array in self.arrays.values())
