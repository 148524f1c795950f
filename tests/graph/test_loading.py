"""Large constants are handed to TensorFlow once, and widened right before they are first read."""

import gc
import weakref

import numpy as np
import pytest
from support.emulation import frozen, placeholder, same_bits

from conformance.graph.constants import on_own_pages
from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.loading import importable, tensor_of
from conformance.graph.retype import to_float64

WEIGHTS = np.random.default_rng(7).normal(size=(30, 30)).astype(np.float32)
X = np.random.default_rng(8).normal(size=(2, 30)).astype(np.float32)


def build(tf):
    x = placeholder(tf, shape=(None, 30))
    weights = tf.constant(WEIGHTS, name="weights")
    read = tf.identity(weights, name="read")
    first = tf.tanh(tf.matmul(tf.exp(x, name="exp"), read, name="first"), name="bent")
    tf.add(tf.matmul(first, weights, transpose_b=True, name="second"), tf.reduce_sum(read), name="o")


def test_an_array_is_one_tensor_as_long_as_it_lives():
    array = np.arange(500, dtype=np.float32)
    array.flags.writeable = False
    assert tensor_of(array) is tensor_of(array)
    other = array[::-1]
    assert tensor_of(array) is not tensor_of(other)
    tensor = weakref.ref(tensor_of(array))
    del array, other
    gc.collect()
    assert tensor() is None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("start", [0, 3])
def test_an_array_in_a_file_is_read_where_it_lies(tmp_path, dtype, start):
    kind = tensorflow().as_dtype(dtype).as_numpy_dtype
    np.save(tmp_path / "array.npy", np.arange(1200).astype(np.int8))
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    width = np.dtype(kind).itemsize
    array = mapped[start * width : 1152 + start * width].view(kind).reshape(3, -1)
    tensor = tensor_of(array)
    assert same_bits(tensor.numpy(), np.asarray(array))
    if dtype != "bfloat16":
        assert np.shares_memory(np.asarray(memoryview(tensor)), mapped) == (start == 0)
    alive = weakref.ref(tensor)
    del array, mapped, tensor
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("kind", [np.int8, np.float16, np.float32])
def test_an_array_on_its_own_pages_is_there_once(kind):
    array = (np.arange(2**17) % 100).astype(kind).reshape(2, -1)
    placed = on_own_pages(array)
    assert same_bits(placed, array)
    tensor = tensor_of(placed)
    assert np.shares_memory(np.asarray(memoryview(tensor)), placed)
    with pytest.raises(ValueError, match="read-only"):
        placed[0, 0] = 1
    alive = weakref.ref(tensor)
    del placed, tensor
    gc.collect()
    assert alive() is None
    small = np.arange(9)
    assert on_own_pages(small) is small


def test_an_array_that_is_not_row_by_row():
    array = np.asarray(memoryview(WEIGHTS)).T
    assert tensor_of(array).numpy().tolist() == WEIGHTS.T.tolist()
    assert tensor_of(WEIGHTS).numpy().tolist() == WEIGHTS.tolist()


def test_graphs_that_are_made_from_each_other_share_their_arrays():
    graph = frozen(build, "o")
    (array,) = graph.arrays.values()
    assert not array.flags.writeable
    for other in (graph.prune(["bent"]), to_float64(graph)[0], graph.replaced(graph.nodes.values())):
        assert other.arrays["weights"] is array
    assert graph.prune(["exp"]).arrays == {}


def test_no_content_of_a_large_constant_goes_through_the_importer():
    for graph in (frozen(build, "o"), to_float64(frozen(build, "o"))[0]):
        graph_def, arrays = importable(graph)
        assert graph_def.ByteSize() < WEIGHTS.nbytes / 2
        assert {id(array) for array in arrays.values()} == {id(array) for array in graph.arrays.values()}


def test_a_wide_constant_waits_for_what_is_read_with_it():
    graph_def, arrays = importable(to_float64(frozen(build, "o"))[0])
    nodes = {node.name: node for node in graph_def.node}
    assert nodes["weights"].op == "Cast"
    assert list(nodes["weights"].input) == ["weights/stored", "^exp"]
    assert list(arrays) == ["weights/stored:0"]


def test_the_values_are_those_of_a_graph_that_holds_its_constants():
    wide, _ = to_float64(frozen(build, "o"))
    x = X.astype(np.float64)
    weights = WEIGHTS.astype(np.float64)
    expected = np.tanh(np.exp(x) @ weights) @ weights.T + weights.sum()
    names = ["weights", "read", "o"]  # a constant itself can be asked for
    found = GraphRunner(wide, names)({"x": X})
    assert np.array_equal(found["weights"], weights)
    assert np.array_equal(found["read"], weights)
    np.testing.assert_allclose(found["o"], expected, rtol=1e-12)
    assert np.array_equal(
        GraphRunner(frozen(build, "o").prune(["weights"]), ["weights"])({})["weights"], WEIGHTS
    )


def test_a_constant_inside_a_loop_of_tensorflow_1_keeps_its_content():
    def looped(tf):
        x = placeholder(tf, shape=(30,))

        def body(index, total):
            return index + 1, total + tf.constant(WEIGHTS[0].repeat(10)[:300], name="step")[:30]

        tf.compat.v1.disable_control_flow_v2()
        _, total = tf.compat.v1.while_loop(lambda index, _: index < 3, body, [tf.constant(0), x])
        tf.compat.v1.enable_control_flow_v2()
        tf.identity(total, name="o")

    graph = frozen(looped, "o")
    (name,) = graph.arrays
    assert graph.nodes[name].input, "it waits for the loop"
    found = GraphRunner(graph, ["o"])({"x": X[0]})["o"]
    np.testing.assert_allclose(found, X[0] + 3 * WEIGHTS[0].repeat(10)[:30], rtol=1e-6)
