"""An Einsum that is a matmul in disguise is written as one; NumPy's einsum is the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import frozen, in_float64, naive_scales, placeholder, run

from conformance.graph.einsums import contraction, with_plain_einsums
from conformance.graph.execution import GraphRunner
from conformance.numerics.fixed_point import quantize

ATTENTION = [
    ("abc,cde->abde", (2, 5, 6), (6, 3, 4)),  # a projection to heads
    ("aecd,abcd->acbe", (2, 5, 3, 4), (2, 7, 3, 4)),  # scores
    ("acbe,aecd->abcd", (2, 3, 7, 5), (2, 5, 3, 4)),  # their values
    ("abcd,cde->abe", (2, 5, 3, 4), (3, 4, 6)),  # the projection back
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,kj->ki", (3, 4), (5, 4)),
]
RANDOM = np.random.default_rng(2)


def einsum(equation, left, right, *, shape=None, constant=True):
    """Return the graph of an Einsum of an input with a constant, or with a second input."""

    def build(tf):
        x = placeholder(tf, "x", shape or left.shape)
        y = tf.constant(right, name="w") if constant else placeholder(tf, "y", right.shape)
        tf.raw_ops.Einsum(inputs=[x, y], equation=equation, name="o")

    return frozen(build, "o")


def operands(*shapes):
    return [RANDOM.normal(0, 1, shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("constant", [True, False], ids=["constant", "input"])
@pytest.mark.parametrize(("equation", "left", "right"), ATTENTION)
def test_the_equations_of_attention(equation, left, right, constant):
    x, y = operands(left, right)
    graph = einsum(equation, x, y, constant=constant)
    plain = with_plain_einsums(graph)
    feeds = {"x": x} if constant else {"x": x, "y": y}
    assert "Einsum" not in {node.op for node in plain.nodes.values()}
    wanted = np.einsum(equation, x.astype(np.float64), y.astype(np.float64))
    np.testing.assert_allclose(in_float64(plain, feeds)["o"], wanted, rtol=1e-12, atol=1e-12)
    assert run(plain, feeds)[1] == (), "everything is modelled"


@pytest.mark.parametrize(("equation", "left", "right"), ATTENTION)
def test_it_is_computed_in_fixed_point(equation, left, right):
    x, y = operands(left, right)
    graph = with_plain_einsums(einsum(equation, x, y).prune(["o"]))
    scales = naive_scales(graph, {"x": x}, 8)
    (product,) = [name.removesuffix("/input") for name in scales.scales if name.endswith("/input")]
    factors = [scales.scales[f"{product}/{which}"] for which in ("input", "filter")]
    integers = [quantize(value, np.float32(factor), 8) for value, factor in zip((x, y), factors, strict=True)]
    divisor = np.float64(np.float32(factors[0])) * np.float64(np.float32(factors[1]))
    wanted = (np.einsum(equation, *integers) / divisor).astype(np.float32)
    found = run(graph, {"x": x}, "int8-fp32", scales=scales)[0]["o"]
    assert np.array_equal(found, wanted)


@settings(max_examples=40, deadline=None)
@given(st.permutations("abcde"), st.permutations("abcde"), st.permutations("abcd"), st.integers(0, 2))
def test_any_matmul(left, right, result, batch):
    """Of five axes, up to two are of both and stay, one is summed, the others are of one operand each."""
    stays, (summed, row, *columns) = result[:batch], ["e", *result[batch:]]
    left = "".join(axis for axis in left if axis in (*stays, summed, row))
    right = "".join(axis for axis in right if axis in (*stays, summed, *columns))
    equation = f"{left},{right}->{''.join(result)}"
    lengths = dict(zip("abcde", (2, 3, 4, 5, 6), strict=True))
    x, y = operands(*([lengths[axis] for axis in each] for each in (left, right)))
    plain = with_plain_einsums(einsum(equation, x, y, constant=False))
    assert contraction(equation) is not None
    assert "Einsum" not in {node.op for node in plain.nodes.values()}
    found = GraphRunner(plain, ["o"])({"x": x, "y": y})["o"]
    np.testing.assert_allclose(found, np.einsum(equation, x, y), rtol=1e-4, atol=1e-4)


def test_a_constant_that_stands_first_is_the_filter():
    x, w = operands((4, 5), (3, 4))

    def build(tf):
        inputs = [tf.constant(w, name="w"), placeholder(tf, shape=x.shape)]
        tf.raw_ops.Einsum(inputs=inputs, equation="ij,jk->ik", name="o")

    plain = with_plain_einsums(frozen(build, "o"))
    (product,) = [node for node in plain.nodes.values() if node.op == "MatMul"]
    assert plain.constant(product.input[1]) is not None
    np.testing.assert_allclose(GraphRunner(plain, ["o"])({"x": x})["o"], w @ x, rtol=1e-5)


def test_one_length_may_be_unknown():
    x, w = operands((2, 5, 6), (6, 3, 4))
    plain = with_plain_einsums(einsum("abc,cde->abde", x, w, shape=(None, 5, 6)))
    assert "Einsum" not in {node.op for node in plain.nodes.values()}
    found = GraphRunner(plain, ["o"])({"x": x})["o"]
    np.testing.assert_allclose(found, np.einsum("abc,cde->abde", x, w), rtol=1e-4, atol=1e-5)


def test_what_is_not_known_stays_as_it_is():
    x, w = operands((2, 5, 6), (6, 3, 4))
    graph = einsum("abc,cde->abde", x, w, shape=(None, None, 6))
    assert [node.op for node in with_plain_einsums(graph).nodes.values()].count("Einsum") == 1


@pytest.mark.parametrize(
    "equation", ["ij->ji", "ii,ij->ij", "ij,jk->i", "...j,jk->...k", "i,j->ij", "ij,ij->ij"]
)
def test_what_is_no_matmul(equation):
    assert contraction(equation) is None


def test_the_matmul_has_its_name_and_a_graph_without_any_is_left_alone():
    x, w = operands((3, 4), (4, 5))
    assert with_plain_einsums(einsum("ij,jk->ik", x, w)).nodes["o"].op == "MatMul"
    graph = frozen(lambda tf: tf.tanh(placeholder(tf), name="o"), "o")
    assert with_plain_einsums(graph) is graph
