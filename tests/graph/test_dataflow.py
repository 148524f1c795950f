"""What depends on the inputs, in which order, of which type; what cannot be observed."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import frozen, placeholder

from conformance.graph.dataflow import (
    array_flows,
    dataflow,
    placeholder_type,
    tensor_types,
    topological,
    unobservable,
)
from conformance.graph.editing import placeholder as placeholder_node
from conformance.graph.editing import plain
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import FrozenGraph, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.structure import Structure


def build(tf):
    x = placeholder(tf, shape=(None, 3))
    weights = tf.multiply(tf.constant([1.0, 2.0, 3.0], name="kernel"), 2.0, name="folded")
    with tf.control_dependencies([tf.exp(x, name="waited_for")]):
        tf.add(x, weights, name="o")
    tf.shape(x, name="shape")


def loop(tf):
    x = placeholder(tf, shape=(3,))
    state = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, tf.tanh(t)), [tf.constant(0), x])[1]
    branch = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.exp(x), lambda: -x)
    tf.add(state, branch, name="o")


def test_constants_and_what_is_made_of_them_are_left_out():
    live = dataflow(frozen(build, "o", "shape"))
    assert set(live) == {"x", "waited_for", "o", "shape"}
    assert set(live.edges) == {("x", "waited_for"), ("x", "o"), ("x", "shape")}


def test_types():
    types = tensor_types(frozen(build, "o", "shape"))
    assert types["o"][0].shape == (None, 3)
    assert types["o"][0].floating
    assert types["shape"][0].shape == (2,)
    assert not types["shape"][0].floating


def test_types_of_placeholders():
    def build(tf):
        names = [("a", (None, 3), "float32"), ("b", None, "int64"), ("c", (), "bool")]
        tf.group(*(placeholder(tf, *entry) for entry in names), name="o")

    graph = frozen(build, "o")
    found = [placeholder_type(graph, name) for name in "abc"]
    assert found == [(np.dtype("f4"), (None, 3)), (np.dtype("i8"), None), (np.dtype("?"), ())]


@given(
    edges=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=20),
    order=st.permutations(range(9)),
)
@settings(max_examples=30, deadline=None)
def test_any_order_of_nodes_is_sorted(edges, order):
    """Producers come first, and nodes that do not depend on each other keep the order of the file."""
    nodes = {index: plain(f"n{index}", "NoOp", []) for index in range(9)}
    for low, high in {tuple(sorted(edge)) for edge in edges if edge[0] != edge[1]}:
        nodes[high].input.append(f"^n{low}")
    graph_def = tensorflow().compat.v1.GraphDef()
    graph_def.node.extend(nodes[index] for index in order)
    graph = FrozenGraph.of(graph_def, [f"n{index}" for index in range(9)])
    names = topological(graph)
    assert sorted(names) == sorted(graph.nodes)
    for node in graph_def.node:
        assert all(names.index(producer(tensor)) < names.index(node.name) for tensor in node.input)
    if not edges:
        assert names == [f"n{index}" for index in order]


def test_loops_are_sorted_and_inside_nothing_can_be_observed():
    graph = frozen(loop, "o", control_flow_v2=False)
    names = topological(graph)
    assert sorted(names) == sorted(graph.nodes)
    hidden = unobservable(graph)
    inside = {
        name for name in names if graph.nodes[name].op in ("Tanh", "Exp", "Neg", "NextIteration", "LoopCond")
    }
    assert len(inside) == 6
    assert inside <= hidden
    outside = {name for name in names if graph.nodes[name].op in ("Exit", "Sum", "Placeholder")} | {"o"}
    assert not outside & hidden
    assert graph.nodes[graph.nodes["o"].input[1]].op == "Merge"
    assert not set(graph.nodes["o"].input) & hidden


def test_the_flow_of_an_array_is_no_result():
    """It is a float of no meaning, at which no graph can be cut."""

    def build(tf):
        steps = tf.TensorArray("float32", 4).unstack(placeholder(tf, shape=(4, 3)))
        kept = tf.TensorArray("float32", 4)

        def body(index, value, kept):
            return index + 1, tf.tanh(value + steps.read(index)), kept.write(index, value)

        begin = [tf.constant(0), tf.zeros(3), kept]
        _, value, kept = tf.while_loop(lambda index, *_: index < 4, body, begin)
        tf.add(kept.stack(), value, name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    flows = array_flows(graph)
    operators = {graph.nodes[name].op for name in flows}
    assert operators >= {"TensorArrayScatterV3", "TensorArrayWriteV3", "Exit", "Merge", "Switch"}
    assert not operators & {"TensorArrayV3", "TensorArrayGatherV3", "Tanh", "AddV2"}
    found = {graph.nodes[name].op for name in Structure(graph).judgeable}
    assert found == {"Exit", "TensorArrayGatherV3", "AddV2"}
    assert array_flows(frozen(loop, "o", control_flow_v2=False)) == frozenset()


def test_functional_control_flow_hides_nothing():
    assert unobservable(frozen(loop, "o")) == frozenset()


@pytest.mark.parametrize("depth", [1, 3])
def test_nested_branches(depth):
    def build(tf):
        x = placeholder(tf, shape=(3,))

        def nested(level):
            if not level:
                return tf.exp(x)
            return tf.cond(tf.reduce_sum(x) > level, lambda: nested(level - 1), lambda: -x)

        tf.tanh(nested(depth), name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    hidden = unobservable(graph)
    merges = [name for name, node in graph.nodes.items() if node.op == "Merge"]
    assert len(merges) == depth
    assert sum(name in hidden for name in merges) == depth - 1
    assert "o" not in hidden


def test_dataflow_of_a_long_chain_is_a_chain():
    nodes = [placeholder_node("n0", tensorflow().float32, [1])]
    nodes += [plain(f"n{index}", "Neg", [f"n{index - 1}"], T="float32") for index in range(1, 2000)]
    graph_def = tensorflow().compat.v1.GraphDef()
    graph_def.node.extend(reversed(nodes))
    graph = FrozenGraph.of(graph_def, ["n1999"])
    live = dataflow(graph)
    assert list(nx.topological_sort(live)) == topological(graph) == [f"n{index}" for index in range(2000)]
    assert all(live.has_edge(*pair) for pair in itertools.pairwise(topological(graph)))


@pytest.mark.parametrize(("version", "shape"), [(0, None), (21, None), (22, ()), (27, ())])
def test_an_old_graph_does_not_tell_a_scalar_from_an_unknown_shape(version, shape):
    graph_def = tensorflow().compat.v1.GraphDef()
    graph_def.node.extend(
        [placeholder_node("x", tensorflow().float32, []), plain("o", "Neg", ["x"], T="float32")]
    )
    graph_def.versions.producer = version
    graph = FrozenGraph.of(graph_def, ["o"])
    assert placeholder_type(graph, "x") == (np.float32, shape)
    assert GraphRunner(graph, ["o"])({"x": np.float32(1)})["o"].tolist() == -1
    if shape is None:
        assert GraphRunner(graph, ["o"])({"x": np.ones((2, 3))})["o"].shape == (2, 3)
