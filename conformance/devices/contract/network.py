"""The network that the device contract is checked on, with its goldens and bounds, independent of any device.

It has two inputs of unknown batch, a join, two outputs of different rank, a node of 256 channels and another
of its shape, and only operators and attributes that TensorFlow 1 knows. It has no Mean: how a card sums in
half is for the suite to find out about its arithmetic, and no fault of the driver that the contract judges.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.graph.composing import reference_graph
from conformance.graph.cut import PREFIX, cut
from conformance.graph.editing import constant, placeholder, plain
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.graph.selection import judgeable_nodes
from conformance.judging.bounds import ErrorValues, bound, read_margins
from conformance.judging.comparison import attained
from conformance.quantization.calibration import calibrate, largest_magnitudes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.graph.frozen import Node
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]

INPUTS = ("X", "Y")
OUTPUTS = ("out", "score")
INNER = ("wide/Conv2D", "wide/bias")
"""Nodes of one shape in the middle of the network."""
SHAPE = (8, 6, 3)
"""Height, width and channels of an image; height and width differ, so that swapped axes show."""
SAMPLES = (0, 1)
BRANCH, WIDE, SCORES = 16, 256, 64
"""Channels: of a branch before the join, of the middle, of the second output."""
PRODUCER = 27
"""GraphDef version of TensorFlow 1.13, which every later TensorFlow takes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """Something to open and run on a device.

    Attributes:
        graph: the network, whole or cut.
        fetches: the nodes that have a golden and bounds in it.
        feeds: one mapping per sample.
    """

    graph: FrozenGraph
    fetches: tuple[str, ...]
    feeds: tuple[Mapping[str, Array], ...]


class ContractNetwork:
    """The network; everything is computed once, by TensorFlow in float64 and by the ideal device.

    Attributes:
        whole: the network as it is.
        cut: every node fed with goldens, so that its error is its own.
        goldens: float32 arrays by node, one per sample.
    """

    def __init__(self) -> None:
        graph = _graph()
        nodes = tuple(judgeable_nodes(graph))
        feeds = tuple(_feeds(sample) for sample in SAMPLES)
        self.goldens = _goldens(graph, nodes, feeds)
        self.whole = Program(graph, nodes, feeds)
        self.cut = _cut(self.whole, self.goldens)
        self._margins = read_margins(locations.MARGINS)
        self._ideal = EmulatorDevice(read_profile(locations.IDEAL, locations.DEVICES))

    @functools.cache  # noqa: B019 - there is one network per process
    def scales(self, bits: int) -> QuantizationScales:
        """Return the scales of naive calibration on all samples."""
        return calibrate(largest_magnitudes(self.whole.graph, self.whole.feeds), bits)

    @functools.cache  # noqa: B019
    def ideal(self, program: Program, precision: Precision) -> list[dict[str, Array]]:
        """Return what the ideal device gives, sample by sample."""
        scales = self.scales(precision.fixed_bits)
        with self._ideal.open(
            program.graph, program.fetches, precision=precision, scales=scales, fuse=False
        ) as session:
            return [session.run(feeds) for feeds in program.feeds]

    @functools.cache  # noqa: B019
    def limits(self, program: Program, precision: Precision) -> Mapping[str, ErrorValues]:
        """Return each node's bound: what the ideal device attains on the same graph and feeds, with margins.

        Nothing is allowed for summing in float32: every sum of the network is one of fixed-point numbers,
        whose quantisation adds far more than that.
        """
        runs = self.ideal(program, precision)
        return {
            node: bound(
                attained(self.goldens[node], [run[node] for run in runs]),
                known(program.graph.nodes[node].op).margin_class,
                self._margins,
            )
            for node in program.fetches
        }


@functools.cache
def contract_network() -> ContractNetwork:
    """Return the network, made once per process."""
    return ContractNetwork()


def _goldens(
    graph: FrozenGraph, nodes: Sequence[str], feeds: Sequence[Mapping[str, Array]]
) -> dict[str, list[Array]]:
    run = GraphRunner(reference_graph(graph)[0], nodes)
    results = [run(sample) for sample in feeds]
    return {node: [result[node].astype(np.float32) for result in results] for node in nodes}


def _cut(whole: Program, goldens: Mapping[str, Sequence[Array]]) -> Program:
    """Return the program in which every node reads goldens only."""
    shapes = {node: values[0].shape for node, values in goldens.items()}
    graph = cut(whole.graph, shapes, whole.fetches)
    known = [
        {PREFIX + node: values[sample] for node, values in goldens.items()} | dict(whole.feeds[sample])
        for sample in SAMPLES
    ]
    return Program(
        graph, whole.fetches, tuple({name: feeds[name] for name in graph.inputs} for feeds in known)
    )


def _feeds(sample: int) -> dict[str, Array]:
    random = np.random.default_rng(100 + sample)
    return {name: random.uniform(-1, 1, (1, *SHAPE)).astype(np.float32) for name in INPUTS}


def _graph() -> FrozenGraph:
    nodes = _Nodes()
    for name, branch in (("X", "bare"), ("Y", "style")):
        nodes.add(placeholder(name, "float32", (None, *SHAPE)))
        nodes.convolution(branch, name, 3, 3, SHAPE[-1], BRANCH)
        nodes.compute(f"{branch}/relu", "Relu", f"{branch}/Conv2D")
    nodes.compute("joined", "ConcatV2", "bare/relu", "style/relu", axes=3).attr["N"].i = 2
    nodes.convolution("wide", "joined", 1, 1, 2 * BRANCH, WIDE)
    nodes.compute("wide/bias", "BiasAdd", "wide/Conv2D", nodes.weights("bias", 1.0, WIDE))
    nodes.compute("wide/relu", "Relu", "wide/bias")
    nodes.convolution("narrow", "wide/relu", 1, 1, WIDE, SHAPE[-1])
    nodes.compute("scaled", "Mul", "narrow/Conv2D", nodes.weights("factor", 0.5, SHAPE[-1]))
    nodes.compute("out", "Tanh", "scaled")
    nodes.compute("peak", "Max", "joined", axes=[1, 2])
    nodes.compute("score", "MatMul", "peak", nodes.weights("score/filter", 0.2, 2 * BRANCH, SCORES))
    graph_def = tensorflow().compat.v1.GraphDef(node=nodes.nodes)
    graph_def.versions.producer = PRODUCER
    return FrozenGraph.of(graph_def, OUTPUTS, source="the contract's network")


class _Nodes:
    """Collects nodes with the attributes that have no default, as files of TensorFlow 1 may have them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._random = np.random.default_rng(11)

    def add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def weights(self, name: str, deviation: float, *shape: int) -> str:
        values = self._random.normal(0, deviation, shape).astype(np.float32)
        return str(self.add(constant(name, values)).name)

    def compute(self, name: str, op: str, *inputs: str, axes: int | list[int] | None = None) -> Node:
        """Add a node of type float32; ``axes`` becomes its last input."""
        if axes is None:
            return self.add(plain(name, op, inputs, T="float32"))
        self.add(constant(f"{name}/axes", np.array(axes, np.int32)))
        return self.add(plain(name, op, [*inputs, f"{name}/axes"], T="float32", Tidx="int32"))

    def convolution(self, name: str, source: str, *shape: int) -> None:
        filters = self.weights(f"{name}/filter", float(np.prod(shape[:-1])) ** -0.5, *shape)
        node = self.compute(f"{name}/Conv2D", "Conv2D", source, filters)
        node.attr["strides"].list.i.extend([1, 1, 1, 1])
        node.attr["padding"].s = b"SAME"
