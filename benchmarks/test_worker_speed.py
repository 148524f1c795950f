# ruff: noqa: INP001 - benchmarks are files, not a package
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
from typing import TYPE_CHECKING

import numpy as np
import pytest

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
from conformance.networks import find_network
from conformance.options import BY_NAME, resolved
from conformance.precision import PRECISIONS
from conformance.quantization.files import read_scales
from conformance.quantization.parameter_file import QuantizationScales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from conformance.devices.base import Device

ELEMENTS = 1_000_000
LEAST_BYTES_PER_SECOND = {False: 1e9, True: 0.5e9}
"""Of the vendor's worker, and of an isolated device."""
MOST_TIMES_SESSION = 1.25
PRECISION = PRECISIONS[-1]


@pytest.fixture(scope="module", params=["isolated", "vendor"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Yield a device that lives in a worker."""
    given = resolved([BY_NAME["device_option"]], {}, os.environ, Path())["device_option"]
    options = {"allow-stock": "1", **given}
    asked = {
        "isolated": DeviceRequest(CPU, isolate=True),
        "vendor": DeviceRequest(CAMBRICON, options=options),
    }[request.param]
    try:
        device = open_device(asked)
    except ConformanceError as error:
        pytest.skip(str(error))
    yield device
    device.close()


@pytest.mark.benchmark(group="a round trip of a million float32 elements")
def test_round_trip(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], device: Device) -> None:
    """Feed and fetch a million elements; the bytes of both count.

    An isolated device is held to less: TensorFlow 2 copies feeds and fetches once more by itself.
    """
    value = np.random.default_rng(0).standard_normal(ELEMENTS, dtype=np.float32)
    scales = QuantizationScales(bits=16, scales={})
    with device.open(_negation(), ["y"], precision=PRECISION, scales=scales) as session:
        assert np.array_equal(session.run({"x": value})["y"], -value)
        benchmark.pedantic(lambda: session.run({"x": value}), rounds=20, warmup_rounds=2)
        seconds = _best_seconds(lambda: session.run({"x": value}))
    target = np.empty_like(value)
    copy = _best_seconds(lambda: (np.copyto(target, value), np.copyto(target, value)))
    rate = 2 * value.nbytes / seconds
    figures = {"GB/s": rate / 1e9, "times a copy": seconds / copy}
    _report(capsys, benchmark, f"{device.info().kind}: {seconds * 1e3:.2f} ms", figures)
    assert rate >= LEAST_BYTES_PER_SECOND[device.info().kind == CPU]


@pytest.mark.benchmark(group="own errors of BeautyGAN: 91 fetches of the cut graph")
def test_all_key_nodes(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], device: Device
) -> None:
    """Run the cut graph of BeautyGAN; what the session alone takes is the worker's own figure."""
    store = GoldenStore(find_network("beautygan", locations.NETWORKS), locations.GOLDENS)
    nodes = [node.name for node in store.manifest.key]
    store.ensure(nodes)
    network = store.network
    shapes = {node.name: node.samples[0].shape for node in store.manifest.key}
    graph = cut(network.graph, shapes, nodes)
    feeds = golden_feeds(store, graph.inputs, 0)
    scales = read_scales(network.directory, PRECISION.fixed_bits, network.graph)
    with device.open(graph, nodes, precision=PRECISION, scales=scales) as session:
        ratios = []

        def run() -> None:
            started = time.perf_counter()
            results = session.run(feeds)
            ratios.append((time.perf_counter() - started) / session.device_seconds)
            assert len(results) == len(nodes)

        benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    figures = {"times the session alone": float(np.median(ratios[1:]))}
    _report(capsys, benchmark, f"{device.info().kind}: {len(nodes)} fetches", figures)
    assert figures["times the session alone"] <= MOST_TIMES_SESSION


def _negation() -> FrozenGraph:
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.extend([placeholder("x", tf.float32, (ELEMENTS,)), plain("y", "Neg", ["x"], T=tf.float32)])
    return FrozenGraph.of(graph_def, ["y"])


def _best_seconds(call: Callable[[], object], rounds: int = 20) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def _report(
    capsys: pytest.CaptureFixture[str],
    benchmark: BenchmarkFixture,
    what: str,
    figures: dict[str, float],
) -> None:
    benchmark.extra_info.update(figures)
    shown = ", ".join(f"{value:.2f} {name}" for name, value in figures.items())
    with capsys.disabled():
        print(f"\n{what}, {shown}")  # noqa: T201 - the benchmark's result
