"""Any frozen graph runs: operators without a model, several outputs, side nodes, loops and branches."""

import numpy as np
import pytest
from support import small_network
from support.emulation import (
    are_halves,
    emulated,
    frozen,
    halves,
    in_float64,
    naive_scales,
    placeholder,
    plain_scales,
    profile,
    rewritten,
    run,
    same_bits,
)

from conformance.devices.base import Device, Session
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lowering import without_functions
from conformance.precision import parse_precision
from conformance.quantization.parameter_file import QuantizationScales

NOTE = "numerics not modelled, run in float: "
PROFILES = ("mlu270", "ideal")
X = np.random.default_rng(3).standard_normal((2, 4, 6, 3)).astype(np.float32)
NONE = QuantizationScales(bits=8, scales={})


def check(graph, feeds, tolerance=3e-3):
    """Run ``graph`` in both profiles and float types; demand halves at fp16, and about the float64 result.

    Returns:
        The notes of the mlu270 profile at fp16.
    """
    exact = in_float64(graph, feeds)
    notes = {}
    for request in PROFILES:
        for precision in ("int8-fp16", "int8-fp32"):
            found, notes[request, precision] = run(graph, feeds, precision, request=request, scales=NONE)
            for name, value in found.items():
                assert value.dtype == np.float32
                assert value.shape == exact[name].shape
                assert precision.endswith("32") or are_halves(value), name
                near = tolerance if precision.endswith("16") else 1e-5
                np.testing.assert_allclose(value, exact[name], rtol=near, atol=near)
    return notes["mlu270", "int8-fp16"]


def unmodelled(tf):
    x = placeholder(tf)
    tf.reduce_prod(x, 1, name="product")
    tf.nn.local_response_normalization(x, name="lrn")
    tf.raw_ops.AvgPool3D(input=x[None], ksize=[1, 1, 2, 2, 1], strides=[1] * 5, padding="SAME", name="pool")


def test_operators_without_a_model_run_in_float_rounded_and_are_reported():
    names = ["product", "lrn", "pool"]
    notes = check(frozen(unmodelled, *names), {"x": X})
    assert sorted(notes) == sorted(NOTE + name for name in names)


def test_modelled_operators_are_not_reported():
    def build(tf):
        x = placeholder(tf)
        y = tf.nn.relu(tf.concat([x, tf.tanh(x) * 1.5], -1))
        tf.reduce_mean(tf.pad(y, [[0, 0], [1, 1], [0, 0], [0, 0]]), [1, 2], name="o")

    assert check(frozen(build, "o"), {"x": X}) == ()


def test_side_nodes_of_other_types_are_untouched():
    """Shapes, indices, comparisons and strings are no numerics: the nodes stay, nothing is reported."""

    def build(tf):
        x = placeholder(tf, shape=(None, 4, 6, 3))
        batch = tf.shape(x, name="shape")[0]
        largest = tf.cast(tf.argmax(x, -1, name="argmax"), tf.float32)
        chosen = tf.where(tf.greater(x, 0.5, name="greater"), x, x * 0.7)
        text = tf.strings.length(tf.strings.as_string(x, name="text"), name="length")
        scaled = tf.reshape(chosen, tf.stack([batch, -1]))
        tf.add(scaled, tf.reshape(largest[..., None] + x * 0.0, tf.shape(scaled)), name="o")
        tf.cast(text, tf.float32, name="lengths")

    graph = frozen(build, "o", "lengths")
    exact = in_float64(graph, {"x": X})
    for request in PROFILES:
        found, notes = run(graph, {"x": X}, request=request, scales=NONE)
        assert notes == ()
        np.testing.assert_allclose(found["o"], exact["o"], atol=0.01)
        assert (found["lengths"] > 3).all()
    nodes = rewritten(graph, "int8-fp16", scales=NONE).graph.nodes
    for name in ("shape", "argmax", "greater", "text", "length"):
        assert nodes[name].op == graph.nodes[name].op


def test_integers_that_become_floats_are_stored_in_the_float_type():
    x = np.array([4098, 2049, 7], np.int32)
    graph = frozen(lambda tf: tf.cast(placeholder(tf, shape=(3,), dtype="int32"), tf.float32, name="o"), "o")
    assert emulated(graph, {"x": x}, scales=NONE).tolist() == [4100, 2050, 7]
    assert emulated(graph, {"x": x}, request="ideal", scales=NONE).tolist() == [4096, 2048, 7]
    assert emulated(graph, {"x": x}, "int8-fp32", scales=NONE).tolist() == x.tolist()


@pytest.mark.parametrize("inner", ["float64", "float16"])
def test_other_float_types_are_run_as_the_graph_says(inner):
    def build(tf):
        x = tf.cast(placeholder(tf), inner)
        tf.tanh(tf.cast(x * 3.3 + 0.1, tf.float32), name="o")

    check(frozen(build, "o"), {"x": X}, 5e-3)


def test_nodes_of_several_outputs():
    def build(tf):
        x = placeholder(tf)
        left, right = tf.split(x, [2, 4], axis=2)
        tf.tanh(right, name="split")
        tf.multiply(left, 1.3, name="first")
        tf.exp(tf.unstack(x, axis=2)[3], name="unpack")
        values, indices = tf.nn.top_k(x, 2)
        tf.add(values, tf.cast(indices, tf.float32), name="top")
        norm = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=np.ones(3, np.float32), offset=np.ones(3, np.float32), mean=[], variance=[]
        )
        tf.add(norm.y, norm.batch_mean * norm.batch_variance, name="norm")
        tf.multiply(tf.identity_n([x, x * 2])[1], 1.5, name="identities")

    graph = frozen(build, "split", "first", "unpack", "top", "norm", "identities")
    notes = check(graph, {"x": X}, 6e-3)
    assert notes == (f"{NOTE}FusedBatchNormV3",)


def test_control_inputs():
    """On every kind of node that is rewritten; what they wait for may itself be rewritten."""

    def build(tf):
        x, filters = placeholder(tf), tf.constant(X[0, :3, :3, :, None])
        with tf.control_dependencies([tf.argmax(x, -1), tf.exp(x, name="first")]):
            mean = tf.reduce_mean(x, [1, 2], keepdims=True, name="mean")
            with tf.control_dependencies([mean, x]):
                wide = tf.nn.conv2d(x, filters, 1, "SAME", name="conv")
            with tf.control_dependencies([wide, tf.nn.softmax(x)]):
                tf.add(tf.tanh(x), tf.constant(1.3), name="o")

    graph = frozen(build, "mean", "conv", "o")
    assert sum(tensor.startswith("^") for node in graph.nodes.values() for tensor in node.input) >= 6
    scales = naive_scales(graph, {"x": X}, 8)
    nodes = rewritten(graph, "int8-fp16", scales=scales).graph.nodes
    assert any(tensor.startswith("^") for tensor in nodes["Tanh/exact"].input)
    assert any(tensor.startswith("^") for tensor in nodes["conv/sum_0"].input)
    exact = in_float64(graph, {"x": X})
    for request in ("mlu270", "ideal", "mlu270,tanh=table-256,convolution_sums=fp16"):
        found, _ = run(graph, {"x": X}, request=request, scales=scales)
        for name, value in found.items():
            np.testing.assert_allclose(value, exact[name], atol=0.2)


def test_names_with_an_output_number():
    """``x:0`` means ``x``, for placeholders and for rounded nodes."""

    def build(tf):
        tf.multiply(tf.tanh(placeholder(tf), name="tanh"), placeholder(tf, "y"), name="o")

    graph = frozen(build, "o")
    feeds = {"x": X, "y": X * 1.001}
    plain = emulated(graph, feeds, scales=NONE)
    for node in graph.nodes.values():
        for index, tensor in enumerate(node.input):
            node.input[index] = f"{tensor}:0"
    assert same_bits(emulated(FrozenGraph.of(graph.copied_graph_def(), ["o"]), feeds, scales=NONE), plain)


def stripped(graph):
    """Return the graph without attributes that have their defaults, as files of TensorFlow 1 are."""
    from tensorflow.python.framework import op_def_registry

    graph_def = graph.copied_graph_def()
    for node in graph_def.node:
        for entry in op_def_registry.get(node.op).attr:
            if entry.HasField("default_value") and node.attr[entry.name] == entry.default_value:
                node.attr.pop(entry.name)
    return FrozenGraph.of(graph_def, graph.outputs)


def test_attributes_that_a_file_leaves_out():
    """Reading one from a protobuf map must not put an empty one there."""
    plain = small_network.graph()
    graph = stripped(plain)
    assert "data_format" not in graph.nodes["mix"].attr
    assert graph.sha256 != plain.sha256
    feeds = small_network.feeds()
    for request in ("mlu270", "ideal", "mlu270,convolution_sums=fp16,resize_nearest=half-pixel"):
        left, right = (run(each, feeds, request=request)[0] for each in (graph, plain))
        assert all(same_bits(left[name], right[name]) for name in left)
    assert FrozenGraph.of(graph.copied_graph_def(), graph.outputs).sha256 == graph.sha256
    assert FrozenGraph.of(plain.copied_graph_def(), plain.outputs).sha256 == plain.sha256


def test_devices_and_colocations_of_another_machine_do_not_matter():
    graph = frozen(lambda tf: tf.tanh(tf.add(placeholder(tf), 1.0, name="a"), name="o"), "o")
    plain = emulated(graph, {"x": X}, scales=NONE)
    for node in graph.nodes.values():
        node.device = "/job:worker/device:MLU:3"
        node.attr["_class"].list.s.append(b"loc:@pruned/away")
    assert same_bits(emulated(graph, {"x": X}, scales=NONE), plain)


def test_a_one_hot_of_computed_numbers_is_stored_and_exact():
    def build(tf):
        places = tf.cast(placeholder(tf, shape=(4,)) * 3.0, tf.int32)
        tf.multiply(tf.one_hot(places, 3, on_value=0.7, off_value=0.1), 1.5, name="o")

    assert check(frozen(build, "o"), {"x": X[0, 0, :4, 0]}) == ()


def loop(tf):
    x = placeholder(tf, shape=(4, 3))

    def body(index, state):
        return index + 1, tf.tanh(state * 1.1 + tf.reduce_mean(state, 1, keepdims=True))

    tf.identity(tf.while_loop(lambda index, _: index < 3, body, [tf.constant(0), x])[1], name="o")


@pytest.mark.parametrize("functional", [True, False])
def test_loops(functional):
    graph = frozen(loop, "o", control_flow_v2=functional)
    operators = {node.op for node in graph.nodes.values()}
    assert operators & {"While", "StatelessWhile"} if functional else "NextIteration" in operators
    notes = check(graph, {"x": X[0, :, :3, 0]})
    # in a loop of TensorFlow 1 shapes are not known, and with them not what a mean sums
    assert notes == (f"{NOTE}while" if functional else f"{NOTE}while/Mean",)


@pytest.mark.parametrize("functional", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
def test_branches(functional, sign):
    def build(tf):
        x = placeholder(tf, shape=(4,))
        chosen = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.1, lambda: tf.exp(x) - 1.0)
        tf.multiply(chosen, 1.3, name="o")

    graph = frozen(build, "o", control_flow_v2=functional)
    operators = {node.op for node in graph.nodes.values()}
    assert operators & {"If", "StatelessIf"} if functional else "Switch" in operators
    check(graph, {"x": np.abs(X[0, 0, :4, 0]) * sign})


def test_lists_of_tensors():
    """What TensorFlow 2 makes of recurrent networks: element types are held by variants."""

    def build(tf):
        states = tf.scan(lambda state, x: tf.tanh(state * 0.5 + x), placeholder(tf, shape=(5, 3)))
        tf.identity(states, name="o")

    graph = without_functions(frozen(build, "o"), ["o"])
    assert {"TensorListGetItem", "TensorListStack"} <= {node.op for node in graph.nodes.values()}
    assert check(graph, {"x": X.reshape(-1, 3)[:5]}) == ()


def test_a_recurrent_matmul_in_a_loop_of_tensorflow_1():
    """Its constants, made by the emulator, must run inside the loop."""
    weights = (X.ravel()[:9].reshape(3, 3) / 3).astype(np.float32)

    def build(tf):
        x = placeholder(tf, shape=(5, 3))

        def body(index, state):
            return index + 1, tf.tanh(tf.linalg.matmul(state, weights, name="matmul") + x)

        tf.identity(tf.while_loop(lambda index, _: index < 4, body, [tf.constant(0), x])[1], name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    feeds = {"x": X.reshape(-1, 3)[:5]}
    scales = plain_scales(graph, 16, input=9000.0, filter=16000.0)
    for request in PROFILES:
        for precision in ("int16-fp16", "int16-fp32"):
            found = emulated(graph, feeds, precision, request=request, scales=scales)
            np.testing.assert_allclose(found, in_float64(graph, feeds)["o"], atol=4e-3)


def test_constants_are_stored_in_the_float_type():
    def build(tf):
        tf.maximum(placeholder(tf, shape=(2,)), np.array([1 + 2.0**-11, 70000], np.float32), name="o")

    feeds = {"x": np.array([-1, 1e9], np.float32)}
    graph = frozen(build, "o")
    assert emulated(graph, feeds, scales=NONE).tolist() == [1 + 2.0**-10, 65504]
    assert emulated(graph, feeds, "int8-fp32", scales=NONE).tolist() == [np.float32(1 + 2.0**-11), 1e9]


def test_stock_tensorflow_is_what_modelled_elementwise_operators_are_at_fp32():
    def build(tf):
        x = placeholder(tf)
        tf.math.squared_difference(tf.sqrt(tf.abs(x)) / 3.0, x * x - 0.2, name="o")

    from conformance.graph.execution import GraphRunner

    graph = frozen(build, "o")
    stock = GraphRunner(graph, ["o"])({"x": X})["o"]
    assert same_bits(emulated(graph, {"x": X}, "int8-fp32", scales=NONE), stock)


def test_the_device_describes_itself_and_opens_sessions():
    device = EmulatorDevice(profile("mlu270,tanh=table-64"))
    assert isinstance(device, Device)
    info = device.info()
    assert (info.kind, info.model, info.simulated) == ("emulator", "MLU270", True)
    assert info.profile == "mlu270,tanh=table-64"
    assert info.framework.startswith("tensorflow 2")

    def build(tf):
        tf.add(placeholder(tf), 1.0, name="o")

    session = device.open(frozen(build, "o"), ["o"], precision=parse_precision("int8-fp16"), scales=NONE)
    assert isinstance(session, Session)
    with session:
        first = session.run({"x": X})
        assert session.device_seconds > 0
        assert first["o"].dtype == np.float32
        assert same_bits(first["o"], halves(halves(X) + 1)) or are_halves(first["o"])
    session.close()
    device.close()
