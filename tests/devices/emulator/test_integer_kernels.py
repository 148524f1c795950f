"""Integer kernels: chosen where they are exact, and every path to a sum gives the same bits."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import frozen, naive_scales, placeholder, profile

from conformance.devices.emulator import integer_kernels
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.graph.execution import GraphRunner
from conformance.machine import instructions
from conformance.numerics.fixed_point import quantize
from conformance.precision import PRECISIONS

FAST = {"AVX-512 VNNI", "AMX"}


@pytest.fixture(scope="module")
def kernels():
    if not integer_kernels.exact():
        pytest.skip("this processor has none")


def test_a_processor_that_sums_products_of_bytes_has_them():
    """A mistake in the check would show in nothing but the time."""
    if not FAST & set(instructions()):
        pytest.skip("this processor need not have them")
    assert integer_kernels.exact()


def test_a_kernel_that_is_off_by_one_is_found_out(monkeypatch):
    """As one is that saturates halfway."""
    honest = GraphRunner.__call__

    def saturating(self, feeds):
        results = {name: value.copy() for name, value in honest(self, feeds).items()}
        next(iter(results.values())).flat[0] -= 1
        return results

    monkeypatch.setattr(integer_kernels.GraphRunner, "__call__", saturating)
    assert not integer_kernels.exact.__wrapped__()


def test_a_tensorflow_without_the_kernel_has_none(monkeypatch):
    monkeypatch.setattr(integer_kernels, "KERNEL", "_NoSuchKernel")
    assert not integer_kernels.exact.__wrapped__()


def results(graph, feeds, precision, scales, *, integers, request="mlu270"):
    device = EmulatorDevice(profile(request), integers=integers)
    with device.open(graph, graph.outputs, precision=precision, scales=scales) as session:
        return session.run(feeds)


def same_on_both_paths(graph, feeds, request="mlu270"):
    for precision in PRECISIONS:
        scales = naive_scales(graph, feeds, precision.fixed_bits)
        ours, floats = (
            results(graph, feeds, precision, scales, integers=integers, request=request)
            for integers in (True, False)
        )
        for name in graph.outputs:
            assert ours[name].tobytes() == floats[name].tobytes(), (name, str(precision))


Filters = st.sampled_from(["normal", "ends", "largest", "smallest", "zeros and one"])


def numbers(random, shape, kind):
    values = {
        "normal": lambda: random.standard_normal(shape),
        "ends": lambda: random.choice([-1.0, 1.0], shape),
        "largest": lambda: np.ones(shape),
        "smallest": lambda: -np.ones(shape),
        "zeros and one": lambda: np.eye(1, int(np.prod(shape))).reshape(shape),
    }[kind]()
    return values.astype(np.float32)


@pytest.mark.usefixtures("kernels")
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_convolution_has_the_same_bits_on_every_path(data):
    rows, columns = data.draw(st.tuples(st.integers(3, 9), st.integers(3, 9)), "image")
    channels, outputs = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 20)), "channels")
    taps = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)), "taps")
    strides = data.draw(st.sampled_from([(1, 1), (2, 2), (1, 2)]), "strides")
    dilations = data.draw(st.sampled_from([1, 2]), "dilations") if strides == (1, 1) else 1
    padding = "SAME" if dilations == 2 else data.draw(st.sampled_from(["SAME", "VALID"]), "padding")
    random = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    filters = numbers(random, (*taps, channels, outputs), data.draw(Filters, "filters"))
    x = numbers(random, (2, rows, columns, channels), data.draw(Filters, "inputs"))

    def build(tf):
        fed = placeholder(tf, shape=(None, rows, columns, channels))
        tf.nn.conv2d(fed, tf.constant(filters), strides, padding, dilations=dilations, name="o")

    same_on_both_paths(
        frozen(build, "o"), {"x": x}, data.draw(st.sampled_from(["mlu270", "ideal"]), "profile")
    )


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("integers", [True, False])
def test_strides_of_which_onednn_makes_something_else(integers):
    """TensorFlow 2.21's float32 convolution of one channel gives rows two apart here."""
    random = np.random.default_rng(0)
    filters, x = numbers(random, (1, 2, 1, 1), "normal"), numbers(random, (2, 3, 3, 1), "normal")

    def build(tf):
        fed = placeholder(tf, shape=(None, 3, 3, 1))
        tf.nn.conv2d(fed, tf.constant(filters), (1, 2), "VALID", name="o")

    graph = frozen(build, "o")
    scales = naive_scales(graph, {"x": x}, 8)
    found = results(graph, {"x": x}, PRECISIONS[1], scales, integers=integers)["o"]
    factors = [float(np.float32(scales.scales[f"o/{which}"])) for which in ("input", "filter")]
    data, taps = (quantize(values, scale, 8) for values, scale in zip((x, filters), factors, strict=True))
    sums = data[:, :, 0] * taps[0, 0, 0] + data[:, :, 1] * taps[0, 1, 0]
    wanted = (sums / (factors[0] * factors[1])).astype(np.float32)
    assert found[:, :, 0].tobytes() == wanted.tobytes()


@pytest.mark.usefixtures("kernels")
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_matmuls_and_transposed_convolutions_have_the_same_bits_on_every_path(data):
    random = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    terms, outputs = data.draw(st.integers(1, 600), "terms"), data.draw(st.integers(1, 30), "outputs")
    weights = numbers(random, (terms, outputs), data.draw(Filters, "weights"))
    x = numbers(random, (3, terms), data.draw(Filters, "inputs"))
    step = data.draw(st.sampled_from([1, 2]), "step")
    padding = data.draw(st.sampled_from(["SAME", "VALID"]), "padding")
    taps = data.draw(st.integers(step, 3), "taps")
    image = 4 * step if padding == "SAME" else 3 * step + taps
    scattered = numbers(random, (taps, taps, 5, 6), data.draw(Filters, "scattered"))

    def build(tf):
        fed = placeholder(tf, shape=(None, terms))
        tf.matmul(fed, tf.constant(weights), name="product")
        tf.nn.conv2d_transpose(
            tf.reshape(fed[:, :1] * np.ones(96, np.float32), (-1, 4, 4, 6)),
            tf.constant(scattered),
            (3, image, image, 5),
            step,
            padding,
            name="scattered",
        )

    same_on_both_paths(frozen(build, "product", "scattered"), {"x": x})


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("ends", [(-1, -1), (1, 1), (-1, 1)])
def test_the_longest_sums_of_the_largest_integers(ends):
    """25,088 terms, as the first dense layer of VGG-16 has."""

    def build(tf):
        weights = tf.fill((25088, 3), tf.constant(float(ends[1])))
        weights = tf.concat([weights, tf.random.stateless_normal((25088, 2), (1, 2))], 1)
        tf.matmul(placeholder(tf, shape=(2, 25088)), weights, name="o")

    x = np.full((2, 25088), ends[0], np.float32)
    x[1, ::3] *= -0.3
    same_on_both_paths(frozen(build, "o"), {"x": x})


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_that_are_no_integers_end_as_in_float_kernels(odd):
    def build(tf):
        filters = np.random.default_rng(1).standard_normal((3, 3, 4, 5)).astype(np.float32)
        tf.nn.conv2d(placeholder(tf, shape=(1, 6, 6, 4)), tf.constant(filters), 1, "SAME", name="o")

    graph = frozen(build, "o")
    x = np.random.default_rng(2).standard_normal((1, 6, 6, 4)).astype(np.float32)
    scales = naive_scales(graph, {"x": x}, 8)
    x[0, 2, 3, 1] = odd
    found = [results(graph, {"x": x}, PRECISIONS[0], scales, integers=on)["o"] for on in (True, False)]
    assert found[0].tobytes() == found[1].tobytes()
    assert np.isnan(found[0]).any() == np.isnan(odd)


PROGRAM = """
import hashlib, sys
import numpy as np
from conformance import locations
from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.networks import find_network
from conformance.numerics.fixed_point import quantize
from conformance.precision import PRECISIONS
from conformance.quantization.files import read_scales

network = find_network("mobilenet", locations.NETWORKS)
digest = hashlib.sha256()
for precision in PRECISIONS:
    scales = read_scales(network.directory, precision.fixed_bits, network.graph, "")
    outputs = [output.name for output in network.outputs]
    with open_device(DeviceRequest("emulator")).open(
        network.graph, outputs, precision=precision, scales=scales
    ) as session:
        for value in session.run(network.feeds(0)).values():
            digest.update(value.tobytes())
print(digest.hexdigest())
"""


def test_bits_depend_neither_on_threads_nor_on_options_of_tensorflow():
    """Nor, so, on the kernels that are chosen: without oneDNN and on one thread others are."""
    environments = [
        {},
        {"TF_ENABLE_ONEDNN_OPTS": "0"},
        {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
        {"TF_NUM_INTRAOP_THREADS": "3", "OMP_NUM_THREADS": "3"},
    ]
    said = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[-1]
        for environment in environments
    ]
    assert len(set(said)) == 1
