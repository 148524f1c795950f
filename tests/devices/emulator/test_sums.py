"""Mean and Sum add one term after the other and round each time, as a plain loop does."""

import numpy as np
import pytest
from support.emulation import emulated, frozen, halves, placeholder, profile, run, same_bits

from conformance.devices.emulator import kernels, library
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.numerics.half import round_to_half

SHAPE = (2, 5, 7, 3)
ORDERS = {"first-axis-first": [(1,), (2,)], "last-axis-first": [(2,), (1,)], "one-pass": [(1, 2)]}
"""The passes over height and width of every order."""


def half(values, request="mlu270"):
    chosen = profile(request)
    return round_to_half(
        values, rounding=chosen.half_rounding, overflow=chosen.half_overflow, tiny=chosen.half_tiny
    )


def summed_one_by_one(terms, kind, request):
    """Add ``terms`` (first axis) in a loop; the total is rounded to ``kind`` after each addition."""
    total = np.zeros(terms.shape[1:], np.float64 if kind == "exact" else np.float32)
    for term in terms:
        total = total + term.astype(total.dtype)
        if kind == "fp16":
            total = half(total, request)
    return total


def reduced(x, passes, *, mean, kind, float_bits, request="mlu270"):
    """Reduce with axes kept, pass by pass; each result is rounded to the float type."""
    for axes in passes:
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
        terms = x.transpose([*axes, *kept]).reshape(-1, *(x.shape[axis] for axis in kept))
        total = summed_one_by_one(terms, kind, request)
        if mean:
            total = total / total.dtype.type(len(terms))
        x = (half(total, request) if float_bits == 16 else total).astype(np.float32).reshape(shape)
    return x


def values(shape=SHAPE, seed=0):
    return halves(np.random.default_rng(seed).normal(40, 25, shape))


def reduction(axes, *, mean=True, keep=True, shape=SHAPE):
    def build(tf):
        function = tf.reduce_mean if mean else tf.reduce_sum
        function(placeholder(tf, shape=shape), np.array(axes, np.int32), keepdims=keep, name="o")

    return frozen(build, "o")


@pytest.mark.parametrize("precision", ["int8-fp16", "int8-fp32"])
@pytest.mark.parametrize("sum_", ["float-type", "fp32", "exact"])
@pytest.mark.parametrize("order", ORDERS)
def test_every_type_and_order_against_a_loop(precision, sum_, order):
    float_bits = int(precision[-2:])
    kind = f"fp{float_bits}" if sum_ == "float-type" else sum_
    x = values()
    found = emulated(
        reduction([1, 2]), {"x": x}, precision, request=f"mlu270,reduction_sum={sum_},reduction_order={order}"
    )
    assert same_bits(found, reduced(x, ORDERS[order], mean=True, kind=kind, float_bits=float_bits))


@pytest.mark.parametrize("terms", [3, 7, 49])
def test_a_mean_is_divided_and_not_multiplied_with_a_rounded_reciprocal(terms):
    """As XLA does with a divisor that it knows, wrong in the last bit of every other mean of seven."""
    x = np.random.default_rng(4).normal(40, 25, (1, terms, 1, 2000)).astype(np.float32)
    found = emulated(reduction([1, 2], shape=x.shape), {"x": x}, "int8-fp32")
    assert same_bits(found, reduced(x, ORDERS["first-axis-first"], mean=True, kind="fp32", float_bits=32))


def test_types_and_orders_differ_from_one_another():
    """So none of the comparisons above holds by chance."""
    x = {"x": values((1, 60, 50, 20))}
    graph = reduction([1, 2], shape=(1, 60, 50, 20))
    found = {
        (sum_, order): emulated(
            graph, x, request=f"mlu270,reduction_sum={sum_},reduction_order={order}"
        ).tobytes()
        for sum_ in ("float-type", "exact")
        for order in ORDERS
    }
    found["fp32"] = emulated(graph, x, "int8-fp32").tobytes()
    found["fp32 exact"] = emulated(graph, x, "int8-fp32", request="mlu270,reduction_sum=exact").tobytes()
    assert len(set(found.values())) >= 7  # exact sums rounded once or twice may agree


@pytest.mark.parametrize(("mean", "keep"), [(True, True), (False, False)])
@pytest.mark.parametrize("axes", [[1, 2], [-3, -2], [2, 1], [0], [-1], [3, 0], [0, 1, 2, 3], []])
def test_axes_from_both_ends_kept_or_not(axes, mean, keep):
    """Terms come in row-major order whatever the order in which the axes are given."""
    x = values()
    graph = reduction(axes, mean=mean, keep=keep)
    found = emulated(graph, {"x": x}, request="mlu270,reduction_order=one-pass")
    positive = tuple(sorted(axis % 4 for axis in axes))
    expected = reduced(x, [positive], mean=mean, kind="fp16", float_bits=16)
    assert same_bits(found, expected if keep else expected.squeeze(positive))


@pytest.mark.parametrize("axes", [[1, 2], []])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_keeps_the_shape_of_tensorflow(order, axes):
    request = f"mlu270,reduction_order={order}"
    graph = reduction(axes, keep=False, shape=(1, 4, 1, 3))
    found = emulated(graph, {"x": values((1, 4, 1, 3))}, request=request)
    assert found.shape == ((1, 3) if axes else (1, 4, 1, 3))


def test_a_scalar_axis():
    def build(tf):
        tf.reduce_sum(placeholder(tf), -1, name="o")

    x = values((2, 4, 6, 3))
    expected = reduced(x, [(3,)], mean=False, kind="fp16", float_bits=16)[..., 0]
    assert same_bits(emulated(frozen(build, "o"), {"x": x}), expected)


def running(terms, kind, request="mlu270"):
    function = library.compiled(
        kernels.running_sum, ((tensorflow().float32, terms.ndim),), kind=kind, profile=profile(request)
    )
    return function(terms).numpy()


@pytest.mark.parametrize(("ties", "stagnates_at"), [("ties-even", 2048), ("ties-away", 4096)])
def test_a_running_sum_in_half_stagnates(ties, stagnates_at):
    """2048 + 1 lies between two halves: back to the even 2048, or away to 2050, and so on up to 4096."""
    ones = np.ones((6000, 2), np.float32)
    assert running(ones, "fp16", f"mlu270,half_rounding={ties}").tolist() == [stagnates_at] * 2
    assert running(ones, "fp32").tolist() == [6000, 6000]


@pytest.mark.parametrize(("overflow", "end"), [("saturate", 65504), ("inf", np.inf)])
def test_a_running_sum_in_half_overflows(overflow, end):
    terms = np.array([[60000, -60000], [6000, -6000], [-100, 100]], np.float32)
    back = end - 96 if overflow == "saturate" else end  # 65404 lies between the halves 65376 and 65408
    assert running(terms[:2], "fp16", f"mlu270,half_overflow={overflow}").tolist() == [end, -end]
    assert running(terms, "fp16", f"mlu270,half_overflow={overflow}").tolist() == [back, -back]
    assert running(terms, "fp32").tolist() == [65900, -65900]


def test_a_running_sum_in_float32_stagnates_where_an_exact_one_does_not():
    terms = np.concatenate([[2.0**24], np.ones(9)]).astype(np.float32)[:, None]
    assert running(terms, "fp32").tolist() == [2.0**24]
    assert running(terms, "exact").tolist() == [2.0**24 + 9]


@pytest.mark.parametrize("kind", ["fp16", "fp32", "exact"])
def test_long_random_running_sums(kind):
    terms = values((3000, 4), seed=3) / 8
    assert same_bits(running(terms, kind), summed_one_by_one(terms, kind, "mlu270"))


@pytest.mark.parametrize("request_", ["mlu270", "mlu270,half_rounding=ties-even", "mlu270,half_tiny=nearest"])
def test_a_running_sum_of_halves_has_the_bits_of_a_running_sum_in_half(request_):
    """Every half there is, in an order that crosses zero, the smallest ones, the limits, and NaN."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    finite = half(every[np.isfinite(every)], request_)  # so that 0 stays 0, and no other kind is in it
    random = np.random.default_rng(7)
    terms = np.stack([random.permutation(finite) for _ in range(9)])
    terms[4, :2000] = np.nan
    terms[:, 2000:4000] *= 2.0**-14
    terms = half(terms, request_)
    found, expected = running(terms, kernels.HALVES, request_), summed_one_by_one(terms, "fp16", request_)
    assert same_bits(found[2000:], expected[2000:])
    assert np.isnan(found[:2000]).all()
    assert (np.abs(found[4000:]) == 65504).any()
    assert (np.abs(found[2000:4000]) < 2.0**-14).any()


def test_axes_that_are_not_constant_are_run_in_float_and_reported():
    def build(tf):
        axis = placeholder(tf, "axis", (1,), "int32")
        tf.reduce_mean(placeholder(tf), axis, keepdims=True, name="o")

    x = values((2, 4, 6, 3))
    results, notes = run(frozen(build, "o"), {"x": x, "axis": np.array([1], np.int32)})
    assert notes == ("numerics not modelled, run in float: o",)
    assert np.allclose(results["o"], x.mean(1, keepdims=True), rtol=1e-3)


def test_integer_sums_are_left_alone():
    def build(tf):
        tf.cast(tf.reduce_sum(placeholder(tf, dtype="int32"), 1), tf.float32, name="o")

    x = np.arange(144, dtype=np.int32).reshape(2, 4, 6, 3)
    assert np.array_equal(emulated(frozen(build, "o"), {"x": x}), x.sum(1).astype(np.float32))
