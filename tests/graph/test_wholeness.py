"""A malformed graph is one sentence that names the node, exit code 4, in every command, never a traceback."""

import functools

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused
from support.toy_network import uniform, write_toy

from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.wholeness import check_whole
from conformance.networks import Network

FILTER = np.random.default_rng(0).normal(size=(3, 3, 2, 2)).astype(np.float32)


def build(tf):
    x = placeholder(tf, shape=(1, 4, 4, 2))
    small = tf.constant(FILTER, name="small")
    large = tf.constant(np.tile(FILTER, (1, 1, 1, 16)), name="large")
    convolved = tf.nn.conv2d(x, small, 1, "SAME", name="conv")
    mean = tf.reduce_mean(convolved, [1, 2], keepdims=True, name="mean")
    tf.reduce_sum(tf.nn.conv2d(tf.subtract(convolved, mean, name="sub"), large, 1, "SAME"), 3, name="out")


def reads(node, *inputs):
    def change(nodes):
        nodes[node].input[:] = inputs

    return change


def without(node, key):
    def change(nodes):
        del nodes[node].attr[key]

    return change


def shaped(node, key, size):
    def change(nodes):
        value = nodes[node].attr[key]
        (value.tensor.tensor_shape if key == "value" else value.shape).dim[0].size = size

    return change


def typed(node, number):
    def change(nodes):
        nodes[node].attr["dtype"].type = number

    return change


def renamed(name):
    def change(nodes):
        for node in nodes.values():
            node.input[:] = [name if tensor == "sub" else tensor for tensor in node.input]
        nodes["sub"].name = name

    return change


def splat(nodes):
    tensor = nodes["small"].attr["value"].tensor
    tensor.ClearField("tensor_content")
    tensor.float_val.append(1.0)
    tensor.tensor_shape.dim[0].size = 10**12


def one_stride(nodes):
    nodes["conv"].attr["strides"].list.i[:] = [1]


MALFORMED = {
    "itself": (reads("mean", "mean", "mean/reduction_indices"), "form a circle.*: 'mean'"),
    "circle": (
        reads("conv", "x", "small", "^mean"),
        "form a circle, .* next: '(conv|mean)', ",
    ),
    "output 7": (reads("sub", "conv:7", "mean"), "invalid output 7 of source node conv"),
    "output x": (reads("sub", "conv:x", "mean"), "Node 'sub': Unknown input node 'conv:x'"),
    "output -1": (reads("sub", "conv:-1", "mean"), "Node 'sub': Unknown input node"),
    "one input": (reads("sub", "conv"), "expected inputs 'float, float' do not match 1 inputs"),
    "three inputs": (reads("sub", "conv", "mean", "x"), "do not match 3 inputs"),
    "other type": (reads("mean", "conv", "small"), "Input 1 of node mean was passed float"),
    "small lies": (
        shaped("small", "value", 5),
        r"'small' of .* has 144 bytes, but .* \(5, 3, 2, 2\)",
    ),
    "large lies": (shaped("large", "value", 5), "constant 'large' of .* has 2304 bytes, but its shape"),
    "negative": (shaped("small", "value", -3), r"has the shape \(-3, 3, 2, 2\), which no constant can have"),
    "a trillion": (splat, "constant 'small' of .* has the shape .*, which no constant can have"),
    "no value": (without("small", "value"), "constant 'small' .* has no value of the type that it declares"),
    "no type": (without("small", "dtype"), "constant 'small' .* has no value of the type"),
    "integers": (typed("small", 9), "constant 'small' .* has no value of the type"),
    "no strides": (without("conv", "strides"), "missing attr 'strides'"),
    "no T": (without("conv", "T"), "missing attr 'T'"),
    "one stride": (one_stride, "stride attribute to contain 4 values"),
    "untyped input": (without("x", "dtype"), "missing attr 'dtype'"),
    "unknown type": (typed("x", 99), "invalid DataType enum: 99"),
    "input of -7": (shaped("x", "shape", -7), "dimensions with values below -1"),
    "newline": (renamed("a\nb"), r"'a"),
    "escape": (renamed("a\x1b[31mb"), r"'a\\x1b\[31mb'"),
    "script": (renamed("<script>alert(1)</script>"), "invalid characters"),
    "backwards": (renamed("a\u202eb"), r"'a\\u202eb'"),
}
COMMANDS = ["nodes", "quantize", "golden", "init"]


@functools.cache
def sound():
    return frozen(build, "out").copied_graph_def()


@pytest.fixture
def malformed(tmp_path):
    """Write a network whose graph is malformed, and return its directory."""

    def write(change):
        directory = write_toy(tmp_path / "network", build, uniform(1, (1, 4, 4, 2), "x"))
        graph_def = tensorflow().compat.v1.GraphDef()
        graph_def.CopyFrom(sound())
        change({node.name: node for node in graph_def.node})
        (directory / "toy.pb").write_bytes(graph_def.SerializeToString())
        return directory

    return write


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_graph(malformed, kind):
    change, said = MALFORMED[kind]
    with refused(said) as error:
        _ = Network(malformed(change)).graph
    assert str(error.value).isprintable()
    assert "toy.pb" in str(error.value)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "kind", ["circle", "output 7", "large lies", "a trillion", "no value", "escape", "newline"]
)
def test_every_command_says_it(malformed, refusal, tmp_path, command, kind):
    directory = malformed(MALFORMED[kind][0])
    more = {"golden": ["--golden-dir", tmp_path / "goldens"], "init": ["-o", tmp_path / "new"]}.get(
        command, []
    )
    sentence = refusal(command, directory / "toy.pb" if command == "init" else directory, *more)
    assert sentence.removesuffix("\n").isprintable()


def test_a_sound_graph_and_a_loop_of_tensorflow_1_are_taken():
    def loop(tf):
        x = placeholder(tf, shape=(1, 4))
        tf.identity(tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y + x), (0, x))[1], name="out")

    check_whole(frozen(build, "out"))
    check_whole(frozen(loop, "out", control_flow_v2=False))
