"""A batch of cases as one network: its graph, feeds, scales and goldens, all in memory."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import GoldenError
from conformance.fingerprints import fingerprint
from conformance.goldens import GoldenNode, GoldenStore, Manifest, Provenance
from conformance.graph.composing import reference_graph
from conformance.graph.einsums import with_plain_einsums
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import FrozenGraph, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import MOVEMENT
from conformance.judging.cases import OPERATORS
from conformance.networks import Network
from conformance.operators.table import TESTS
from conformance.quantization.calibration import Magnitudes, calibrate, quantized_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.operators.case import OperatorCase
    from conformance.operators.operand import AnyOperand
    from conformance.precision import FixedBits
    from conformance.quantization.parameter_file import QuantizationScales

    Array = np.ndarray[Any, Any]

WHY = ["operator"]


class BatchNetwork(Network):
    """The network of a batch: a case beside the other.

    Args:
        cases: the cases.
        name: of the network.

    Attributes:
        nodes: the judged node of each case.
    """

    def __init__(self, cases: Sequence[OperatorCase], name: str = OPERATORS) -> None:
        self.name, self.cases, self.directory = name, tuple(cases), Path(name)
        self.weights, self.key, self.outputs = None, (), []
        self.samples, self.trusted = 1, False
        self._fed: dict[str, Array] = {}
        self._operands: dict[str, AnyOperand] = {}
        with tensorflow().Graph().as_default() as drawn:
            self.nodes = [self._drawn(place, case) for place, case in enumerate(self.cases)]
        graph = FrozenGraph.of(drawn.as_graph_def(), self.nodes, source="a batch of cases").prune(self.nodes)
        self.__dict__["graph"] = with_plain_einsums(graph)  # in place of the cached property's file

    def feeds(self, sample: int) -> dict[str, Array]:  # noqa: ARG002 - there is one
        """Return one array per placeholder."""
        return self._fed

    def _drawn(self, place: int, case: OperatorCase) -> str:
        """Draw a case, and return the name of its judged node."""
        tf = tensorflow()
        with tf.name_scope(f"case_{place}"):
            tensors = [self._operand(number, operand) for number, operand in enumerate(case.operands)]
            made = TESTS[case.name].build(tf, *tensors, **dict(case.attributes))
        assert made.value_index == 0, f"{case.name} is judged by its first output"
        return str(made.op.name)

    def _operand(self, number: int, operand: AnyOperand) -> Any:
        tf = tensorflow()
        if operand.stored:
            made = tf.constant(operand.array(), name=f"operand_{number}")
        else:
            made = tf.compat.v1.placeholder(operand.dtype, operand.shape, name=f"operand_{number}")
            self._fed[made.op.name] = operand.array()
        self._operands[made.op.name] = operand
        return made

    @functools.cached_property
    def magnitudes(self) -> Magnitudes:
        """The largest magnitude of every quantised tensor; all of them are operands, perhaps moved."""
        return Magnitudes(
            {key: self._largest(tensor) for key, tensor in quantized_tensors(self.graph).items()}
        )

    def scales(self, bits: FixedBits) -> QuantizationScales:
        """Return the scales of calibration on the batch itself."""
        return calibrate(self.magnitudes, bits)

    def _largest(self, tensor: str) -> float:
        """Return the largest magnitude that decides the scale of a tensor, which is an operand."""
        node = self.graph.nodes[producer(tensor)]
        if node.name in self._operands:
            return self._operands[node.name].largest
        value = self.graph.constant(tensor)  # an operand that was moved when the graph was made
        if value is not None:
            return float(np.abs(value).max())
        assert node.op in MOVEMENT, f"{node.op} computes what is quantised"
        return self._largest(node.input[0])


class BatchStore(GoldenStore):
    """The goldens of a batch, in memory.

    Args:
        network: the batch.
    """

    def __init__(self, network: BatchNetwork) -> None:
        self.network = network
        self.directory, self.notes = network.directory, []
        self.progress = lambda *_: None
        self._made = _goldens(network)

    @functools.cached_property
    def manifest(self) -> Manifest:
        """What there is."""
        graph = self.network.graph
        made_from = Provenance(self.network.name, "", "", "", "", "", "", [])
        return Manifest(
            made_from,
            [
                GoldenNode(name, graph.nodes[name].op, WHY, [fingerprint(value)])
                for name, value in self._made.items()
            ],
        )

    @property
    def remedy(self) -> str:
        """What to do about what is not there."""
        return "mend the operator's strategy"

    def get(self, name: str, sample: int) -> Array:  # noqa: ARG002 - there is one
        """Return a node's golden."""
        return self._made[name]

    def let_go(self, name: str, sample: int) -> None:
        """Keep it: it lies nowhere else."""

    def ensure(self, names: Iterable[str]) -> None:
        """Demand that there is a golden of these nodes.

        Raises:
            GoldenError: there is none.
        """
        for name in names:
            if name not in self._made:
                raise GoldenError(f"node {name!r} of a batch has no golden; {self.remedy}")


def _goldens(network: BatchNetwork) -> Mapping[str, Array]:
    """Return what every judged node computes in float64, rounded to float32."""
    wide = reference_graph(network.graph)[0]
    run = GraphRunner(wide, network.nodes)
    results = run({name: network.feeds(0)[name] for name in run.feeds})
    run.close()
    return {name: np.asarray(value, np.float32) for name, value in results.items()}
