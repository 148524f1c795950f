"""Taking a dump: the uncut network, fusion broken at the chosen nodes, every result written and none lost."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import Unsupported
from conformance.dumps.manifest import GOLDEN, DumpManifest, device_word
from conformance.errors import ConformanceError, DeviceError, UsageError
from conformance.evaluation.device_runs import DeviceRun
from conformance.precision import PRECISIONS
from conformance.runs.environment import named_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from conformance.devices.base import Device
    from conformance.dumps.writing import DumpWriter
    from conformance.goldens import GoldenStore
    from conformance.judging.findings import Problem
    from conformance.networks import Network
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

ALL = "all"


@dataclasses.dataclass(frozen=True)
class Selection:
    """What is dumped of a network: these nodes, producers first, on these samples."""

    network: Network
    nodes: Sequence[str]
    samples: Sequence[int]

    @property
    def tensors(self) -> list[tuple[str, int]]:
        """Every (node, sample), node by node."""
        return [(node, sample) for node in self.nodes for sample in self.samples]

    def manifest(self, **what: Any) -> DumpManifest:
        """Return a manifest without files."""
        return DumpManifest(
            network=self.network.name,
            graph_sha256=self.network.graph.sha256,
            input_sha256=self.network.input_sha256,
            **what,
        )


def chosen_samples(text: str, network: Network) -> list[int]:
    """Return the samples that ``--sample`` means.

    Raises:
        UsageError: it is neither ``all`` nor a number of a sample.
    """
    everything = list(range(network.samples))
    if text == ALL:
        return everything
    if not (text.isascii() and text.isdigit() and int(text) in everything):
        raise UsageError(
            f"--sample {text!r} is no sample of {network.name}; give 0 to {network.samples - 1}, or all"
        )
    return [int(text)]


def dump_goldens(selection: Selection, store: GoldenStore, writer: DumpWriter) -> DumpManifest:
    """Write the goldens themselves, and return the manifest that is to finish the dump.

    Raises:
        GoldenError: they are missing or damaged, or belong to another network.
    """
    store.ensure(selection.nodes)
    writer.expect(selection.tensors, GOLDEN)
    for node, sample in selection.tensors:
        writer.add(node, sample, store.get(node, sample))
    return selection.manifest(device={"kind": GOLDEN}, precision=None, fused=False)


def dump_device(
    selection: Selection,
    device: Device,
    writer: DumpWriter,
    *,
    precision: Precision | None,
    scales: QuantizationScales,
    fuse: bool = True,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> DumpManifest:
    """Run the network on a device and write what the nodes compute; return the manifest to finish with.

    Args:
        selection: what is dumped.
        device: what runs.
        writer: where it goes.
        precision: asked of the device; None where it has no such choice.
        scales: of the precision's fixed-point width.
        fuse: False runs layer by layer.
        progress: called with (done, total, what).

    Raises:
        Unsupported: the device does not offer this.
        DeviceError: it broke, or a result is missing or is no tensor of floats; names the node.
    """
    info, asked = device.info(), precision or PRECISIONS[-1]
    writer.expect(selection.tensors, device_word(info.kind))
    graph = selection.network.graph.prune(selection.nodes)
    with DeviceRun(
        lambda: device.open(graph, selection.nodes, precision=asked, scales=scales, fuse=fuse)
    ) as run:
        _write_samples(selection, run, graph.inputs, writer, progress)
    if isinstance(run.error, Unsupported):
        raise Unsupported(f"device {info.kind!r} does not offer this at {asked}: {run.error}") from run.error
    if isinstance(run.error, ConformanceError):
        raise run.error
    if run.problem is not None:
        raise DeviceError(run.problem.reason) from run.error
    for incident in run.incidents:
        raise DeviceError(f"the device failed on the way, so nothing was dumped: {incident}")
    facts = {"precision": str(precision) if precision else None, "fused": fuse, "notes": list(run.notes)}
    return selection.manifest(device=named_values(info, "device"), **facts)


def _write_samples(
    selection: Selection,
    run: DeviceRun,
    inputs: Sequence[str],
    writer: DumpWriter,
    progress: Callable[[int, int, str], None],
) -> None:
    """Run sample by sample, so that only one sample's tensors are in memory."""
    what = f"dumping {selection.network.name}"
    for done, sample in enumerate(selection.samples):
        progress(done, len(selection.samples), what)
        feeds = selection.network.feeds(sample)
        results = run({name: feeds[name] for name in inputs})
        problems = run.problems(selection.nodes)
        for node in selection.nodes:
            writer.add(node, sample, _tensor(results.pop(node, None), node, problems.get(node)))
    progress(len(selection.samples), len(selection.samples), what)


def _tensor(result: object, node: str, problem: Problem | None) -> NDArray[np.float32]:
    """Return a result as float32, in row-major order."""
    if result is None:
        kind = Unsupported if problem is not None and problem.state == "unsupported" else DeviceError
        raise kind(
            f"node {node!r} has no result: {problem.reason if problem else 'the device returned none'}"
        )
    if not isinstance(result, (np.ndarray, np.generic)):
        raise DeviceError(f"node {node!r} has a {type(result).__name__} as its result instead of an array")
    if not np.issubdtype(result.dtype, np.floating) or result.size == 0:
        raise DeviceError(
            f"node {node!r} has a result of dtype {result.dtype} and shape {result.shape} instead of floats"
        )
    with np.errstate(over="ignore"):
        return np.asarray(result, np.float32, order="C")
