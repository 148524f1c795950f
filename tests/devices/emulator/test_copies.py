"""Of nodes that hold the same, one is loaded; what is asked for and what others wait for stay."""

import collections

import numpy as np
import pytest
from support.emulation import emulated, frozen, naive_scales, placeholder, rewritten, run

X = np.random.default_rng(3).standard_normal((1, 5, 5, 4)).astype(np.float32)
WEIGHTS = np.random.default_rng(4).standard_normal((2, 3, 3, 4, 4)).astype(np.float32)


def two_convolutions(tf):
    first = tf.nn.conv2d(placeholder(tf, shape=X.shape), tf.constant(WEIGHTS[0]), 1, "SAME", name="first")
    tf.nn.conv2d(first, tf.constant(WEIGHTS[1]), 1, "SAME", name="second")


def weight_read_by_identity(tf):
    weight = tf.identity(tf.constant(WEIGHTS[0, 0, 0, 0], name="weight"), name="weight/read")
    with tf.control_dependencies([tf.identity(tf.constant(1.0), name="awaited")]):
        tf.add(placeholder(tf, shape=X.shape), weight, name="sum")


@pytest.mark.parametrize("precision", ["int8-fp16", "int16-fp32"])
@pytest.mark.parametrize("request_", ["mlu270", "ideal"])
def test_the_small_constants_of_operators_are_loaded_once(precision, request_):
    graph = frozen(two_convolutions, "second")
    scales = naive_scales(graph, {"x": X}, int(precision.partition("-")[0].removeprefix("int")))
    made = rewritten(graph, precision, scales=scales, request=request_).graph
    held = collections.Counter(
        node.attr["value"].tensor.SerializeToString()
        for node in made.nodes.values()
        if node.op == "Const" and node.name not in made.arrays
    )
    assert set(held.values()) == {1}


@pytest.mark.parametrize("precision", ["int8-fp16", "int8-fp32"])
def test_who_reads_a_constant_through_an_identity_reads_the_constant(precision):
    graph = frozen(weight_read_by_identity, "sum")
    scales = naive_scales(graph, {"x": X}, 8)
    made = rewritten(graph, precision, scales=scales).graph
    assert "weight/read" not in made.nodes
    assert "awaited" in made.nodes
    exact = X.astype(np.float64) + WEIGHTS[0, 0, 0, 0]
    np.testing.assert_allclose(emulated(graph, {"x": X}, precision), exact, rtol=2e-3, atol=2e-3)


def test_an_identity_that_is_asked_for_stays():
    graph = frozen(weight_read_by_identity, "sum", "weight/read")
    results, _ = run(graph, {"x": X}, "int8-fp32")
    np.testing.assert_array_equal(results["weight/read"], WEIGHTS[0, 0, 0, 0])
