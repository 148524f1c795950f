"""What it costs to run a device in a process of its own, beside a plain copy and beside the session alone.

    pytest benchmarks/test_worker_speed.py

The vendor's worker runs under stock TensorFlow 1.15 where a CPython 3.5 to 3.7 that has it is found (or named
by MLU_CONFORMANCE_DEVICE_OPTION=python=PATH), and is skipped with the reason where not; the worker of
isolated devices runs anyway. What is asserted is ratios and rates of one run.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from rounds import best_seconds

from conformance import locations
from conformance.devices.base import CAMBRICON, CPU, DeviceRequest
from conformance.devices.registry import open_device
from conformance.errors import ConformanceError
from conformance.expected.golden_feeds import golden_feeds
from conformance.goldens import GoldenStore
from conformance.graph.cut import cut
from conformance.graph.editing import placeholder, plain
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.options import BY_NAME
from conformance.precision import PRECISIONS
from conformance.quantization.files import read_scales
from conformance.quantization.parameter_file import QuantizationScales
from conformance.settings import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from figures import Figures

    from conformance.devices.base import Device
    from conformance.networks import Network

ELEMENTS = 1_000_000
ROUNDS, ROUNDS_OF_NETWORK = 20, 5
MOST_TIMES_SESSION = 1.25
PRECISION = PRECISIONS[-1]


class Worker(NamedTuple):
    """A device that lives in a worker.

    Attributes:
        name: what the table calls it.
        device: the device.
        least_rate: GB/s of feeds and fetches.
    """

    name: str
    device: Device
    least_rate: float


@pytest.fixture(scope="module", params=["isolated", "vendor"])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """Yield a worker; an isolated device is held to less: TensorFlow 2 copies feeds and fetches once more."""
    given = resolved([BY_NAME["device_option"]], {}, os.environ, Path())["device_option"]
    asked, least_rate = {
        "isolated": (DeviceRequest(CPU, isolate=True), 0.5),
        "vendor": (DeviceRequest(CAMBRICON, options={"allow-stock": "1", **given}), 1.0),
    }[request.param]
    try:
        device = open_device(asked)
    except ConformanceError as error:
        pytest.skip(str(error))
    info = device.info()
    yield Worker(f"{request.param} ({info.kind}, {info.framework})", device, least_rate)
    device.close()


def test_round_trip(figures: Figures, worker: Worker, *, smoke: bool) -> None:
    """Feed and fetch a million elements; the bytes of both count."""
    rounds = 1 if smoke else ROUNDS
    value = np.random.default_rng(0).standard_normal(ELEMENTS, dtype=np.float32)
    scales = QuantizationScales(bits=16, scales={})
    with worker.device.open(_negation(), ["y"], precision=PRECISION, scales=scales) as session:
        assert np.array_equal(session.run({"x": value})["y"], -value)
        seconds = best_seconds(lambda: session.run({"x": value}), rounds)
    target = np.empty_like(value)
    copy = best_seconds(lambda: (np.copyto(target, value), np.copyto(target, value)), rounds)
    rate = 2 * value.nbytes / seconds / 1e9
    figures.at_least(worker.name, "round trip, GB/s", rate, worker.least_rate)
    figures.add(worker.name, {"times a copy": seconds / copy})


def test_all_key_nodes(network: Network, figures: Figures, worker: Worker, *, smoke: bool) -> None:
    """Run the graph cut at its key nodes; what the session alone takes is the worker's own figure."""
    store = GoldenStore(network, locations.GOLDENS)
    nodes = [node.name for node in store.manifest.key]
    store.ensure(nodes)
    shapes = {node.name: tuple(node.samples[0].shape) for node in store.manifest.key}
    graph = cut(network.graph, shapes, nodes)
    feeds = golden_feeds(store, graph.inputs, 0)
    scales = read_scales(network.directory, PRECISION.fixed_bits, network.graph)
    ratios = []
    with worker.device.open(graph, nodes, precision=PRECISION, scales=scales) as session:
        for _ in range(1 + (1 if smoke else ROUNDS_OF_NETWORK)):
            started = time.perf_counter()
            results = session.run(feeds)
            ratios.append((time.perf_counter() - started) / session.device_seconds)
    assert {name: result.shape for name, result in results.items()} == shapes
    ratio = float(np.median(ratios[1:]))  # the first warms up
    figures.add(worker.name, {"fetches of the cut graph": len(nodes)})
    figures.at_most(worker.name, "times the session alone", ratio, MOST_TIMES_SESSION)


def _negation() -> FrozenGraph:
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.extend([placeholder("x", tf.float32, (ELEMENTS,)), plain("y", "Neg", ["x"], T=tf.float32)])
    return FrozenGraph.of(graph_def, ["y"])
