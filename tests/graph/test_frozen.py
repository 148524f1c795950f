"""Frozen graphs: read, pruned, filled, hashed; every wrong file is one sentence."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused

from conformance.errors import EXIT_USAGE, UsageError
from conformance.graph.editing import constant, copied, plain
from conformance.graph.editing import placeholder as placeholder_node
from conformance.graph.frozen import FrozenGraph, output_index, producer
from conformance.graph.graph_file import load_frozen_graph


def build(tf):
    x = placeholder(tf, shape=(2, 3))
    y = placeholder(tf, "y", (3, 2))
    tf.add(
        tf.linalg.matmul(x, tf.constant([[1.0], [2.0], [3.0]], name="kernel"), name="product"), 1.0, name="o"
    )
    tf.tanh(y, name="other")


@pytest.fixture(scope="module")
def graph():
    return frozen(build, "o", "other")


def test_names_of_tensors():
    assert [producer(text) for text in ("a/b", "a/b:1", "^a/b")] == ["a/b"] * 3
    assert [output_index(text) for text in ("a/b", "a/b:1")] == [0, 1]


def test_inputs_outputs_and_nodes(graph):
    assert graph.inputs == ("x", "y")
    assert graph.outputs == ("o", "other")
    assert graph.require("product:0").op == "MatMul"


def test_a_saved_graph_is_read_back(graph, tmp_path):
    graph.save(tmp_path / "graph.pb")
    again = load_frozen_graph(tmp_path / "graph.pb", ["o"])
    assert again.sha256 == graph.prune(["o"]).sha256
    assert again.inputs == ("x",)
    assert again.source == str(tmp_path / "graph.pb")


def test_pruning_keeps_what_is_needed_and_the_order(graph):
    pruned = graph.prune(["other"])
    assert list(pruned.nodes) == ["y", "other"]
    assert pruned.outputs == ("other",)
    assert list(graph.prune(graph.outputs).nodes) == list(graph.nodes)


def test_an_array_goes_with_its_constant():
    """Another node of that name is not taken for it."""
    large = frozen(lambda tf: tf.negative(tf.constant(np.ones(600, np.float32), name="c"), name="o"), "o")
    assert large.arrays.keys() == {"c"}
    other = placeholder_node("c", np.float32, (600,))
    fed = large.replaced([other, large.nodes["o"]])
    assert (fed.arrays, fed.inputs) == ({}, ("c",))


def test_pruning_keeps_control_inputs(graph):
    nodes = [
        copied(node, inputs=[*node.input, "^other"]) if node.name == "o" else node
        for node in graph.nodes.values()
    ]
    assert "other" in graph.replaced(nodes).prune(["o"]).nodes


def test_constants_are_found_behind_identities(graph):
    nodes = [*graph.nodes.values(), plain("read", "Identity", ["kernel"], T="float32")]
    nodes += [plain("stopped", "StopGradient", ["read:0"], T="float32")]
    more = graph.replaced(nodes)
    assert more.constant("stopped").tolist() == [[1], [2], [3]]
    assert more.constant("kernel:0").tolist() == [[1], [2], [3]]
    assert more.constant("product") is None
    assert more.constant("x") is None


def test_constants_are_filled_in_a_copy(graph):
    filled = graph.with_constants({"kernel": np.full((3, 1), 7, np.float64)})
    assert filled.constant("kernel").dtype == np.float32
    assert filled.constant("kernel").tolist() == [[7]] * 3
    assert graph.constant("kernel").tolist() == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kernel": np.zeros((1, 3))}, r"of 'kernel' have shape \(1, 3\), but the graph wants \(3, 1\)"),
        ({"product": np.zeros((2, 1))}, "weights are given for 'product' of graph, which is not a constant"),
        ({"kernal": np.zeros((3, 1))}, r"node 'kernal' is not in graph .near names: kernel"),
    ],
)
def test_wrong_constants(graph, values, said):
    with refused(said):
        graph.with_constants(values)


def changed(graph, **changes):
    """Return the graph with one thing changed."""
    nodes = [copied(node) for node in graph.nodes.values()]
    by_name = {node.name: node for node in nodes}
    if "value" in changes:
        nodes[nodes.index(by_name["kernel"])] = constant("kernel", np.array([[1], [2], [4]], np.float32))
    if "attribute" in changes:
        by_name["product"].attr["transpose_b"].b = True
    if "input" in changes:
        by_name["product"].input[0] = "y"
    if "op" in changes:
        by_name["other"].op = "Sigmoid"
    return graph.replaced(nodes, outputs=changes.get("outputs", graph.outputs))


def test_the_digest_sees_everything_and_not_the_order(graph):
    others = [changed(graph, **{key: True}) for key in ("value", "attribute", "input", "op")]
    others.append(changed(graph, outputs=("other", "o")))
    assert len({other.sha256 for other in [graph, *others]}) == 6
    shuffled = graph.replaced(reversed(list(graph.nodes.values())))
    assert shuffled.sha256 == graph.sha256 == changed(graph).sha256


def test_the_digest_survives_being_run(graph):
    from conformance.graph.execution import GraphRunner

    before = graph.sha256
    feeds = {"x": np.ones((2, 3)), "y": np.ones((3, 2))}
    GraphRunner(graph, ["o"])(feeds)
    assert FrozenGraph.of(graph.copied_graph_def(), graph.outputs).sha256 == before


def damaged(graph, kind):
    """Return the bytes of a file that is no good."""
    data = graph.copied_graph_def().SerializeToString()
    return {
        "empty": b"",
        "truncated": data[: len(data) // 2],
        "text": str(graph.copied_graph_def()).encode(),
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "noise": np.random.default_rng(0).bytes(2000),
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "truncated", "text", "picture", "noise"])
def test_files_that_are_no_graph(graph, tmp_path, kind):
    path = tmp_path / "graph.pb"
    path.write_bytes(damaged(graph, kind))
    said = "holds no nodes" if kind == "empty" else "is not a GraphDef"
    with refused(f"frozen graph .*graph.pb {said}") as error:
        load_frozen_graph(path, ["o"])
    assert error.value.exit_code == EXIT_USAGE


def test_a_file_cut_anywhere_never_gives_another_graph(graph, tmp_path):
    data = graph.prune(["o"]).copied_graph_def().SerializeToString(deterministic=True)
    path, whole = tmp_path / "graph.pb", graph.prune(["o"]).sha256
    for end in range(0, len(data), 3):
        path.write_bytes(data[:end])
        try:
            assert load_frozen_graph(path, ["o"]).sha256 == whole  # only versions are lost
        except UsageError:
            continue


def test_a_missing_file(tmp_path):
    with refused(r"frozen graph .*nothing.pb cannot be read: No such file"):
        load_frozen_graph(tmp_path / "nothing.pb", ["o"])


def test_a_missing_output_names_near_ones(graph, tmp_path):
    graph.save(tmp_path / "graph.pb")
    with refused(r"node 'othr' is not in .*graph.pb \(near names: other\)"):
        load_frozen_graph(tmp_path / "graph.pb", ["othr"])


def test_an_unknown_operator(graph):
    nodes = [copied(node) for node in graph.nodes.values()]
    nodes[-1].op = "CambriconSecret"
    with refused(
        "graph needs what TensorFlow lacks: operator 'CambriconSecret' of other; name outputs before"
    ):
        graph.replaced(nodes)


def test_two_nodes_of_one_name(graph):
    with refused("graph has two nodes of one name: 'kernel'"):
        graph.replaced([*graph.nodes.values(), graph.nodes["kernel"]])


def test_a_missing_producer(graph):
    nodes = [node for node in graph.nodes.values() if node.name != "kernel"]
    with refused("node 'product' in graph reads 'kernel', which is missing"):
        graph.replaced(nodes)


def test_what_the_outputs_do_not_need_may_be_unknown(graph, tmp_path):
    """Training operators of another framework are pruned away before they are looked at."""
    graph_def = graph.copied_graph_def()
    graph_def.node.add(name="training", op="CambriconSecret", input=["o"])
    (tmp_path / "graph.pb").write_bytes(graph_def.SerializeToString())
    assert load_frozen_graph(tmp_path / "graph.pb", ["o"]).outputs == ("o",)
    with refused(r"graph.pb needs what TensorFlow lacks: operator 'CambriconSecret' of training; name"):
        load_frozen_graph(tmp_path / "graph.pb", ["training"])
