"""Operators without a float64 kernel are composed of others; the oracles are NumPy's and TensorFlow's own."""

import itertools

import numpy as np
import pytest
from support.emulation import frozen, halves, in_float64, placeholder, profile, run

from conformance.devices.base import Hosted
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.graph.composing import reference_graph
from conformance.graph.execution import GraphRunner
from conformance.graph.operators import OPERATORS
from conformance.precision import parse_precision
from conformance.quantization.parameter_file import QuantizationScales

RANDOM = np.random.default_rng(3)
SHAPE = (2, 5, 7, 3)
X = halves(RANDOM.normal(0, 2, SHAPE))
SCALE, OFFSET, MEAN = (halves(RANDOM.normal(0, 1, 3)) for _ in range(3))
VARIANCE = halves(RANDOM.uniform(0.1, 3, 3))
VERSIONS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


def batch_norm(tf, x, op="FusedBatchNormV3", **attributes):
    about = {"epsilon": 1e-3, "is_training": False, "name": "o", **attributes}
    return getattr(tf.raw_ops, op)(x=x, scale=SCALE, offset=OFFSET, mean=MEAN, variance=VARIANCE, **about)


def normalised():
    x, scale, offset, mean, variance = (
        value.astype(np.float64) for value in (X, SCALE, OFFSET, MEAN, VARIANCE)
    )
    return (x - mean) * (scale / np.sqrt(variance + float(np.float32(1e-3)))) + offset


@pytest.mark.parametrize("op", VERSIONS)
def test_a_batch_normalisation_is_computed_in_float64_and_rounded_once(op):
    graph = frozen(lambda tf: batch_norm(tf, placeholder(tf, shape=SHAPE), op), "o")
    assert reference_graph(graph)[1] == ()
    np.testing.assert_allclose(in_float64(graph, {"x": X})["o"], normalised(), rtol=1e-12, atol=1e-14)
    for request in ("ideal", "mlu270"):
        found, notes = run(graph, {"x": X}, "int8-fp32", request=request)
        assert notes == ()
        assert np.array_equal(found["o"], normalised().astype(np.float32)), request
    assert np.array_equal(run(graph, {"x": X}, request="ideal")[0]["o"], halves(normalised()))


def test_channels_first():
    shape = (2, 3, 5, 7)
    x = np.transpose(X, [0, 3, 1, 2])
    graph = frozen(lambda tf: batch_norm(tf, placeholder(tf, shape=shape), data_format="NCHW"), "o")
    found = np.transpose(in_float64(graph, {"x": x})["o"], [0, 2, 3, 1])
    np.testing.assert_allclose(found, normalised(), rtol=1e-12, atol=1e-14)


def test_a_batch_normalisation_that_trains_is_not_modelled():
    def build(tf):
        x = placeholder(tf, shape=SHAPE)
        tf.raw_ops.FusedBatchNormV3(x=x, scale=SCALE, offset=OFFSET, mean=[], variance=[], name="o")

    graph = frozen(build, "o")
    assert reference_graph(graph)[1] == ("o",)
    assert len(run(graph, {"x": X}, "int8-fp32")[1]) == 1


def test_a_batch_normalisation_of_which_more_is_read_is_not_modelled():
    def build(tf):
        made = batch_norm(tf, placeholder(tf, shape=SHAPE), name="norm")
        tf.add(made.y, made.batch_mean, name="o")

    graph = frozen(build, "o")
    assert reference_graph(graph)[1] == ("norm",)
    found, notes = run(graph, {"x": X}, "int8-fp32", request="ideal")
    assert [note.rpartition(": ")[2] for note in notes] == ["norm"]
    np.testing.assert_allclose(found["o"], normalised() + MEAN, rtol=1e-5, atol=1e-5)


def places(old, new, *, align_corners, half_pixel):
    """Return where each new pixel comes from, in float32 as TensorFlow computes it."""
    single = np.float32
    scale = single(old - 1) / single(new - 1) if align_corners and new > 1 else single(old) / single(new)
    at = np.arange(new, dtype=single)
    return (at + single(0.5)) * scale - single(0.5) if half_pixel else at * scale


def linear_weights(old, new, **how):
    """Return a matrix of (new, old) weights: 1 less the distance to a pixel, the ends repeated."""
    at = np.clip(places(old, new, **how).astype(np.float64), 0, old - 1)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(old)), 0)


MODES = [(False, False), (True, False), (False, True)]
SIZES = [(9, 11), (3, 4), (10, 14), (1, 7), (5, 7)]
CASES = list(itertools.product(MODES, SIZES))


def resizing(op, size, align_corners, half_pixel, dtype="float32"):
    def build(tf):
        x = placeholder(tf, shape=(2, None, None, 3), dtype=dtype)
        about = {"align_corners": align_corners, "half_pixel_centers": half_pixel, "name": "o"}
        getattr(tf.raw_ops, op)(images=x, size=size, **about)

    return frozen(build, "o")


@pytest.mark.parametrize(("mode", "size"), CASES)
def test_linear_interpolation(mode, size):
    graph = resizing("ResizeBilinear", size, *mode)
    how = {"align_corners": mode[0], "half_pixel": mode[1]}
    rows, columns = (linear_weights(old, new, **how) for old, new in zip(SHAPE[1:3], size, strict=True))
    wanted = np.einsum("ri,cj,bijk->brck", rows, columns, X.astype(np.float64))
    assert reference_graph(graph)[1] == ()
    np.testing.assert_allclose(in_float64(graph, {"x": X})["o"], wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(GraphRunner(graph, ["o"])({"x": X})["o"], wanted, rtol=1e-5, atol=1e-5)
    for request, precision in itertools.product(("ideal", "mlu270"), ("int8-fp32", "int8-fp16")):
        found, notes = run(graph, {"x": X}, precision, request=request)
        assert notes == ()
        step = 2.0**-11 if precision.endswith("16") else 2.0**-24
        assert np.all(np.abs(found["o"] - wanted) <= np.abs(wanted) * step + 2.0**-25)


@pytest.mark.parametrize(("mode", "size"), CASES)
def test_cubic_interpolation_is_what_tensorflow_computes_in_float32(mode, size):
    graph = resizing("ResizeBicubic", size, *mode)
    assert reference_graph(graph)[1] == ()
    wanted = GraphRunner(graph, ["o"])({"x": X})["o"]
    exact = in_float64(graph, {"x": X})["o"]
    np.testing.assert_allclose(exact, wanted, rtol=2e-6, atol=2e-6)
    for precision, rounded in (("int8-fp32", exact.astype(np.float32)), ("int8-fp16", halves(exact))):
        found, notes = run(graph, {"x": X}, precision, request="ideal")
        assert notes == ()
        assert np.array_equal(found["o"], rounded)


def test_pictures_of_whole_numbers_are_resized_to_floats():
    graph = resizing("ResizeBilinear", (9, 11), *MODES[-1], "uint8")
    x = RANDOM.integers(0, 255, SHAPE).astype(np.uint8)
    wanted = GraphRunner(graph, ["o"])({"x": x})["o"]
    np.testing.assert_allclose(in_float64(graph, {"x": x})["o"], wanted, rtol=1e-5)
    found, notes = run(graph, {"x": x}, "int8-fp32")
    assert notes == ()
    np.testing.assert_allclose(found["o"], wanted, rtol=1e-5)


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_response_normalisation_has_goldens_of_float64_and_is_not_modelled(radius):
    def build(tf):
        tf.nn.local_response_normalization(placeholder(tf, shape=SHAPE), radius, 1.5, 0.3, 0.7, name="o")

    graph = frozen(build, "o")
    assert reference_graph(graph)[1] == ()
    squares = np.pad(X.astype(np.float64) ** 2, [(0, 0)] * 3 + [(radius, radius)])
    sums = sum(squares[..., shift : shift + 3] for shift in range(2 * radius + 1))
    bias, alpha, beta = (float(np.float32(value)) for value in (1.5, 0.3, 0.7))
    wanted = X / (bias + alpha * sums) ** beta
    np.testing.assert_allclose(in_float64(graph, {"x": X})["o"], wanted, rtol=1e-12)
    for request in ("ideal", "mlu270"):
        assert len(run(graph, {"x": X}, "int8-fp32", request=request)[1]) == 1


def test_what_reads_a_composed_node_knows_its_shape():
    """A mean over rows and columns behind one is modelled: the rank is known."""

    def build(tf):
        made = batch_norm(tf, placeholder(tf, shape=SHAPE), name="norm")
        tf.reduce_mean(tf.nn.relu(made.y), [1, 2], name="o")

    for request in ("ideal", "mlu270"):
        assert run(frozen(build, "o"), {"x": X}, request=request)[1] == ()


def test_inside_a_loop():
    """Its constants run in the frame of the loop."""

    def build(tf):
        def body(index, x):
            return index + 1, batch_norm(tf, x, name="norm").y

        x = placeholder(tf, shape=SHAPE)
        tf.identity(tf.while_loop(lambda index, _: index < 2, body, [tf.constant(0), x])[1], name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    wanted = GraphRunner(graph, ["o"])({"x": X})["o"]
    np.testing.assert_allclose(in_float64(graph, {"x": X})["o"], wanted, rtol=1e-4, atol=1e-5)
    for request in ("ideal", "mlu270"):
        found = run(graph, {"x": X}, "int8-fp32", request=request)[0]["o"]
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_what_the_host_computes_is_its_float32_kernel():
    graph = frozen(lambda tf: batch_norm(tf, placeholder(tf, shape=SHAPE)), "o")
    device = EmulatorDevice(profile("ideal")).hosting(Hosted(nodes=frozenset({"o"})))
    none = QuantizationScales(bits=8, scales={})
    with device.open(graph, ["o"], precision=parse_precision("int8-fp32"), scales=none) as session:
        found = session.run({"x": X})["o"]
    assert np.array_equal(found, GraphRunner(graph, ["o"])({"x": X})["o"])
    assert not np.array_equal(found, normalised().astype(np.float32))


def test_every_composed_operator_says_so():
    composed = {op for op, entry in OPERATORS.items() if entry.emulation == "composed"}
    assert composed == {*VERSIONS, "ResizeBicubic", "ResizeBilinear"}
