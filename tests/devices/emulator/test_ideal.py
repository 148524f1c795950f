"""The ideal profile computes exactly and rounds once; the oracle is float64 TensorFlow rounded by NumPy."""

import numpy as np
import pytest
from support.emulation import frozen, halves, placeholder, run, same_bits

from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import ELEMENTWISE, REDUCTIONS, known

SHAPE = (2, 6, 5, 4)
FEATURES = ["Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Softplus", "Softsign"]
"""Operators that call their input so."""
UNARY = [
    *FEATURES,
    *(
        "Abs",
        "Atan",
        "Ceil",
        "Cos",
        "Erf",
        "Erfc",
        "Exp",
        "Expm1",
        "Floor",
        "Inv",
        "Log",
        "Log1p",
        "Neg",
        "Reciprocal",
        "Rint",
        "Round",
        "Rsqrt",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sqrt",
        "Square",
        "Tanh",
    ),
]
BINARY = ["Add", "AddV2", "BiasAdd", "Div", "DivNoNan", "Maximum", "Minimum", "Mul", "Pow", "RealDiv"]
BINARY += ["SquaredDifference", "Sub"]
POSITIVE = {"Log", "Log1p", "Pow", "Rsqrt", "Sqrt"}


def sample(op, seed, shape=SHAPE):
    values = np.random.default_rng(seed).standard_normal(shape) * 2
    values = np.abs(values) + 0.01 if op in POSITIVE else values
    return values.astype(np.float32)


def apply(tf, op, x, y):
    """Apply an elementwise operator of TensorFlow to one or two tensors."""
    raw = getattr(tf.raw_ops, op)
    if op == "AddN":
        return raw(inputs=[x, y, x])
    if op == "ClipByValue":
        return raw(t=x, clip_value_min=tf.cast(-0.7, x.dtype), clip_value_max=tf.cast(0.9, x.dtype))
    if op == "BiasAdd":
        return raw(value=x, bias=y[0, 0, 0])
    if op in BINARY:
        return raw(x=x, y=y)
    return raw(**{"features" if op in FEATURES else "x": x})


def assert_rounded_once(op, x, y=None):
    """Run ``op`` in the ideal profile at both float types, and in float64 by stock TensorFlow."""
    tf = tensorflow()

    def build(tf):
        second = placeholder(tf, "y", SHAPE) if y is not None else None
        tf.identity(apply(tf, op, placeholder(tf, shape=SHAPE), second), name="o")

    graph, feeds = frozen(build, "o"), {"x": x} | ({} if y is None else {"y": y})
    for precision in ("int8-fp32", "int8-fp16"):
        stored = [halves(value) if precision.endswith("16") else value for value in feeds.values()]
        exact = apply(tf, op, *[tf.constant(value, tf.float64) for value in [*stored, stored[0]][:2]]).numpy()
        wanted = halves(exact) if precision.endswith("16") else exact.astype(np.float32)
        found, notes = run(graph, feeds, precision, request="ideal")
        assert not notes
        assert np.array_equal(found["o"], wanted), precision  # zeros of either sign are equal


def test_every_elementwise_operator_is_here():
    assert {*UNARY, *BINARY, "AddN", "ClipByValue"} == ELEMENTWISE


@pytest.mark.parametrize("op", UNARY)
def test_operators_of_one_input(op):
    assert_rounded_once(op, sample(op, 1))


@pytest.mark.parametrize("op", [*BINARY, "AddN", "ClipByValue"])
def test_operators_of_two_inputs(op):
    assert_rounded_once(op, sample(op, 2), sample(op, 3) if op != "ClipByValue" else None)


def test_float32_kernels_would_not_do():
    """The test of the tests: stock float32 is off by more than one rounding somewhere."""
    tf = tensorflow()
    x = sample("Tanh", 4, (100_000,))
    assert (tf.tanh(x).numpy() != tf.tanh(tf.constant(x, tf.float64)).numpy().astype(np.float32)).any()


WINDOW = halves(np.random.default_rng(8).standard_normal((2, 3, SHAPE[-1])))
"""What a dilation adds."""


def others(tf, x):
    """Return other operators with a float64 kernel, by name."""
    nonnegative = tf.abs(x)
    return {
        "Mean": tf.reduce_mean(x, [1, 2], keepdims=True),
        "Sum": tf.reduce_sum(x, [3]),
        "Max": tf.reduce_max(x, [1, 2]),
        "Min": tf.reduce_min(x, [1]),
        "Prod": tf.reduce_prod(x, [1]),
        "EuclideanNorm": tf.raw_ops.EuclideanNorm(input=x, axis=[1, 2]),
        "AvgPool": tf.raw_ops.AvgPool(value=x, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME"),
        "MaxPool": tf.raw_ops.MaxPool(input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME"),
        "MaxPoolV2": tf.raw_ops.MaxPoolV2(input=x, ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="VALID"),
        "Softmax": tf.nn.softmax(x),
        "LogSoftmax": tf.nn.log_softmax(x),
        "Erf": tf.math.erf(x),
        "Cumsum": tf.cumsum(x, 1),
        "Cumsum backwards": tf.cumsum(x, -1, exclusive=True, reverse=True),
        "Dilation2D": tf.raw_ops.Dilation2D(
            input=x,
            filter=tf.constant(WINDOW, x.dtype),
            strides=[1, 1, 2, 1],
            rates=[1, 2, 1, 1],
            padding="SAME",
        ),
        "Fill": tf.fill([3, 2], x[0, 0, 0, 0]),
        "ConcatV2": tf.concat([x, nonnegative], 3),
        "Pad": tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]),
        "MirrorPad": tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], "REFLECT"),
        "Transpose": tf.transpose(x, [0, 3, 1, 2]),
        "StridedSlice": x[:, 1::2, ::-1],
        "Tile": tf.tile(x, [1, 1, 2, 1]),
        "GatherV2": tf.gather(x, [2, 0, 2], axis=1),
        "SelectV2": tf.where(x > 0.5, x, nonnegative),
    }


def out(name):
    return f"out/{name.replace(' ', '_')}"


@pytest.mark.parametrize("precision", ["int8-fp32", "int8-fp16"])
def test_reductions_pooling_and_movement(precision):
    tf = tensorflow()
    x = sample("", 5)
    names = list(others(tf, tf.constant(x, tf.float64)))
    assert set(names) >= REDUCTIONS - {"AvgPool3D"}  # which has no float64 kernel

    def build(tf):
        for name, value in others(tf, placeholder(tf, shape=SHAPE)).items():
            tf.identity(value, name=out(name))

    half = precision.endswith("16")
    wanted = others(tf, tf.constant(halves(x) if half else x, tf.float64))
    found, notes = run(frozen(build, *map(out, names)), {"x": x}, precision, request="ideal")
    for name in names:
        exact = wanted[name].numpy()
        assert np.array_equal(found[out(name)], halves(exact) if half else exact.astype(np.float32)), name
    reported = {note.rpartition(": ")[2].rstrip("_1") for note in notes}
    assert len(reported) == len([name for name in names if known(name.split()[0]).emulation is None])


def kept_in_float32(tf, x):
    """Return operators without a float64 kernel and without a composition that is modelled."""
    return {
        "AvgPool3D": tf.raw_ops.AvgPool3D(
            input=x[None], ksize=[1, 1, 2, 2, 1], strides=[1, 1, 2, 2, 1], padding="SAME"
        ),
        "LRN": tf.nn.local_response_normalization(x, 2),
    }


@pytest.mark.parametrize("precision", ["int8-fp32", "int8-fp16"])
def test_operators_without_a_float64_kernel_stay_in_float32_and_are_reported(precision):
    tf = tensorflow()
    x = sample("", 6)
    stored = halves(x) if precision.endswith("16") else x

    def build(tf):
        for name, value in kept_in_float32(tf, placeholder(tf, shape=SHAPE)).items():
            tf.identity(value, name=f"out/{name}")

    wanted = kept_in_float32(tf, tf.constant(stored))
    names = [f"out/{name}" for name in wanted]
    found, notes = run(frozen(build, *names), {"x": x}, precision, request="ideal")
    assert len(notes) == len(names)
    for name, value in wanted.items():
        exact = halves(value.numpy()) if precision.endswith("16") else value.numpy()
        assert same_bits(found[f"out/{name}"], exact), name
