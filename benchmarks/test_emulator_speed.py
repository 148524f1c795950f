"""Speed of the emulator: its fused forward pass against stock TensorFlow in float32, same graph.

    pytest benchmarks/test_emulator_speed.py

All of it runs in turn in one process on one machine, so that the ratio of the medians means something on any.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rounds import medians_in_turn

from conformance import machine
from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.numerics.metrics import compare
from conformance.precision import PRECISIONS
from conformance.quantization.files import read_scales

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from figures import Figures

    from conformance.networks import Network

    Results = dict[str, np.ndarray[Any, Any]]
    Runs = dict[str, Callable[[], Results]]

ROUNDS = 7
STOCK = "stock"
FLOATING_POINT = {"int8-fp16": 4.0, "int8-fp32": 2.0, "int16-fp16": 4.0, "int16-fp32": 3.5}
"""The most that the emulator may take, as a multiple of stock TensorFlow's time, where integers are slow."""
INTEGER = {"int8-fp16": 0.7, "int8-fp32": 0.5, "int16-fp16": 1.5, "int16-fp32": 1.3}
"""The same where ``DOT_PRODUCTS`` make them fast. Wanted are 0.5 for int8 and 1.2 for int16 throughout."""
DOT_PRODUCTS = ("AVX-512 VNNI", "AMX")
"""What sums products of 8-bit integers in one instruction."""
LEAST_COSINE = {"int8-fp32": 0.99, "int16-fp32": 0.9999}
"""Between emulated and stock outputs. Half floats need only be finite: the network decides how they end."""


def limits(instructions: Collection[str]) -> tuple[str, Mapping[str, float]]:
    """Return in words which limits hold on a processor, and these by precision.

    Args:
        instructions: what the processor has, see :func:`conformance.machine.instructions`.
    """
    present = [name for name in DOT_PRODUCTS if name in instructions]
    if present:
        return f"Limits are those of a processor with {' and '.join(present)}.", INTEGER
    return f"Limits are those of a processor with neither {' nor '.join(DOT_PRODUCTS)}.", FLOATING_POINT


@pytest.fixture(scope="module")
def runs(network: Network) -> Iterator[Runs]:
    """Yield a forward pass of stock TensorFlow and one of every precision."""
    with contextlib.ExitStack() as stack:
        yield {STOCK: _stock(network, stack), **_emulated(network, stack)}


def _stock(network: Network, stack: contextlib.ExitStack) -> Callable[[], Results]:
    tf = tensorflow()
    graph, outputs = tf.Graph(), [output.name for output in network.outputs]
    with graph.as_default():
        tf.graph_util.import_graph_def(network.graph.copied_graph_def(), name="")
    session = stack.enter_context(contextlib.closing(tf.compat.v1.Session(graph=graph)))
    fed = {f"{name}:0": value for name, value in network.feeds(0).items()}
    fetched = {name: f"{name}:0" for name in outputs}
    return lambda: session.run(fetched, fed)


def _emulated(network: Network, stack: contextlib.ExitStack) -> Runs:
    device = stack.enter_context(contextlib.closing(open_device(DeviceRequest("emulator"))))
    found: Runs = {}
    for precision in PRECISIONS:
        scales = read_scales(network.directory, precision.fixed_bits, network.graph)
        outputs = [output.name for output in network.outputs]
        session = device.open(network.graph, outputs, precision=precision, scales=scales)
        stack.enter_context(session)
        found[str(precision)] = lambda session=session: session.run(network.feeds(0))
    return found


@pytest.fixture(scope="module")
def results(runs: Runs) -> dict[str, Results]:
    """Return the outputs of every run; it is warm afterwards."""
    return {name: run() for name, run in runs.items()}


@pytest.fixture(scope="module")
def medians(runs: Runs, results: dict[str, Results], *, smoke: bool) -> dict[str, float]:
    """Return the median seconds of every run, measured in turn."""
    assert results.keys() == runs.keys()
    return medians_in_turn(runs, 1 if smoke else ROUNDS)


@pytest.mark.parametrize("name", [str(precision) for precision in PRECISIONS])
def test_emulated_forward_against_stock_tensorflow(
    medians: dict[str, float], results: dict[str, Results], figures: Figures, name: str
) -> None:
    """One emulated forward pass takes at most this multiple of a stock float32 one."""
    for output, stock in results[STOCK].items():
        emulated = results[name][output]
        assert emulated.shape == stock.shape
        assert np.isfinite(emulated).all()
        cosine = compare(stock, emulated.astype(np.float32)).cosine
        assert cosine is not None
        assert cosine >= LEAST_COSINE.get(name, -1.0)
    which, most = limits(machine.instructions())
    figures.note(which)
    figures.add(name, {"seconds": medians[name], "stock float32, seconds": medians[STOCK]})
    figures.at_most(name, "times stock", medians[name] / medians[STOCK], most[name])
