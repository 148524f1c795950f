"""Whether a profile explains a device: an emulator of it must give the device's results bit for bit."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.evaluation.device_runs import DeviceRun
from conformance.expected.expectations import Expectations
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.expected.preparation import prepare_weights
from conformance.graph.cut import cut
from conformance.judging.bounds import read_margins
from conformance.probing.result import Explained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.devices.base import Device
    from conformance.devices.emulator.profile import Profile
    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Array = np.ndarray[Any, Any]


class _Same(NamedTuple):
    """How much of a node's results two devices share: single results, and of how many."""

    same: int
    of: int


def explained(
    device: Device,
    profile: Profile,
    store: GoldenStore,
    precisions: Sequence[Precision],
    told: Callable[[str], object] = lambda _: None,
) -> Explained:
    """Return how many key nodes of a network, fed with goldens, an emulator gives as the device does.

    Args:
        device: the device.
        profile: of the emulator.
        store: the network's goldens.
        precisions: at which both run.
        told: gets a word before each precision.

    Raises:
        UsageError, GoldenError: the network, its scales or its goldens are not right.
    """
    prepare_weights(store)
    expected = Expectations(store, read_margins(locations.MARGINS))
    shapes = key_shapes(store)
    nodes = list(shapes)
    store.ensure(nodes)
    graph = cut(store.network.graph, shapes, nodes)
    found: dict[str, dict[str, _Same]] = {}
    for precision in precisions:
        told(f"verifying at {precision}: {len(nodes)} nodes of {store.network.name}")
        scales = expected.scales(precision.fixed_bits)
        found[str(precision)] = _compared(device, EmulatorDevice(profile), graph, store, precision, scales)
    operators = {node.name: node.op for node in store.manifest.key}
    return _summed(store.network.name, operators, found)


def _compared(
    device: Device,
    emulator: EmulatorDevice,
    graph: FrozenGraph,
    store: GoldenStore,
    precision: Precision,
    scales: QuantizationScales,
) -> dict[str, _Same]:
    """Return what both share at each node, over all samples; what is missing shares nothing."""
    runs = [
        DeviceRun(
            lambda of=of: of.open(graph, graph.outputs, precision=precision, scales=scales, fuse=True)  # type: ignore[misc]
        )
        for of in (device, emulator)
    ]
    totals = {node: _Same(0, 0) for node in graph.outputs}
    for sample in range(store.network.samples):
        feeds = golden_feeds(store, graph.inputs, sample)
        theirs, ours = (_results(run, feeds) for run in runs)
        for node, total in totals.items():
            same, of = _shared(theirs.get(node), ours.get(node))
            totals[node] = _Same(total.same + same, total.of + of)
    for run in runs:
        run.close()
    return totals


def _results(run: DeviceRun, feeds: Mapping[str, Array]) -> dict[str, Any]:
    """Return what a run gives; nothing after an error, which is kept."""
    results: dict[str, Any] = {}
    if run.error is None:
        with run.watched():
            results = run(feeds)
    return results


def _shared(theirs: Any, ours: Any) -> _Same:
    if theirs is None or ours is None:
        return _Same(0, 1)
    try:
        first, second = np.asarray(theirs, np.float32), np.asarray(ours, np.float32)
    except (TypeError, ValueError):
        return _Same(0, 1)
    if first.shape != second.shape:
        return _Same(0, 1)
    same = (first.view(np.uint32) == second.view(np.uint32)) | (np.isnan(first) & np.isnan(second))
    return _Same(int(np.count_nonzero(same)), first.size)


def _summed(
    network: str, operators: Mapping[str, str], found: Mapping[str, Mapping[str, _Same]]
) -> Explained:
    of: collections.Counter[str] = collections.Counter()
    differ: collections.Counter[str] = collections.Counter()
    named: dict[str, str] = {}
    for precision, nodes in found.items():
        for node, (same, size) in nodes.items():
            what = f"{operators[node]} at {precision}"
            of[what] += 1
            if same != size:
                differ[what] += 1
                named.setdefault(what, node)
    total = sum(of.values())
    return Explained(
        network=network,
        explained=total - sum(differ.values()),
        nodes=total,
        others={what: (count, of[what]) for what, count in differ.items()},
        named=named,
        bits={
            precision: sum(item.same for item in nodes.values())
            / max(sum(item.of for item in nodes.values()), 1)
            for precision, nodes in found.items()
        },
    )
