"""The committed BeautyGAN graph is the published one, and ``tools/build_beautygan.py`` writes exactly it."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.tool_modules import tool_module

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
ROOT = Path(__file__).resolve().parents[2]
NETWORK = ROOT / "fixtures/networks/beautygan"
CENSUS = {
    "Const": 124,
    "Identity": 61,
    "Mul": 60,
    "Add": 46,
    "Mean": 40,
    "Conv2D": 21,
    "StopGradient": 20,
    "SquaredDifference": 20,
    "Rsqrt": 20,
    "Sub": 20,
    "Relu": 14,
    "Placeholder": 2,
    "ResizeNearestNeighbor": 2,
    "ConcatV2": 1,
    "Tanh": 1,
}
SHAPES = {
    "X": [None, 256, 256, 3],
    "Y": [None, 256, 256, 3],
    "generator/conv2d/Conv2D": [None, 256, 256, 32],
    "generator/Relu_1": [None, 128, 128, 64],
    "generator/Relu_5": [None, 64, 64, 128],
    "generator/InstanceNorm_5/moments/mean": [None, 1, 1, 128],
    "generator/concat": [None, 64, 64, 256],
    "generator/add": [None, 64, 64, 256],
    "generator/add_5": [None, 64, 64, 256],
    "generator/ResizeNearestNeighbor": [None, 128, 128, 256],
    "generator/Relu_12": [None, 128, 128, 64],
    "generator/ResizeNearestNeighbor_1": [None, 256, 256, 64],
    "generator/Relu_13": [None, 256, 256, 32],
    "generator/xs": [None, 256, 256, 3],
}


@pytest.fixture(scope="module")
def tool():
    with tool_module("build_beautygan") as module:
        yield module


@pytest.fixture(scope="module")
def published():
    return json.loads((NETWORK / "published.json").read_text(encoding="utf-8"))


@pytest.fixture
def graph():
    from tensorflow.core.framework import graph_pb2

    return graph_pb2.GraphDef.FromString((NETWORK / "graph.pb").read_bytes())


@pytest.fixture
def nodes(graph):
    return {node.name: node for node in graph.node}


def constant(nodes, name):
    from tensorflow import make_ndarray

    return make_ndarray(nodes[name].attr["value"].tensor)


def imported(graph):
    import tensorflow as tf

    with tf.Graph().as_default() as result:
        tf.import_graph_def(graph, name="")
    return result


def test_the_committed_graph_has_the_published_names_and_shapes(tool, graph, published):
    assert [node.name for node in graph.node] == published["nodes"]
    assert tool.differences(graph, published) == []


def test_the_published_data_are_those_of_the_pruned_network(published):
    sizes = [int(np.prod(shape)) for shape in published["variables"].values()]
    assert (len(published["nodes"]), len(sizes), sum(sizes)) == (452, 61, 7_449_440)
    assert len(set(published["nodes"])) == 452


def test_operators_are_counted_as_in_the_published_graph(graph):
    assert Counter(node.op for node in graph.node) == CENSUS


def test_building_again_writes_the_same_bytes(tool, tmp_path):
    path = tmp_path / "graph.pb"
    assert tool.main(["--output", str(path)]) == 0
    assert path.read_bytes() == (NETWORK / "graph.pb").read_bytes()


def rename(graph):
    graph.node[100].name += "_1"


def swap(graph):
    graph.node[20].name, graph.node[21].name = graph.node[21].name, graph.node[20].name


def drop(graph):
    del graph.node[-1]


def add(graph):
    graph.node.add(name="generator/ys", op="Tanh", input=["generator/conv2d_20/Conv2D"])


def reshape(graph):
    kernel = next(node for node in graph.node if node.name == "generator/conv2d_7/kernel")
    kernel.attr["value"].tensor.tensor_shape.dim[3].size = 128


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename, "node 100 is 'generator/InstanceNorm_4/moments/SquaredDifference_1'"),
        (swap, "node 20 is"),
        (drop, "451 nodes, but should be 452"),
        (add, "453 nodes, but should be 452"),
        (reshape, "variable 'generator/conv2d_7/kernel' has shape [3, 3, 256, 128]"),
    ],
)
def test_a_graph_that_is_not_the_published_one_is_noticed(tool, graph, published, change, said):
    change(graph)
    assert any(said in sentence for sentence in tool.differences(graph, published))


def test_a_wrong_graph_is_not_written(tool, graph, tmp_path, monkeypatch):
    from conformance.errors import InfrastructureError

    rename(graph)
    monkeypatch.setattr(tool, "build", lambda: graph)
    with pytest.raises(InfrastructureError, match="is not written: node 100"):
        tool.main(["--output", str(tmp_path / "graph.pb")])
    assert list(tmp_path.iterdir()) == []


def test_tensorflow_infers_the_published_shapes(graph):
    result = imported(graph)
    inferred = {name: result.get_tensor_by_name(f"{name}:0").shape.as_list() for name in SHAPES}
    assert inferred == SHAPES


def test_convolutions_pad_to_the_same_size_and_stride_only_in_the_encoders(graph, nodes):
    convolutions = [node for node in graph.node if node.op == "Conv2D"]
    assert {node.attr["padding"].s for node in convolutions} == {b"SAME"}
    strided = {node.name for node in convolutions if list(node.attr["strides"].list.i) != [1, 1, 1, 1]}
    assert strided == {f"generator/conv2d_{i}/Conv2D" for i in (1, 2, 4, 5)}
    assert {tuple(nodes[name].attr["strides"].list.i) for name in strided} == {(1, 2, 2, 1)}


def test_a_convolution_has_no_bias(graph, nodes):
    readers = [node for node in graph.node if any(nodes[name].op == "Conv2D" for name in node.input)]
    assert {node.op for node in readers} == {"Mean", "SquaredDifference", "Mul", "Tanh"}


def test_means_run_over_height_and_width_and_keep_dimensions(graph, nodes):
    for node in graph.node:
        if node.op == "Mean":
            assert node.attr["keep_dims"].b, node.name
            assert constant(nodes, node.input[1]).tolist() == [1, 2], node.name


def test_small_constants(nodes):
    epsilons = [constant(nodes, name) for name in nodes if name.endswith("/instancenorm/add/y")]
    assert [float(value) for value in epsilons] == [float(np.float32(1e-6))] * 20
    assert constant(nodes, "generator/concat/axis") == 3
    assert constant(nodes, "generator/ResizeNearestNeighbor/size").tolist() == [128, 128]
    assert constant(nodes, "generator/ResizeNearestNeighbor_1/size").tolist() == [256, 256]


def test_the_file_says_nothing_that_depends_on_a_version(graph):
    assert (graph.versions.producer, graph.versions.min_consumer) == (27, 0)
    assert len(graph.library.function) == 0
    used = {key for node in graph.node for key in node.attr}
    assert used == {"dtype", "value", "shape", "T", "strides", "padding", "keep_dims", "N"}


def test_variables_have_no_content_and_read_as_zeros(tool, graph, nodes, published):
    import tensorflow as tf

    assert tool.variable_shapes(graph) == published["variables"]
    for name in published["variables"]:
        tensor = nodes[name].attr["value"].tensor
        assert len(tensor.tensor_content) == len(tensor.float_val) == 0, name
    with tf.compat.v1.Session(graph=imported(graph)) as session:
        kernel = session.run("generator/conv2d_2/kernel/read:0")
    assert kernel.shape == (3, 3, 64, 128)
    assert not kernel.any()


def filled(graph, random):
    """The graph with random variables, and these by name."""
    from tensorflow import make_tensor_proto

    values = {}
    for node in graph.node:
        if node.name.endswith(("/kernel", "/beta", "/gamma")):
            shape = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
            spread = 0.08 if node.name.endswith("/kernel") else 0.5
            values[node.name] = (spread * random.standard_normal(shape)).astype(np.float32)
            node.attr["value"].tensor.CopyFrom(make_tensor_proto(values[node.name]))
    return graph, values


def reference(x, y, values):
    """The same network in the words of ``tf.nn``, written down independently of the graph."""
    import tensorflow as tf

    def convolution(tensor, index, stride=1):
        scope = "generator/conv2d" + (f"_{index}" if index else "")
        return tf.nn.conv2d(tensor, values[f"{scope}/kernel"], stride, "SAME")

    def block(tensor, index, stride=1, *, relu=True):
        tensor = convolution(tensor, index, stride)
        scope = "generator/InstanceNorm" + (f"_{index}" if index else "")
        mean, variance = tf.nn.moments(tensor, [1, 2], keepdims=True)
        beta, gamma = values[f"{scope}/beta"], values[f"{scope}/gamma"]
        tensor = tf.nn.batch_normalization(tensor, mean, variance, beta, gamma, 1e-6)
        return tf.nn.relu(tensor) if relu else tensor

    def double(tensor):
        return tf.repeat(tf.repeat(tensor, 2, axis=1), 2, axis=2)

    encoded = [block(block(block(image, i), i + 1, 2), i + 2, 2) for image, i in ((x, 0), (y, 3))]
    tensor = tf.concat(encoded, -1)
    for index in range(6, 18, 2):
        tensor = tensor + block(block(tensor, index), index + 1, relu=False)
    tensor = block(double(block(double(tensor), 18)), 19)
    return tf.tanh(convolution(tensor, 20)).numpy()


def test_the_graph_computes_what_the_same_layers_compute(graph):
    import tensorflow as tf

    random = np.random.RandomState(1)
    graph, values = filled(graph, random)
    x, y = random.uniform(-1, 1, (2, 1, 256, 256, 3)).astype(np.float32)
    with tf.compat.v1.Session(graph=imported(graph)) as session:
        xs = session.run("generator/xs:0", {"X:0": x, "Y:0": y})
    expected = reference(x, y, values)
    assert xs.std() > 0.1
    np.testing.assert_allclose(xs, expected, rtol=0, atol=1e-3)
    assert np.mean((xs - expected) ** 2) < 1e-9
