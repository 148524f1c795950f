"""A graph computed segment by segment gives what it gives at once, and keeps only what is read later."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import recurrent_network, small_network
from support.emulation import frozen, placeholder

from conformance.graph.execution import GraphRunner
from conformance.graph.retype import to_float64
from conformance.graph.segments import SegmentedGraph, reference
from conformance.graph.selection import judgeable_nodes

X = np.random.default_rng(1).normal(size=(3, 4, 6)).astype(np.float32)


def branches(tf):
    """Several outputs of one node, a long way between writer and reader, a shared weight, waiting."""
    x = placeholder(tf, shape=(None, 4, 6))
    weights = tf.constant(np.random.default_rng(2).normal(size=(6, 6)).astype(np.float32), name="weights")
    first, second, third = tf.split(x, 3, axis=2, name="parts")
    left = tf.matmul(x, weights, name="left")
    turned = tf.transpose(weights, name="turned")  # of constants alone
    right = tf.matmul(tf.tanh(left, name="bent"), turned, name="right")
    indices = tf.argmax(right, axis=2, name="indices")
    with tf.control_dependencies([indices]):
        late = tf.identity(third * 2.0, name="late")
    picked = tf.gather(x, indices, axis=2, batch_dims=2, name="picked")
    tf.concat([first, second, late, left, right, picked[..., None]], 2, name="o")


def whole(graph, names, feeds):
    run = GraphRunner(graph, names)
    return run({name: feeds[name] for name in run.feeds})


def same(parts, expected):
    found = {name: value for part in parts for name, value in part.items()}
    assert sorted(found) == sorted(expected)
    for name, value in found.items():
        assert value.tobytes() == expected[name].tobytes(), name


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.data())
def test_it_gives_the_same_bits_however_it_is_divided(most, data):
    graph = frozen(branches, "o")
    names = data.draw(st.lists(st.sampled_from(judgeable_nodes(graph)), min_size=1, unique=True))
    made = SegmentedGraph(graph, names, {"x": X.shape}, most_elements=most)
    for feeds in ({"x": X}, {"x": -X}):
        same(made.compute(feeds), whole(graph, names, feeds))
    assert sorted(name for segment in made.segments for name in segment.fetches) == sorted(names)


def test_every_segment_asks_for_no_more_than_it_may():
    graph = frozen(branches, "o")
    made = SegmentedGraph(graph, judgeable_nodes(graph), {"x": X.shape}, most_elements=72)
    assert len(made.segments) >= 6
    sizes = {name: whole(graph, [name], {"x": X})[name].size for name in judgeable_nodes(graph)}
    for segment in made.segments:
        assert len(segment.fetches) == 1 or sum(sizes[name] for name in segment.fetches) <= 72


def test_what_no_later_segment_reads_is_not_kept():
    graph = frozen(branches, "o")
    made = SegmentedGraph(graph, judgeable_nodes(graph), {"x": X.shape}, most_elements=1)
    reads = [set(segment.reads) for segment in made.segments]
    for place, segment in enumerate(made.segments):
        later = set().union(*reads[place + 1 :])
        assert segment.last_reads == reads[place] - later
        assert set(segment.hands_on) <= later
    assert "indices:0" in set().union(*reads)  # whatever its type


def looped(tf):
    """A loop of TensorFlow 2 whose intermediate values are in a list, which cannot be fed."""
    x = placeholder(tf, shape=(3, 4))
    values = tf.TensorArray(tf.float32, 3, element_shape=(4,)).unstack(tf.exp(x, name="before"))
    doubled = tf.sinh(tf.cosh(values.stack(name="stacked"), name="middle"), name="after")
    tf.identity(doubled, name="o")


def test_what_cannot_be_fed_stays_within_a_segment():
    graph, feeds = frozen(looped, "o"), {"x": X[0, :3, :4]}
    assert any("TensorList" in node.op for node in graph.nodes.values())
    names = judgeable_nodes(graph)
    made = SegmentedGraph(graph, names, {"x": (3, 4)}, most_elements=1)
    assert len(made.segments) > 2
    same(made.compute(feeds), whole(graph, names, feeds))


def test_shapes_that_the_graph_leaves_open_are_those_that_will_be_fed():
    def build(tf):
        x = placeholder(tf, shape=(None, None))
        tf.tanh(tf.exp(x, name="a"), name="o")

    graph = frozen(build, "o")
    assert len(SegmentedGraph(graph, ["a", "o"], {"x": (4, 5)}, most_elements=39).segments) == 2
    assert len(SegmentedGraph(graph, ["a", "o"], {"x": (4, 5)}, most_elements=40).segments) == 1


@pytest.mark.parametrize("network", [small_network, recurrent_network])
def test_the_reference_is_the_float64_graph(network, tmp_path):
    from conformance.networks import Network

    known = Network(network.write(tmp_path / "network"))
    names = judgeable_nodes(known.graph)
    wide, _ = to_float64(known.graph)
    made = reference(known.graph, names, known.feeds(0))
    same([made.at_once(known.feeds(1))], whole(wide, names, known.feeds(1)))
