# ruff: noqa: INP001, T201 - benchmarks are files, not a package, and print what they measure
"""Speed of the emulator: its fused forward of BeautyGAN against stock TensorFlow in float32, same graph.

Both run in turn in one process on one machine, so that the ratio of their medians means something on any.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from conformance import locations
from conformance.devices.registry import open_device
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.networks import find_network
from conformance.precision import PRECISIONS, parse_precision
from conformance.quantization.files import read_scales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 7
LIMITS = {"int8-fp16": 4.0, "int8-fp32": 2.0, "int16-fp16": 4.0, "int16-fp32": 3.5}
"""The most that the emulator may take, as a multiple of stock TensorFlow's time."""


@pytest.fixture(scope="module")
def medians() -> Iterator[dict[str, float]]:
    """Return the median seconds of stock TensorFlow and of every precision, measured in turn."""
    tf = tensorflow()
    network = find_network("beautygan", locations.NETWORKS)
    feeds, outputs = network.feeds(0), [output.name for output in network.outputs]
    device = open_device("emulator", "mlu270", locations.DEVICES)
    runs: dict[str, Callable[[], object]] = {}
    sessions = {
        str(precision): device.open(
            network.graph,
            outputs,
            precision=precision,
            scales=read_scales(network.directory, precision.fixed_bits, network.graph),
        )
        for precision in PRECISIONS
    }
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(network.graph.copied_graph_def(), name="")
    fed = {f"{name}:0": value for name, value in feeds.items()}
    with contextlib.closing(tf.compat.v1.Session(graph=graph)) as stock:
        runs["stock"] = lambda: stock.run([f"{name}:0" for name in outputs], fed)
        runs |= {name: (lambda session=session: session.run(feeds)) for name, session in sessions.items()}
        yield _in_turn(runs)
    for session in sessions.values():
        session.close()


def _in_turn(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of each, after one run to warm up, A B C … A B C …."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


@pytest.mark.parametrize("name", [str(precision) for precision in PRECISIONS])
def test_emulated_forward_against_stock_tensorflow(
    medians: dict[str, float], name: str, record_property: Callable[[str, object], None]
) -> None:
    """One emulated forward takes at most this multiple of a stock float32 forward."""
    ratio = medians[str(parse_precision(name))] / medians["stock"]
    record_property("ratio", ratio)
    print(f"\n{name}: {medians[name]:.3f} s, stock float32 {medians['stock']:.3f} s, ratio {ratio:.2f}")
    assert ratio <= LIMITS[name]
