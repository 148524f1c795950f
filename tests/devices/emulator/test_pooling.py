"""AvgPool and Softmax add one term after the other and round each time, as plain loops do."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import emulated, frozen, halves, placeholder, profile, run, same_bits

from conformance.graph.lazy_tensorflow import tensorflow
from conformance.numerics.half import round_to_half

SHAPE = (2, 7, 6, 3)
AT_ONCE = "mlu270,reduction_order=one-pass"


def half(values, request="mlu270"):
    chosen = profile(request)
    return round_to_half(
        values, rounding=chosen.half_rounding, overflow=chosen.half_overflow, tiny=chosen.half_tiny
    )


def rounded(value, kind):
    """Round to ``fp16`` or ``fp32``, kept in the type of ``value``; ``exact`` keeps all."""
    if kind == "fp16":
        return half(value).astype(value.dtype)
    return np.float32(value).astype(value.dtype) if kind == "fp32" else value


def spans(length, window, step, same):
    """Return the positions that each window covers along an axis, those outside the image left out."""
    if not same:
        return [range(start, start + window) for start in range(0, length - window + 1, step)]
    out = -(-length // step)
    before = max((out - 1) * step + window - length, 0) // 2
    starts = [index * step - before for index in range(out)]
    return [range(max(start, 0), min(start + window, length)) for start in starts]


def pooled(x, window, strides, *, same, kind, floating):
    """Average each window in a loop, row by row."""
    rows, columns = (spans(x.shape[axis + 1], window[axis], strides[axis], same) for axis in (0, 1))
    wide = np.float64 if kind == "exact" else np.float32
    result = np.empty((x.shape[0], len(rows), len(columns), x.shape[3]), np.float32)
    for (i, down), (j, across) in itertools.product(enumerate(rows), enumerate(columns)):
        total = np.zeros((x.shape[0], x.shape[3]), wide)
        for row, column in itertools.product(down, across):
            total = rounded(total + x[:, row, column].astype(wide), kind)
        result[:, i, j] = rounded(total / wide(len(down) * len(across)), floating)
    return result


def pool(shape, window, strides, padding):
    def build(tf):
        tf.raw_ops.AvgPool(
            value=placeholder(tf, shape=shape),
            ksize=[1, *window, 1],
            strides=[1, *strides, 1],
            padding=padding,
            name="o",
        )

    return frozen(build, "o")


def values(shape=SHAPE, seed=0, spread=25):
    return halves(np.random.default_rng(seed).normal(40, spread, shape))


def checked(window, strides, padding, precision="int8-fp16", sum_="float-type", order="first-axis-first"):
    """Compare the emulator with the loop; return what both found."""
    x, same = values(), padding == "SAME"
    request = f"mlu270,reduction_sum={sum_},reduction_order={order}"
    found, notes = run(pool(SHAPE, window, strides, padding), {"x": x}, precision, request=request)
    assert notes == ()
    floating = precision.partition("-")[2]
    about = {"same": same, "kind": floating if sum_ == "float-type" else sum_, "floating": floating}
    down, across = ((window[0], 1), (strides[0], 1)), ((1, window[1]), (1, strides[1]))
    passes = {
        "one-pass": [(window, strides)],
        "first-axis-first": [down, across],
        "last-axis-first": [across, down],
    }
    wanted = x
    for sizes, steps in passes[order]:
        wanted = pooled(wanted, sizes, steps, **about)
    assert same_bits(found["o"], wanted)
    return wanted


@pytest.mark.parametrize("precision", ["int8-fp16", "int8-fp32"])
@pytest.mark.parametrize("sum_", ["float-type", "fp32", "exact"])
@pytest.mark.parametrize("order", ["first-axis-first", "last-axis-first", "one-pass"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_every_type_and_order_against_a_loop(precision, sum_, order, padding):
    checked((5, 3), (2, 1), padding, precision, sum_, order)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("window", "strides"), [((1, 1), (1, 1)), ((7, 6), (1, 1)), ((2, 2), (3, 4)), ((3, 5), (2, 2))]
)
def test_windows_and_strides_against_a_loop(window, strides, padding):
    checked(window, strides, padding)


def test_types_and_orders_differ_from_one_another():
    """So none of the comparisons above holds by chance."""
    x = {"x": values((1, 40, 40, 20))}
    graph = pool((1, 40, 40, 20), (40, 40), (1, 1), "VALID")
    found = {
        emulated(graph, x, request=f"mlu270,reduction_sum={sum_},reduction_order={order}").tobytes()
        for sum_, order in (
            ("float-type", "one-pass"),
            ("float-type", "first-axis-first"),
            ("float-type", "last-axis-first"),
            ("fp32", "one-pass"),
        )
    }
    assert len(found) == 4


def test_a_global_average_in_half_stagnates():
    """As Mean does: 4096 + 1 is 4096."""
    x = {"x": np.ones((1, 100, 100, 1), np.float32)}
    graph = pool((1, 100, 100, 1), (100, 100), (1, 1), "VALID")
    assert emulated(graph, x, request=AT_ONCE).item() == halves(4096 / 10_000)
    assert emulated(graph, x, request=f"{AT_ONCE},reduction_sum=fp32").item() == 1
    assert emulated(graph, x).item() == 1, "no column or row has so many"


def test_what_lies_outside_is_not_counted():
    x = np.full((1, 3, 3, 1), 5, np.float32)
    found = emulated(pool(x.shape, (3, 3), (1, 1), "SAME"), {"x": x})
    assert same_bits(found, x)


@pytest.mark.parametrize("window", [(3, 1), (7, 1), (7, 7)])
def test_it_is_divided_and_not_multiplied_with_a_rounded_reciprocal(window):
    x = np.random.default_rng(4).normal(40, 25, (1, 7, 7, 500)).astype(np.float32)
    found = emulated(pool(x.shape, window, (1, 1), "VALID"), {"x": x}, "int8-fp32", request=AT_ONCE)
    assert same_bits(found, pooled(x, window, (1, 1), same=False, kind="fp32", floating="fp32"))


SIZE = st.integers(1, 5)


@given(
    image=st.tuples(SIZE, SIZE),
    window=st.tuples(SIZE, SIZE),
    strides=st.tuples(SIZE, SIZE),
    padding=st.sampled_from(["SAME", "VALID"]),
)
@settings(max_examples=25, deadline=None)
def test_an_ideal_device_rounds_what_tensorflow_makes_of_it_in_float64(image, window, strides, padding):
    if padding == "VALID":
        window = tuple(min(pair) for pair in zip(image, window, strict=True))
    shape = (2, *image, 2)
    x = values(shape)
    tf = tensorflow()
    wanted = tf.nn.avg_pool2d(x.astype(np.float64), window, strides, padding).numpy()
    found = emulated(pool(shape, window, strides, padding), {"x": x}, "int8-fp32", request="ideal")
    assert same_bits(found, wanted.astype(np.float32))


def test_an_unknown_batch_is_pooled_too():
    x = values()
    found = emulated(pool((None, None, None, 3), (7, 6), (1, 1), "VALID"), {"x": x}, request=AT_ONCE)
    assert same_bits(found, pooled(x, (7, 6), (1, 1), same=False, kind="fp16", floating="fp16"))


def softmax(x, steps, kind, floating):
    """Return softmax in a loop over the last axis; ``steps`` is what each step is rounded to."""
    powers = rounded(np.exp(rounded(x.astype(np.float64) - x.max(-1, keepdims=True), steps)), steps)
    total = np.zeros(x.shape[:-1])
    for index in range(x.shape[-1]):
        total = rounded(total + powers[..., index], kind)
    return rounded(powers / rounded(total, steps)[..., None], floating).astype(np.float32)


@pytest.mark.parametrize("precision", ["int8-fp16", "int8-fp32"])
@pytest.mark.parametrize("sum_", ["float-type", "fp32", "exact"])
@pytest.mark.parametrize("steps", ["rounded", "fp32", "exact"])
def test_softmax_against_a_loop(precision, sum_, steps):
    x = values((4, 5, 300), spread=3)
    floating = precision.partition("-")[2]

    def build(tf):
        tf.nn.softmax(placeholder(tf, shape=x.shape), name="o")

    request = f"mlu270,reduction_sum={sum_},softmax_steps={steps}"
    results, notes = run(frozen(build, "o"), {"x": x}, precision, request=request)
    assert notes == ()
    kind = floating if sum_ == "float-type" else sum_
    wanted = softmax(x, floating if steps == "rounded" else steps, kind, floating)
    np.testing.assert_array_max_ulp(results["o"].astype(np.float64), wanted.astype(np.float64), 2**30)
    assert (
        np.mean(results["o"] == wanted) > 0.999
    )  # exp in float64 differs in its last bit, seldom near a tie


def test_softmax_of_large_logits_and_of_one_class():
    def build(tf):
        tf.nn.softmax(placeholder(tf, shape=(3, None)), name="o")

    x = np.array([[6e4, -6e4, 0], [1, 1, 1], [-6e4, -6e4, -6e4]], np.float32)
    found = emulated(frozen(build, "o"), {"x": x}, "int8-fp32")
    assert found[0].tolist() == [1, 0, 0]
    assert same_bits(found[1:], np.full((2, 3), np.float32(1) / np.float32(3)))
    assert emulated(frozen(build, "o"), {"x": x[:, :1]}).tolist() == [[1], [1], [1]]


def test_a_softmax_of_unknown_rank_is_run_in_float_and_reported():
    def build(tf):
        tf.raw_ops.Softmax(logits=placeholder(tf, shape=None), name="o")

    _, notes = run(frozen(build, "o"), {"x": values((2, 3))})
    assert notes == ("numerics not modelled, run in float: o",)
