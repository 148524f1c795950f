"""What operators sum: numbers and words by hand, and numbers by summing ones with TensorFlow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import ROOT, frozen, placeholder

from conformance.graph.dataflow import tensor_types
from conformance.graph.execution import GraphRunner
from conformance.graph.operators import FIXED_POINT, REDUCTIONS
from conformance.graph.sums import static_shapes, sum_of
from conformance.networks import Network


def ones(*shape):
    return np.ones(shape, np.float32)


def found(build):
    graph = frozen(build, "o")
    return graph, sum_of(graph, "o", static_shapes(tensor_types(graph)))


def image(tf, *shape):
    return placeholder(tf, shape=shape or (None, 16, 12, 6))


def batch(tf, shape=(2, 3, 5, 4)):
    return placeholder(tf, shape=shape)


CASES = {
    "Conv2D 7x7, 294 terms": lambda tf: tf.nn.conv2d(image(tf), ones(7, 7, 6, 2), 2, "SAME", name="o"),
    "Conv2D 3x1, 9 terms": lambda tf: tf.nn.conv2d(image(tf), ones(3, 1, 3, 4), 1, "SAME", name="o"),
    "Conv2D 1x1, 1 term": lambda tf: tf.nn.conv2d(
        image(tf, 1, 4, 4, 1), ones(1, 1, 1, 4), 1, "SAME", name="o"
    ),
    "DepthwiseConv2dNative 3x5, 15 terms": lambda tf: tf.compat.v1.nn.depthwise_conv2d_native(
        image(tf), ones(3, 5, 6, 2), [1, 1, 1, 1], "SAME", name="o"
    ),
    "Conv3D 2x3x4, 120 terms": lambda tf: tf.nn.conv3d(
        image(tf, 1, 8, 8, 8, 5), ones(2, 3, 4, 5, 2), [1] * 5, "SAME", name="o"
    ),
    "Conv2DBackpropInput 4x4, 96 terms": lambda tf: tf.nn.conv2d_transpose(
        image(tf, 1, 16, 12, 6), ones(4, 4, 3, 6), (1, 16, 12, 3), 1, "SAME", name="o"
    ),
    "MatMul, 20 terms": lambda tf: tf.matmul(image(tf, None, 20), ones(20, 7), name="o"),
    "MatMul, 7 terms": lambda tf: tf.matmul(
        image(tf, 7, None), ones(20, 7), transpose_a=True, transpose_b=True, name="o"
    ),
    "MatMul, 21 terms": lambda tf: tf.matmul(image(tf, None, None), ones(21, 7), name="o"),
    "MatMul, an unknown number of terms": lambda tf: tf.matmul(
        image(tf, 7, None), placeholder(tf, "y", (None, 7)), name="o"
    ),
    "BatchMatMulV2, 4 terms": lambda tf: tf.matmul(batch(tf), ones(2, 3, 4, 9), name="o"),
    "BatchMatMulV2, 5 terms": lambda tf: tf.matmul(
        batch(tf), ones(2, 3, 9, 5), adjoint_a=True, adjoint_b=True, name="o"
    ),
    "Mean over 192 elements (axes 1, 2)": lambda tf: tf.reduce_mean(image(tf), [1, 2], name="o"),
    "Sum over 6 elements (axis 3)": lambda tf: tf.reduce_sum(image(tf), -1, name="o"),
    "Max over 1 element (axis 0)": lambda tf: tf.reduce_max(image(tf, 1, 5), 0, name="o"),
    "Min over 24 elements (axes 0, 1, 2)": lambda tf: tf.reduce_min(image(tf, 2, 3, 4), name="o"),
    "Prod over an unknown number of elements (axes 0, 1)": lambda tf: tf.reduce_prod(
        image(tf, None, 3), [1, 0], name="o"
    ),
    "Mean over 1 element": lambda tf: tf.raw_ops.Mean(
        input=image(tf), axis=tf.constant([], tf.int32), name="o"
    ),
    "Sum over an unknown number of elements": lambda tf: tf.reduce_sum(
        image(tf), placeholder(tf, "axes", (2,), "int32"), name="o"
    ),
    "Softmax over 10 elements (axis 1)": lambda tf: tf.nn.softmax(image(tf, None, 10), name="o"),
    "LogSoftmax over 10 elements (axis 1)": lambda tf: tf.nn.log_softmax(image(tf, 1, 10), name="o"),
    "MaxPool 3x2 over 6 elements": lambda tf: tf.nn.max_pool2d(image(tf), (3, 2), 2, "VALID", name="o"),
    "AvgPool 2x2 over 4 elements": lambda tf: tf.nn.avg_pool2d(
        image(tf, 1, 6, 8, 8), 2, 2, "VALID", "NCHW", name="o"
    ),
    "AvgPool3D 2x2x3 over 12 elements": lambda tf: tf.nn.avg_pool3d(
        image(tf, 1, 4, 4, 6, 2), (2, 2, 3), 1, "VALID", name="o"
    ),
    "MaxPoolV2 2x3 over 6 elements": lambda tf: tf.raw_ops.MaxPoolV2(
        input=image(tf),
        ksize=tf.constant([1, 2, 3, 1]),
        strides=tf.constant([1] * 4),
        padding="VALID",
        name="o",
    ),
    "MaxPoolV2 ?x? over an unknown number of elements": lambda tf: tf.raw_ops.MaxPoolV2(
        input=image(tf),
        ksize=placeholder(tf, "size", (4,), "int32"),
        strides=tf.constant([1] * 4),
        padding="VALID",
        name="o",
    ),
}


@pytest.mark.parametrize("words", CASES)
def test_in_words(words):
    assert str(found(CASES[words])[1]) == words


def test_unknown_rank():
    _, summed = found(lambda tf: tf.reduce_mean(placeholder(tf, shape=None), [1, 2], name="o"))
    assert str(summed) == "Mean over an unknown number of elements (axes 1, 2)"


def test_a_window_is_no_larger_than_what_it_slides_over():
    _, summed = found(lambda tf: tf.nn.avg_pool2d(image(tf, 1, 3, 5, 2), (9, 4), 1, "SAME", name="o"))
    assert summed.numbers == 3 * 4
    assert summed.window == (9, 4)


def test_shapes_may_be_given():
    """What static shapes leave open, the shapes of one run tell: of tensors, and of axes by the result."""
    shapes = {"x": (2, 5, 7), "y": (7, 3), "axes": (2,), "o": (2,)}

    def build(tf):
        tf.reduce_sum(placeholder(tf, shape=None), placeholder(tf, "axes", (2,), "int32"), name="o")

    graph = frozen(build, "o")
    assert sum_of(graph, "o", static_shapes(tensor_types(graph))).numbers is None
    assert sum_of(graph, "o", shapes.get).numbers == 35


def test_a_filter_of_unknown_shape():
    _, summed = found(lambda tf: tf.nn.conv2d(image(tf), placeholder(tf, "w", None), 1, "SAME", name="o"))
    assert str(summed) == "Conv2D, an unknown number of terms"


def largest_of_ones(build):
    """Return the largest output where all inputs and filters are ones: how many terms were summed."""
    graph, summed = found(build)
    feeds = {
        name: np.ones([dim.size for dim in graph.nodes[name].attr["shape"].shape.dim], np.float32)
        for name in graph.inputs
    }
    return GraphRunner(graph, ["o"])(feeds)["o"].max(), summed.numbers


SIZE = st.integers(1, 4)


@given(window=st.tuples(SIZE, SIZE), channels=SIZE, groups=st.integers(1, 2))
@settings(max_examples=15, deadline=None)
def test_a_convolution_of_ones(window, channels, groups):
    def build(tf):
        x = image(tf, 1, 6, 6, channels * groups)
        tf.nn.conv2d(x, ones(*window, channels, groups), 1, "VALID", name="o")

    largest, terms = largest_of_ones(build)
    assert largest == terms


@given(rows=SIZE, length=SIZE, turned=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=15, deadline=None)
def test_a_product_of_matrices_of_ones(rows, length, turned):
    def build(tf):
        left, right = (rows, length), (length, 3)
        tf.matmul(
            image(tf, *(left[::-1] if turned[0] else left)),
            ones(*(right[::-1] if turned[1] else right)),
            *turned,
            name="o",
        )

    largest, terms = largest_of_ones(build)
    assert largest == terms


@given(shape=st.lists(SIZE, min_size=1, max_size=4), data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_sum_of_ones(shape, data):
    rank = len(shape)
    axes = data.draw(st.lists(st.integers(-rank, rank - 1), unique_by=lambda axis: axis % rank))

    def build(tf):
        tf.raw_ops.Sum(input=image(tf, *shape), axis=tf.constant(axes, tf.int32), name="o")

    largest, elements = largest_of_ones(build)
    assert largest == elements


def test_every_fixed_point_operator_and_reduction_of_beautygan_is_counted():
    graph = Network(ROOT / "fixtures/networks/beautygan").graph
    shape_of = static_shapes(tensor_types(graph))
    sums = [
        sum_of(graph, node.name, shape_of)
        for node in graph.nodes.values()
        if node.op in FIXED_POINT | REDUCTIONS
    ]
    means = [entry.numbers for entry in sums if entry.op == "Mean"]
    assert {number: means.count(number) for number in means} == {65536: 6, 16384: 6, 4096: 28}
    assert {entry.axes for entry in sums if entry.op == "Mean"} == {(1, 2)}
    convolutions = [entry for entry in sums if entry.op == "Conv2D"]
    assert [entry.numbers for entry in convolutions[:3]] == [147, 288, 576]
    assert str(convolutions[-1]) == "Conv2D 7x7, 1568 terms"
    assert len(convolutions) == 21
