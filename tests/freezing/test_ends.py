"""The last float nodes of a graph, and the first float tensors after what takes no numbers."""

import numpy as np
import pytest
from support.refusals import refused
from support.saved_checkpoints import tf1_graph

from conformance.errors import UsageError
from conformance.freezing.ends import MOST, check_numbers, floats_after, last_floats
from conformance.freezing.freeze import Request, freeze
from conformance.freezing.reachable import loose
from conformance.graph.lazy_tensorflow import tensorflow


def graph_of(build):
    with tf1_graph() as graph:
        build(tensorflow())
    return loose(graph.as_graph_def(), "model.pb")


def fed(tf, name="x", dtype="float32", shape=(None, 4)):
    return tf.compat.v1.placeholder(dtype, shape, name=name)


def two_heads(tf):
    hidden = tf.nn.relu(fed(tf), name="hidden")
    tf.nn.softmax(hidden, name="classes")
    tf.tanh(hidden, name="boxes")
    tf.constant(3.0, name="unused")


def shown_only(tf):
    """A class number and an assertion are read from the last float."""
    classes = tf.nn.softmax(fed(tf), name="classes")
    tf.argmax(classes, 1, name="number")
    with tf.control_dependencies([tf.compat.v1.assert_non_negative(classes)]):
        tf.constant(0, name="done")


def read_through_numbers(tf):
    """The first float is read by the last one through integers."""
    first = tf.multiply(fed(tf), 2.0, name="first")
    tf.cast(tf.argmax(first, 1), tf.float32, name="last")


def loop(tf):
    x = fed(tf, shape=(4,))
    turned = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * 0.5), [0, x])[1]
    tf.negative(turned, name="out")


def defaulted(tf):
    tf.multiply(fed(tf), tf.compat.v1.placeholder_with_default(0.5, (), name="rate"), name="out")


@pytest.mark.parametrize(
    ("build", "outputs"),
    [
        (two_heads, ["classes", "boxes"]),
        (shown_only, ["classes"]),
        (read_through_numbers, ["last"]),
        (loop, ["out"]),
        (defaulted, ["out"]),
    ],
)
def test_the_last_floats(build, outputs):
    assert last_floats(graph_of(build)) == outputs


def test_the_last_floats_of_some_inputs_alone():
    def build(tf):
        tf.negative(fed(tf, "a"), name="of_a")
        tf.negative(fed(tf, "b"), name="of_b")

    assert last_floats(graph_of(build)) == ["of_a", "of_b"]
    assert last_floats(graph_of(build), ["b"]) == ["of_b"]


def test_no_float_at_all():
    with refused(r"model.pb has no float node that depends on an input; name its"):
        last_floats(graph_of(lambda tf: tf.argmax(fed(tf), 1)))


def test_too_many_to_be_meant():
    def build(tf):
        x = fed(tf)
        for index in range(MOST + 1):
            tf.negative(x, name=f"n{index}")

    with refused(rf"{MOST + 1} float nodes that no other reads, such as n18, n19, n20"):
        last_floats(graph_of(build))


def decoded(tf):
    texts = fed(tf, "texts", tf.string, (None,))
    numbers = tf.io.decode_raw(texts, tf.uint8, name="bytes")
    pixels = tf.cast(tf.reshape(numbers, [-1, 4], name="rows"), tf.float32, name="pixels")
    tf.tanh(pixels, name="out")


def test_the_first_floats_after_strings():
    assert floats_after(graph_of(decoded), ["texts"]) == ["pixels"]
    with pytest.raises(
        UsageError,
        match=r"reads strings from placeholder 'texts', and .* with --input NODE, such as --input pixels$",
    ):
        check_numbers(graph_of(decoded))


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int64", "bool"])
def test_placeholders_of_numbers(dtype):
    check_numbers(graph_of(lambda tf: tf.cast(fed(tf, dtype=dtype), tf.float32)))


def piped(tf):
    data = tf.data.Dataset.from_tensors({"label": np.int64([1, 2]), "picture": np.ones((2, 4), np.float32)})
    entry = tf.compat.v1.data.make_one_shot_iterator(data).get_next()
    tf.add(tf.tanh(entry["picture"]), tf.cast(entry["label"][:, None], tf.float32, name="number"), name="out")


def test_the_first_floats_of_an_iterator(tmp_path):
    graph = graph_of(piped)
    assert last_floats(graph) == ["out"]
    assert floats_after(graph, ["OneShotIterator"]) == ["IteratorGetNext:1", "number"]
    path = tmp_path / "piped.pb"
    path.write_bytes(graph.copied_graph_def().SerializeToString())
    with refused(r"such as --input IteratorGetNext:1 or --input number, or choose other outputs"):
        freeze(path, Request([]))
    frozen = freeze(path, Request([], inputs=["IteratorGetNext:1", "number"]))
    assert sorted(frozen.graph.inputs) == ["IteratorGetNext_1", "number"]
    assert frozen.types["IteratorGetNext_1"][0].shape == (2, 4)


def test_a_cut_tensor_has_the_shape_that_is_inferred(tmp_path):
    path = tmp_path / "decoded.pb"
    path.write_bytes(graph_of(decoded).copied_graph_def().SerializeToString())
    frozen = freeze(path, Request([], inputs=["pixels"]))
    assert frozen.graph.inputs == ("pixels",)
    assert frozen.types["pixels"][0].shape == (None, 4)
