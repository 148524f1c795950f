"""A graph for an older TensorFlow means the same to this one, and says nothing that need not be said."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder

from conformance.graph.editing import plain, portable
from conformance.graph.execution import GraphRunner

FEEDS = {"x": np.random.default_rng(5).uniform(-1, 1, (2, 4, 6, 3)).astype(np.float32)}


def build(tf):
    x = placeholder(tf)
    filters = tf.constant(np.random.default_rng(1).uniform(-1, 1, (3, 3, 3, 4)).astype(np.float32))
    same = tf.nn.conv2d(x, filters, 1, "SAME", name="default")
    tf.nn.leaky_relu(same, alpha=0.2, name="slope_by_default")
    dilated = tf.nn.conv2d(x, filters, 1, "SAME", dilations=2, name="dilated")
    tf.nn.leaky_relu(dilated, alpha=0.3, name="slope")


@pytest.fixture
def graph():
    return frozen(build, "slope_by_default", "slope")


def test_what_stands_at_its_default_is_left_out_and_the_rest_is_kept(graph):
    found = portable(graph).nodes
    default, dilated = found["default"], found["dilated"]
    assert set(default.attr) == {"T", "strides", "padding"}
    assert list(dilated.attr["dilations"].list.i) == [1, 2, 2, 1]
    assert "alpha" not in found["slope_by_default"].attr
    assert found["slope"].attr["alpha"].f == np.float32(0.3)


def test_the_results_are_the_same_to_the_last_bit(graph):
    names = ["slope_by_default", "slope"]
    ours = GraphRunner(graph, names)(FEEDS)
    found = GraphRunner(portable(graph), names)(FEEDS)
    for name in names:
        assert ours[name].tobytes() == found[name].tobytes()


def test_the_graph_itself_stays_as_it_is(graph):
    before = graph.copied_graph_def().SerializeToString(deterministic=True)
    portable(graph)
    assert graph.copied_graph_def().SerializeToString(deterministic=True) == before


def test_devices_and_colocations_are_left_out(graph):
    node = graph.nodes["default"]
    node.device = "/device:GPU:7"
    node.attr["_class"].list.s.append(b"loc:@x")
    found = portable(graph).nodes["default"]
    assert found.device == ""
    assert "_class" not in found.attr


def test_functions_lose_their_defaults_as_well():
    def with_function(tf):
        @tf.function
        def inner(x):
            return tf.nn.leaky_relu(tf.identity(x), alpha=0.2)  # float32, which is the default as well

        tf.identity(inner(placeholder(tf)), name="y")

    graph = frozen(with_function, "y")
    assert graph.library.function
    (slope,) = [
        node
        for function in portable(graph).library.function
        for node in function.node_def
        if node.op == "LeakyRelu"
    ]
    assert set(slope.attr) == set()


def test_an_operator_that_nobody_knows_is_left_as_it_is(graph):
    odd = plain("odd", "ExactlyNoSuchOp", [])
    odd.attr["size"].i = 7
    with_odd = graph.replaced([*graph.nodes.values(), odd])
    assert portable(with_odd).nodes["odd"].attr["size"].i == 7
