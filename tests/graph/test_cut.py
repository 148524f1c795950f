"""A cut graph: every node sees goldens, so a planted fault is seen where it is and nowhere else."""

import numpy as np
import pytest
from support import small_network
from support.emulation import frozen, placeholder, run

from conformance.errors import UsageError
from conformance.graph.cut import cut, cut_input
from conformance.graph.editing import copied, plain
from conformance.graph.execution import GraphRunner
from conformance.graph.selection import judgeable_nodes, key_nodes


@pytest.fixture(scope="module")
def graph():
    return small_network.graph()


@pytest.fixture(scope="module")
def names(graph):
    return judgeable_nodes(graph)


@pytest.fixture(scope="module")
def goldens(graph, names):
    return GraphRunner(graph, names)(small_network.feeds())


def own_results(graph, key, fetches, goldens):
    """Run the cut graph: key nodes are fed with goldens."""
    shapes = {name: goldens[name].shape for name in key}
    run = GraphRunner(cut(graph, shapes, fetches), fetches)
    fed = {cut_input(name): goldens[name] for name in key} | small_network.feeds()
    return run({name: fed[name] for name in run.feeds})


def different(results, goldens):
    return [name for name, value in results.items() if not np.array_equal(value, goldens[name])]


def test_without_a_fault_every_node_gives_its_golden(graph, names, goldens):
    assert different(own_results(graph, names, names, goldens), goldens) == []


def broken(graph, fault):
    """Return the graph with the node ``fault`` doubled."""
    nodes = []
    for node in graph.nodes.values():
        if node.name != fault:
            nodes.append(node)
            continue
        nodes.append(copied(node, name=f"{fault}/right"))
        nodes.append(plain(fault, "Add", [f"{fault}/right"] * 2, T="float32"))
    return graph.replaced(nodes)


def test_a_planted_fault_is_seen_at_its_node_and_at_no_other(graph, names, goldens):
    for fault in names:
        assert goldens[fault].any()
        results = own_results(broken(graph, fault), names, names, goldens)
        assert different(results, goldens) == [fault]


def test_uncut_the_same_fault_spreads(graph, names, goldens):
    results = GraphRunner(broken(graph, "image_branch/conv"), names)(small_network.feeds())
    assert len(different(results, goldens)) > 5


def test_between_key_nodes_a_fault_reaches_the_next_key_node_and_no_further(graph, goldens):
    key = list(key_nodes(graph))
    assert "image_branch/norm/mul" not in key
    results = own_results(broken(graph, "image_branch/norm/mul"), key, key, goldens)
    assert different(results, goldens) == ["image_branch/norm/add_1"]


def test_the_emulator_runs_cut_graphs(graph, goldens):
    """The own error at int16-fp32 is tiny everywhere, whatever the chained error is."""
    from conformance.quantization.calibration import calibrate, largest_magnitudes

    scales = calibrate(largest_magnitudes(graph, [small_network.feeds()]), 16)
    key = list(key_nodes(graph))
    cutted = cut(graph, {name: goldens[name].shape for name in key}, key)
    fed = {cut_input(name): goldens[name] for name in key} | small_network.feeds()
    results, _ = run(cutted, {name: fed[name] for name in cutted.inputs}, "int16-fp32", scales=scales)
    for name in key:
        np.testing.assert_allclose(results[name], goldens[name], atol=3e-4)


def test_only_needed_placeholders_are_left(graph, goldens):
    shapes = {name: goldens[name].shape for name in ("residual", "join", "image_branch/conv")}
    cutted = cut(graph, shapes, ["mix", "pooled"])
    assert cutted.inputs == ("golden/residual", "golden/join")
    assert cutted.outputs == ("mix", "pooled")


def test_only_the_first_output_of_a_node_is_replaced():
    def build(tf):
        left, right = tf.split(placeholder(tf, shape=(2, 4)), 2, axis=1, name="split")
        with tf.control_dependencies([left]):
            tf.add(left, right * 2.0, name="o")

    graph = frozen(build, "o")
    cutted = cut(graph, {"split": (2, 2)}, ["o"])
    x = np.arange(8.0).reshape(2, 4)
    found = GraphRunner(cutted, ["o"])({"x": x, "golden/split": np.full((2, 2), 100)})["o"]
    assert found.tolist() == (100 + 2 * x[:, 2:]).tolist()
    assert cutted.inputs == ("golden/split", "x")


def test_key_nodes_of_other_float_types_are_fed_with_float32_goldens():
    def build(tf):
        x = placeholder(tf, shape=(3,))
        wide = tf.multiply(tf.cast(x, tf.float64, name="wide"), 1.5, name="product")
        narrow = tf.cast(wide, tf.float16, name="narrow")
        tf.add(tf.cast(narrow, tf.float32), tf.cast(wide, tf.float32), name="o")

    graph = frozen(build, "o")
    names = judgeable_nodes(graph)
    assert {"wide", "product", "narrow"} <= set(names)
    cutted = cut(graph, dict.fromkeys(names, (3,)), names)
    feeds = {cut_input(name): np.array([1, 2, 3], np.float32) for name in names} | {
        "x": np.ones(3, np.float32)
    }
    results = GraphRunner(cutted, names)({name: feeds[name] for name in cutted.inputs})
    assert results["product"].tolist() == [1.5, 3, 4.5]
    assert {name: results[name].dtype.name for name in ("product", "narrow", "o")} == {
        "product": "float64",
        "narrow": "float16",
        "o": "float32",
    }


@pytest.mark.parametrize("wrong", ["key", "fetch"])
def test_unknown_nodes_are_named(graph, wrong):
    shapes = {"residuals": (1,)} if wrong == "key" else {}
    fetches = ["residuals"] if wrong == "fetch" else ["residual"]
    with pytest.raises(UsageError, match=r"node 'residuals' is not in graph \(near names: residual"):
        cut(graph, shapes, fetches)
