"""Bounds of random masks are bounds: no number that TensorFlow computes lies outside of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.freezing.dropout import bounds, without_idle_dropout
from conformance.freezing.reachable import constant_node, loose
from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import tensorflow

NUMBERS = st.sampled_from([-1.0, 0.0, 0.1, 0.2, 0.30000001, 0.5, 0.99999994, 1.0, 1.0000001, 2.0, 60000.0])
DRAWS = 512


class Writer:
    """Builds a random expression of the operators that masks are made of."""

    def __init__(self, draw, dtype):
        self.tf, self.draw, self.dtype = tensorflow(), draw, dtype

    def expression(self, depth):
        kind = self.draw(st.sampled_from(["constant", "random"] if depth == 0 else list(self.kinds)))
        return self.kinds[kind](self, depth - 1)

    def constant(self, _):
        return self.tf.constant(self.draw(NUMBERS), self.dtype)

    def random(self, _):
        return self.tf.raw_ops.RandomUniform(shape=[DRAWS], dtype=self.dtype, seed=1, seed2=2)

    def of_two(self, depth):
        operator = self.draw(st.sampled_from([self.tf.add, self.tf.subtract, self.tf.multiply]))
        return operator(self.expression(depth), self.expression(depth))

    def floor(self, depth):
        return self.tf.floor(self.expression(depth))

    def compared(self, depth):
        return self.tf.cast(self.expression(depth) >= self.expression(depth), self.dtype)

    kinds = {"constant": constant, "random": random, "two": of_two, "floor": floor, "compared": compared}  # noqa: RUF012


@settings(max_examples=60, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(["float32", "float16", "bfloat16", "float64"]))
def test_no_number_lies_outside(data, dtype):
    tf = tensorflow()
    with tf.Graph().as_default() as graph:
        tf.identity(Writer(data.draw, tf.as_dtype(dtype)).expression(3), name="out")
    whole = loose(graph.as_graph_def(), "expression")
    found = bounds(whole).get("out")
    if found is None:
        return
    value = GraphRunner(whole, ["out"])({})["out"]
    assert (value >= found.low).all()
    assert (value < found.high).all() if found.below else (value <= found.high).all()


def of(build):
    tf = tensorflow()
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (DRAWS,), name="x")
        u = tf.compat.v1.random_uniform((DRAWS,))
        tf.identity(build(tf, x, u), name="out")
    return without_idle_dropout(loose(graph.as_graph_def(), "graph"))[1]


@pytest.mark.parametrize(
    ("build", "idle"),
    [
        (lambda tf, x, u: x * tf.floor(1.0 + u), True),
        (lambda tf, x, u: tf.floor(u + 1.0) * x, True),
        (lambda tf, x, u: x * tf.cast(u >= 0.0, tf.float32), True),
        (lambda tf, x, u: tf.where(u >= 0.0, x, 0.0), True),
        (lambda tf, x, u: x * tf.floor(1.0000001 + u), False),  # rounds up to 2 for some
        (lambda tf, x, u: x * tf.floor(0.99999994 + u), False),
        (lambda tf, x, u: x * tf.floor(2.0 + u), False),
        (lambda tf, x, u: x * (tf.floor((u + 1.0) + 1.0) - 1.0), False),  # the second sum may round up to 3
        (lambda tf, x, u: x * tf.cast(u >= 1e-7, tf.float32), False),
        (lambda tf, x, u: x * tf.cast(u * u >= u, tf.float32), False),
        (lambda tf, x, u: x[:1] * tf.floor(1.0 + u), False),  # the mask spreads it
        (lambda tf, x, u: x[0] * tf.floor(1.0 + u), False),
        (lambda tf, x, u: tf.where(u >= 0.0, x[0], 0.0), False),
        (lambda tf, x, u: x * (u + 1.0), False),  # noqa: ARG005 - as the others
        (lambda tf, x, u: x * tf.ones(DRAWS), False),  # noqa: ARG005 - no random numbers
        (lambda tf, x, u: x * tf.floor(x + 1.0), False),  # noqa: ARG005 - no random numbers
    ],
)
def test_masks(build, idle):
    assert bool(of(build)) == idle


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_constants_have_the_bytes_that_they_were_given(data):
    tf = tensorflow()
    dtype = tf.as_dtype(
        data.draw(st.sampled_from(["float32", "float16", "bfloat16", "float64", "int8", "int64"]))
    )
    shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    size = int(np.prod(shape)) * dtype.size
    raw = data.draw(st.binary(min_size=size, max_size=size))
    value = np.frombuffer(raw, dtype.as_numpy_dtype).reshape(shape)
    node = constant_node("c", value)
    assert tf.make_ndarray(node.attr["value"].tensor).tobytes() == raw
    assert tf.make_ndarray(node.attr["value"].tensor).shape == shape
