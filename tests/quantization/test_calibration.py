"""Naive calibration: max|x| of every fixed-point input and filter over all samples, as the scales say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import small_network
from support.emulation import frozen, placeholder
from support.refusals import refused

from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import producer
from conformance.quantization.calibration import (
    Magnitudes,
    calibrate,
    calibrated_tensors,
    check_scales,
    hidden_operators,
    largest_magnitudes,
    quantized_tensors,
    told_loops,
)
from conformance.quantization.parameter_file import QuantizationScales, format_scales, parse


@pytest.fixture(scope="module")
def graph():
    return small_network.graph()


SAMPLES = [small_network.feeds(seed) for seed in (1, 2, 3)]


def test_the_keys_are_the_input_and_the_filter_of_every_fixed_point_operator(graph):
    tensors = quantized_tensors(graph)
    nodes = ["image_branch/conv", "style_branch/conv", "mix", "to_picture", "head"]
    assert sorted(tensors) == sorted(f"{name}/{which}" for name in nodes for which in ("input", "filter"))
    assert tensors["mix/input"] == "join"
    assert graph.constant(tensors["head/filter"]).shape == (8, 5)


def test_largest_magnitudes_are_those_of_the_float64_network(graph):
    found = largest_magnitudes(graph, SAMPLES)
    tensors = quantized_tensors(graph)
    names = sorted({producer(tensor) for tensor in tensors.values()} - set(graph.inputs))
    run = GraphRunner(graph, names)
    for key, tensor in tensors.items():
        seen = [(run(feeds) | feeds)[producer(tensor)] for feeds in SAMPLES]
        assert found[key] == pytest.approx(max(np.abs(value).max() for value in seen), rel=1e-5), key


def test_every_sample_counts(graph):
    alone = [largest_magnitudes(graph, [feeds]) for feeds in SAMPLES]
    together = largest_magnitudes(graph, SAMPLES)
    assert together == {key: max(entry[key] for entry in alone) for key in together}
    assert any(together[key] != alone[0][key] for key in together)


def test_the_larger_of_both_signs():
    def build(tf):
        x = placeholder(tf, shape=(1, 4))
        tf.linalg.matmul(x, np.array([[1.0], [-3.0], [2.0], [0.5]], np.float32), name="o")

    found = largest_magnitudes(frozen(build, "o"), [{"x": np.array([[1, -7, 5, 0]], np.float32)}])
    assert found == {"o/input": 7, "o/filter": 3}


def test_arguments_that_stand_elsewhere():
    """A transposed convolution takes sizes, filter, input."""

    def build(tf):
        tf.raw_ops.Conv2DBackpropInput(
            input_sizes=[1, 2, 2, 1],
            filter=np.full((1, 1, 1, 1), -5, np.float32),
            out_backprop=placeholder(tf, shape=(1, 2, 2, 1)),
            strides=[1, 1, 1, 1],
            padding="SAME",
            name="o",
        )

    found = largest_magnitudes(frozen(build, "o"), [{"x": np.full((1, 2, 2, 1), 9, np.float32)}])
    assert found == {"o/input": 9, "o/filter": 5}


def test_a_second_input_that_is_no_constant():
    def build(tf):
        tf.linalg.matmul(placeholder(tf, shape=(2, 2, 3)), placeholder(tf, "y", (2, 3, 4)), name="o")

    feeds = {"x": np.ones((2, 2, 3), np.float32), "y": np.full((2, 3, 4), -2, np.float32)}
    assert largest_magnitudes(frozen(build, "o"), [feeds]) == {"o/input": 1, "o/filter": 2}


def test_a_network_without_fixed_point_operators():
    assert largest_magnitudes(frozen(lambda tf: tf.tanh(placeholder(tf), name="o"), "o"), []) == {}
    assert calibrate({}, 8).scales == {}


@pytest.mark.parametrize(("bits", "largest"), [(8, 127), (16, 32767)])
def test_scales_have_six_digits(bits, largest):
    scales = calibrate({"a/input": 139.0, "a/filter": 1 / 3}, bits)
    assert scales.bits == bits
    assert scales.scales == {
        "a/input": float(f"{largest / 139:.6g}"),
        "a/filter": float(f"{largest * 3:.6g}"),
    }


def test_the_published_scale():
    assert calibrate({"resnet_v1_50/conv1/Conv2D/input": 139.0}, 8).scales == {
        "resnet_v1_50/conv1/Conv2D/input": 0.913669
    }


@given(
    st.dictionaries(st.sampled_from(["a/input", "b/filter", "c/d/input"]), st.floats(1e-30, 1e30), min_size=1)
)
def test_what_is_calibrated_is_read_back(largest):
    for bits in (8, 16):
        scales = calibrate(largest, bits)
        assert parse(format_scales(scales), "file") == scales
        for key, scale in scales.scales.items():
            assert scale == pytest.approx((2 ** (bits - 1) - 1) / largest[key], rel=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_tensor_without_a_scale(value):
    with refused(rf"'a/input' cannot be quantised: max\|x\| is {value} over all samples"):
        calibrate({"b/input": 1.0, "a/input": value}, 8)


def test_a_tensor_of_zeros_has_the_scale_of_values_up_to_1():
    """The first state of a loop, and what a ReLU shut off, are zero at every scale."""

    def build(tf):
        dead = tf.nn.relu(placeholder(tf, shape=(1, 2)) - 9)
        tf.linalg.matmul(dead, np.ones((2, 1), np.float32), name="o")

    largest = largest_magnitudes(frozen(build, "o"), [{"x": np.ones((1, 2))}])
    assert calibrate(largest, 8).scales == {"o/input": 127, "o/filter": 127}
    assert calibrate(largest, 16, "two-sided").scales == {"o/input": 32767, "o/filter": 32767}
    assert largest.told == "o/input zero on all samples: a scale for values up to 1"
    assert Magnitudes({"a": 0.0, "b": 0.0, "c": 1.0}).told.startswith("a and 1 more zero on all samples")
    assert Magnitudes({"c": 1.0}).told == ""


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_gives_no_numbers_is_not_passed_over(bad):
    """Python's max(1, nan) is 1."""

    def build(tf):
        x = placeholder(tf, shape=(1, 2))
        tf.linalg.matmul(x, np.ones((2, 1), np.float32), name="o")

    samples = [{"x": np.array([[1, value]], np.float32)} for value in (2, bad, 3)]
    largest = largest_magnitudes(frozen(build, "o"), samples)
    assert not np.isfinite(largest["o/input"])
    with refused("'o/input' cannot be quantised"):
        calibrate(largest, 8)


def test_a_matmul_in_a_loop_of_tensorflow_1():
    def build(tf):
        x = placeholder(tf, shape=(2, 2))
        weights = np.ones((2, 2), np.float32)
        result = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, t @ weights), [tf.constant(0), x])[1]
        tf.identity(result, name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    (name,) = hidden_operators(graph)
    assert quantized_tensors(graph).keys() == {f"{name}/input", f"{name}/filter"}
    assert calibrated_tensors(graph) == {}
    assert largest_magnitudes(graph, [{"x": np.ones((2, 2))}]) == {}
    (told,) = told_loops(graph)
    assert told.startswith(
        f"{name} inside a TensorFlow 1 loop or branch: not quantised, but computed in float"
    )
    own = dict.fromkeys(quantized_tensors(graph), 1.0)
    for scales in ({}, own):
        check_scales(QuantizationScales(bits=8, scales=scales), graph, "file")
    with refused("the graph has no fixed-point tensor 'other/input'"):
        check_scales(QuantizationScales(bits=8, scales={"other/input": 1.0}), graph, "file")
    assert told_loops(frozen(lambda tf: tf.tanh(placeholder(tf), name="o"), "o")) == []


def test_a_matmul_in_a_function():
    """A loop of TensorFlow 2 calls its body, which no one looks into: that is said of it, and of no other."""

    def build(tf):
        x = placeholder(tf, shape=(2, 2))
        begin = [tf.constant(0), tf.matmul(x, x, name="seen")]
        ones = np.ones((2, 2), np.float32)
        state = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, t @ ones), begin, name="first")[1]
        state = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, -t), [0, state], name="second")[1]
        tf.identity(state, name="o")

    graph = frozen(build, "o")
    assert calibrated_tensors(graph).keys() == {"seen/input", "seen/filter"}
    (told,) = told_loops(graph)
    assert told.startswith("first (StatelessWhile) with a convolution or matmul inside: not quantised, but")
