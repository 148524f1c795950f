"""Repeated blocks: on rows that hypothesis makes up, on small graphs, and on what must not count as one."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.emulation import frozen, placeholder

from conformance.graph.blocks import Link, _blocks, repeated_blocks
from conformance.graph.dataflow import dataflow, tensor_types

FILTER = np.ones((1, 1, 3, 3), np.float32)
UNARY = {
    "conv": lambda tf, x: tf.nn.conv2d(x, FILTER * 2, 1, "SAME"),
    "relu": lambda tf, x: tf.nn.relu(x),
    "tanh": lambda tf, x: tf.tanh(x),
    "norm": lambda tf, x: x - tf.reduce_mean(x, [1, 2], keepdims=True),
}
SINGLE = st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 5))
DOUBLE = st.tuples(st.just("add"), st.integers(0, 5), st.integers(0, 5))
STEPS = st.lists(SINGLE | DOUBLE, min_size=1, max_size=6)
"""A block: operators, each with the places, counted from the block's entry, of what it reads."""


def found(build, *outputs, **options):
    graph = frozen(build, *(outputs or ["o"]), **options)
    return graph, repeated_blocks(graph, dataflow(graph), tensor_types(graph))


def rows(blocks):
    """Return the ends of each row."""
    listed = []
    for block in blocks:
        if block.index == 1:
            listed.append([])
        listed[-1].append(block.end)
        assert len(listed[-1]) == block.index <= block.count
    return listed


def chained(tf, steps, x, name, *, changed):
    """Add one block behind ``x``, its last node called ``name``; ``changed`` puts another operator in."""
    values = [x]
    for op, *sources in steps:
        read = [values[source % len(values)] for source in sources]
        values.append(tf.add(*read) if op == "add" else UNARY[op](tf, read[0]))
    if changed:
        values[-1] = tf.sigmoid(values[-1])
    used = {source % (index + 1) for index, (_, *sources) in enumerate(steps) for source in sources}
    loose = [value for index, value in enumerate(values) if index not in used]
    return tf.add_n([*loose, loose[0]], name=name)  # one way out


def row_of(steps, count, changed=None):
    """Return a graph with a row of blocks, and its blocks."""

    def build(tf):
        x = tf.exp(placeholder(tf, shape=(1, 2, 2, 3)), name="before")
        for index in range(count):
            x = chained(tf, steps, x, f"end{index}", changed=index == changed)
        tf.sin(x, name="o")

    return found(build)


def heavy(steps):
    return any(op in ("conv", "norm") for op, *_ in steps)


@given(steps=STEPS, count=st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_every_row_of_equal_blocks_is_found(steps, count):
    graph, blocks = row_of(steps, count)
    ends = {block.end for block in blocks}
    expected = {f"end{index}" for index in range(count)}
    if heavy(steps):
        assert ends >= expected
        assert not ends & {"before", "o"}
    else:
        assert not blocks, "plain operators in a row are no module"
    assert_isomorphic(graph, blocks)


def assert_isomorphic(graph, blocks):
    """Check blocks against the definition: equal in a row, one way in, one way out, none across another."""
    live = dataflow(graph)
    nx.set_node_attributes(live, {name: graph.nodes[name].op for name in live}, "op")
    for one, other in itertools.combinations([set(block.nodes) for block in blocks], 2):
        assert not one & other or one < other or other < one
    for block, following in itertools.pairwise(blocks):
        if following.index > 1:
            one, other = live.subgraph(block.nodes), live.subgraph(following.nodes)
            assert nx.is_isomorphic(one, other, node_match=lambda a, b: a["op"] == b["op"])
    for block in blocks:
        inside = set(block.nodes)
        entries = {before for name in inside for before in live.predecessors(name)} - inside
        exits = {name for name in inside if set(live.successors(name)) - inside}
        assert len(entries) == 1
        assert exits == {block.end}


@given(steps=STEPS, count=st.integers(2, 4), changed=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_block_with_another_operator_is_not_one_of_the_row(steps, count, changed):
    assume(changed < count)
    graph, blocks = row_of(steps, count, changed)
    inside = {graph.nodes[name].op for block in blocks for name in block.nodes}
    assert "Sigmoid" not in inside
    assert_isomorphic(graph, blocks)


@given(
    word=st.lists(st.integers(0, 2), max_size=14), weights=st.lists(st.integers(0, 2), min_size=3, max_size=3)
)
@settings(max_examples=300, deadline=None)
def test_rows_cover_as_much_as_any_repetition_does(word, weights):
    """By brute force over every start, period and count."""
    blocks = _blocks([Link((str(place),), kind, weights[kind]) for place, kind in enumerate(word)])
    squares = [
        period * count
        for period in range(1, len(word) + 1)
        for start in range(len(word))
        for count in range(2, len(word) + 1)
        if len(piece := word[start : start + period * count]) == period * count
        and piece == piece[:period] * count
        and any(weights[kind] for kind in piece)
    ]
    covered = [len(block.nodes) * block.count for block in blocks]
    assert max(covered, default=0) == max(squares, default=0)
    places = [int(name) for block in blocks for name in block.nodes]
    assert places == sorted(set(places))
    for one, other in itertools.pairwise(blocks):
        if other.index > 1:
            assert [word[int(name)] for name in one.nodes] == [word[int(name)] for name in other.nodes]


def test_a_row_is_cut_into_its_smallest_blocks():
    blocks = _blocks([Link((str(place),), place % 2, 1) for place in range(8)])
    assert [block.nodes for block in blocks] == [("0", "1"), ("2", "3"), ("4", "5"), ("6", "7")]


def test_a_block_opens_with_its_heaviest_work():
    """Activation, convolution, norm, activation, convolution, norm, activation: it opens at a convolution."""
    kinds, weights = "rcnrcnr", {"c": 2, "n": 1, "r": 0}
    blocks = _blocks(
        [Link((f"{kind}{place}",), ord(kind), weights[kind]) for place, kind in enumerate(kinds)]
    )
    assert [block.nodes for block in blocks] == [("c1", "n2", "r3"), ("c4", "n5", "r6")]


def residual(tf, x, name, scale=1.0):
    y = tf.nn.relu(tf.nn.conv2d(x, FILTER * scale, 1, "SAME"))
    return tf.add(x, tf.nn.conv2d(y, FILTER, 1, "SAME"), name=name)


def test_residual_blocks_with_other_weights_are_a_row():
    def build(tf):
        x = placeholder(tf)
        for index in range(4):
            x = residual(tf, x, f"add{index}", scale=index)
        tf.tanh(x, name="o")

    graph, blocks = found(build)
    assert rows(blocks) == [[f"add{index}" for index in range(4)]]
    assert [graph.nodes[name].op for name in blocks[0].nodes] == ["Conv2D", "Relu", "Conv2D", "AddV2"]


def strides(tf, x, index):
    return tf.nn.conv2d(x, FILTER, 1 + index % 2, "SAME")


def widths(tf, x, index):
    return tf.nn.conv2d(x, np.ones((1, 1, 3 + index, 4 + index), np.float32), 1, "SAME")


def axes(tf, x, index):
    return x - tf.reduce_mean(x, [1, 2] if index % 2 else [1], keepdims=True)


def turned(tf, x, index):
    return tf.reverse(tf.nn.conv2d(x, FILTER, 1, "SAME"), [1 + index % 2])


def arguments_in_other_order(tf, x, index):
    y = tf.nn.conv2d(x, FILTER, 1, "SAME")
    return tf.subtract(x, y) if index % 2 else tf.subtract(y, x)


@pytest.mark.parametrize("step", [strides, widths, axes, turned, arguments_in_other_order])
def test_what_differs_in_attribute_shape_axes_or_wiring_is_no_row(step):
    def build(tf):
        x = placeholder(tf, shape=(2, 8, 8, 3))
        for index in range(3):
            x = tf.nn.relu(step(tf, x, index))
        tf.identity(x, name="o")

    assert found(build)[1] == []


def test_one_node_read_twice_is_not_two_nodes():
    """Both blocks multiply equal convolutions; one of them has just one convolution."""

    def build(tf):
        x = tf.exp(placeholder(tf))
        y = tf.nn.conv2d(x, FILTER, 1, "SAME")
        x = tf.add(x, tf.multiply(y, y))
        x = tf.add(x, tf.multiply(tf.nn.conv2d(x, FILTER, 1, "SAME"), tf.nn.conv2d(x, FILTER, 1, "SAME")))
        tf.identity(x, name="o")

    assert found(build)[1] == []


def test_where_two_branches_join_is_not_where_one_is_doubled():
    def build(tf):
        x = tf.add(tf.exp(placeholder(tf)), tf.sin(placeholder(tf, "y")))
        x = tf.nn.conv2d(x, FILTER, 1, "SAME")
        tf.identity(tf.nn.conv2d(tf.add(x, x), FILTER, 1, "SAME"), name="o")

    assert found(build)[1] == []


def test_rows_beside_and_inside_each_other():
    def build(tf):
        x = tf.exp(placeholder(tf))
        for index in range(2):  # two in a row
            x = residual(tf, x, f"first{index}")
        x = tf.sin(x)
        y = x
        for index in range(3):  # three inside one branch
            y = tf.tanh(tf.nn.conv2d(y, FILTER, 1, "SAME"), name=f"second{index}")
        tf.identity(tf.add(x, tf.cos(y)), name="o")

    assert sorted(rows(found(build)[1])) == [["first0", "first1"], ["second0", "second1", "second2"]]


def test_an_output_that_is_read_on_does_not_cut_a_row():
    def build(tf):
        x = placeholder(tf)
        for index in range(4):
            x = residual(tf, x, f"add{index}")

    for outputs in (["add3"], ["add3", "add1"], ["add1", "Relu_2", "add3"]):
        assert rows(found(build, *outputs)[1]) == [["add0", "add1", "add2", "add3"]], outputs


def test_a_graph_with_loops_has_no_rows():
    def build(tf):
        x = placeholder(tf)
        for index in range(2):
            x = residual(tf, x, f"add{index}")
        tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, tf.tanh(t)), [tf.constant(0), x])[1]
        tf.add(x, tf.while_loop(lambda t: tf.reduce_sum(t) > 0, lambda t: [t - 1.0], [x])[0], name="o")

    assert found(build, control_flow_v2=False)[1] == []
