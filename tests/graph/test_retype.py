"""Retyping to float64: what has a kernel computes in float64, the rest keeps float32 between two casts."""

import numpy as np
from support.emulation import frozen, in_float64, placeholder

from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import cpu_kernel_types, tensorflow
from conformance.graph.retype import input_types, output_types, to_float64

X = np.random.default_rng(1).standard_normal((1, 4, 6, 3)).astype(np.float32)


def dtypes(graph):
    """Return TensorFlow's names of the dtypes of every node's outputs."""
    tf = tensorflow()
    return {
        node.name: [tf.as_dtype(dtype).name for dtype in output_types(node)] for node in graph.nodes.values()
    }


def test_every_float_becomes_double_and_nothing_else_changes():
    def build(tf):
        x = placeholder(tf, shape=(1, 4, 6, 3))
        y = tf.nn.conv2d(x, X[0, :3, :3, :, None], 1, "SAME", name="conv")
        index = tf.argmax(y, 2, name="index")
        tf.add(tf.reduce_mean(y, [1, 2]), tf.cast(tf.reduce_max(index), tf.float32), name="o")

    graph = frozen(build, "o")
    wide, kept = to_float64(graph)
    assert kept == ()
    assert list(wide.nodes) == list(graph.nodes)
    found = dtypes(wide)
    assert found["conv"] == found["x"] == found["o"] == ["float64"]
    assert found["index"] == ["int64"]
    changed = {name for name, kinds in dtypes(graph).items() if kinds != found[name]}
    assert changed == {name for name, kinds in found.items() if kinds == ["float64"]}


def test_it_is_float64_arithmetic_and_not_float32_in_disguise():
    graph = frozen(lambda tf: tf.subtract(tf.add(placeholder(tf, shape=(1,)), 1e9), 1e9, name="o"), "o")
    assert in_float64(graph, {"x": [1.25]})["o"].tolist() == [1.25]
    assert GraphRunner(graph, ["o"])({"x": [1.25]})["o"].tolist() == [0]


def test_operators_without_a_float64_kernel_stay_between_casts():
    def build(tf):
        x = placeholder(tf, shape=(1, 4, 6, 3))
        ones = np.ones(3, np.float32)
        with tf.control_dependencies([x]):
            norm = tf.raw_ops.FusedBatchNormV3(
                x=x, scale=ones, offset=ones, mean=[], variance=[], name="norm"
            )
        pooled = tf.raw_ops.AvgPool3D(
            input=norm.y[None], ksize=[1, 1, 3, 3, 1], strides=[1] * 5, padding="SAME", name="pool"
        )
        tf.add(pooled + norm.batch_mean, norm.batch_variance, name="o")

    graph = frozen(build, "o")
    wide, kept = to_float64(graph)
    assert kept == ("norm", "pool")
    found = dtypes(wide)
    assert found["norm/float32"][0] == found["pool/float32"][0] == "float32"
    assert found["norm"] == found["norm/output_1"] == found["o"] == ["float64"]
    wanted = GraphRunner(graph, ["o"])({"x": X})["o"]
    np.testing.assert_allclose(in_float64(graph, {"x": X})["o"], wanted, rtol=1e-5)


def test_outputs_that_are_no_floats_are_handed_on():
    def build(tf):
        x = placeholder(tf, shape=(4,))
        unique = tf.raw_ops.Unique(x=x, out_idx=tf.int32, name="unique")
        picture = tf.raw_ops.NonMaxSuppressionV5(
            boxes=tf.stack([x, x, x + 1, x + 1], 1),
            scores=x,
            max_output_size=2,
            iou_threshold=0.5,
            score_threshold=0.0,
            soft_nms_sigma=0.0,
            name="suppressed",
        )
        tf.add(tf.cast(unique.idx, tf.float32), tf.reduce_sum(picture.selected_scores), name="o")
        tf.cast(picture.selected_indices, tf.float32, name="p")

    graph = frozen(build, "o", "p")
    feeds = {"x": [3.0, 1.0, 3.0, 2.0]}
    _, kept = to_float64(graph)
    assert "suppressed" in kept
    wanted = GraphRunner(graph, ["o", "p"])(feeds)
    found = in_float64(graph, feeds)
    assert found["o"].tolist() == wanted["o"].tolist()
    assert found["p"].tolist() == wanted["p"].tolist()


def test_attributes_that_files_leave_out_have_their_defaults():
    graph = frozen(lambda tf: tf.raw_ops.LeakyRelu(features=placeholder(tf, shape=(3,)), name="o"), "o")
    node = graph.nodes["o"]
    node.attr.pop("T")
    assert input_types(node) == output_types(node) == [tensorflow().float32.as_datatype_enum]
    assert dtypes(to_float64(graph)[0])["o"] == ["float64"]


def test_lists_of_tensors_keep_their_element_type():
    """A variant does not say what it holds, so nothing that touches one may change its type."""

    def build(tf):
        tf.identity(
            tf.scan(lambda state, x: state * 0.5 + x, placeholder(tf, shape=(5, 3), name="y")), name="p"
        )

    graph = frozen(build, "p")
    y = np.arange(15).reshape(5, 3)
    state, wanted = y[0] * 1.0, [y[0] * 1.0]
    for row in y[1:]:
        state = state * 0.5 + row
        wanted.append(state)
    np.testing.assert_allclose(in_float64(graph, {"y": y})["p"], wanted, rtol=1e-6)


def test_kernels_for_every_device_count_as_kernels_of_the_cpu():
    assert any(
        tensorflow().float64.as_datatype_enum in kinds["T"] for kinds in cpu_kernel_types("NextIteration")
    )
    assert cpu_kernel_types("NoSuchOperator") == ()
