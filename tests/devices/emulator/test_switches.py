"""Every switch of a profile changes some result, and changes it as stated."""

import math

import numpy as np
import pytest
from support.emulation import (
    are_halves,
    emulated,
    frozen,
    half_away,
    halves,
    placeholder,
    plain_scales,
    run,
    same_bits,
)

from conformance.devices.emulator.profile import ALTERNATIVES
from conformance.numerics.fixed_point import position_and_scale, quantize
from conformance.quantization.parameter_file import QuantizationScales

TESTED = {
    "arithmetic": "test_arithmetic",
    "average_pool_sum": "test_average_pool_sum",
    "batch_norm_steps": "test_batch_norm_steps",
    "convolution_sums": "test_convolution_sums",
    "crop_and_resize": "test_crop_and_resize",
    "depthwise_convolution": "test_depthwise_convolution",
    "fixed_point_range": "test_fixed_point_range",
    "fixed_point_rounding": "test_fixed_point_rounding",
    "fixed_point_scale": "test_fixed_point_scale",
    "fused_intermediates": "test_fused_intermediates",
    "half_overflow": "test_half_overflow",
    "half_products": "test_half_products",
    "half_rounding": "test_half_rounding",
    "half_tiny": "test_half_tiny",
    "real_div": "test_real_div",
    "reduction_order": "test_reduction_order",
    "reduction_sum": "test_reduction_sum",
    "resize_steps": "test_resize_steps",
    "resize_nearest": "test_resize_nearest",
    "round": "test_round",
    "softmax_maximum": "test_softmax_maximum",
    "softmax_steps": "test_softmax_steps",
    "tanh": "test_tanh",
    "top_k_unsorted": "test_top_k_unsorted",
}


def test_every_switch_has_a_test():
    assert set(TESTED) == set(ALTERNATIVES)
    assert set(TESTED.values()) <= set(globals())


def multiplication(w=((1.0,),), shape=(5, 1)):
    """Return the graph of a matmul with a constant filter."""

    def build(tf):
        tf.linalg.matmul(placeholder(tf, shape=shape), np.array(w, np.float32), name="o")

    return frozen(build, "o")


def quantised(x, switch, *, w=1.0, scale=1.0, filter_scale=1.0, bits=8):
    """Return the products of quantised inputs with one quantised filter value, over both scales."""
    x = np.array(x, np.float32)[:, None]
    graph = multiplication([[w]], x.shape)
    scales = plain_scales(graph, bits, input=scale, filter=filter_scale)
    return emulated(graph, {"x": x}, f"int{bits}-fp32", request=f"mlu270,{switch}", scales=scales)[:, 0]


def test_fixed_point_rounding():
    x = [2.5, -2.5, 0.5, -0.5, 2.25, -2.75, 126.5, -127.5, 0.49999997]
    up = quantised(x, "fixed_point_rounding=half-up").tolist()
    away = quantised(x, "fixed_point_rounding=half-away").tolist()
    assert away == [3, -3, 1, -1, 2, -3, 127, -128, 0]
    assert up == [3, -2, 1, 0, 2, -3, 127, -127, 0]
    assert quantised([1], "fixed_point_rounding=half-away", w=-2.5).tolist() == [-3]
    assert quantised([1], "fixed_point_rounding=half-up", w=-2.5).tolist() == [-2]


def test_fixed_point_range():
    x = [-200, -128, -127, 127, 200]
    assert quantised(x, "fixed_point_range=full").tolist() == [-128, -128, -127, 127, 127]
    assert quantised(x, "fixed_point_range=symmetric").tolist() == [-127, -127, -127, 127, 127]
    assert quantised([1], "fixed_point_range=full", w=-300).tolist() == [-128]
    assert quantised([1], "fixed_point_range=symmetric", w=-300).tolist() == [-127]
    wide = quantised([-40000, 40000], "fixed_point_range=full", bits=16)
    assert wide.tolist() == [-32768, 32767]


def near_ties(scale, bits=8):
    """Return float32 values whose product with ``scale`` lies so near a tie that float32 cannot tell."""
    middles = (np.arange(1, 2 ** (bits - 1) - 1) + 0.5) / scale
    x = middles.astype(np.float32)
    candidates = np.concatenate([x, np.nextafter(x, np.float32(0)), np.nextafter(x, np.float32(9e9))])
    exact = quantize(candidates, scale, bits)
    single = quantize(candidates * np.float32(scale), 1.0, bits)
    return candidates[exact != single]


@pytest.mark.parametrize("bits", [8, 16])
def test_fixed_point_scale(bits):
    scale = float(np.float32(0.913669 * 2 ** (bits - 8)))
    x = near_ties(scale, bits)[:50]
    assert x.size
    divisor = scale * 1.0
    exact, single = quantize(x, scale, bits), quantize(x * np.float32(scale), 1.0, bits)
    found = quantised(x, "fixed_point_scale=file", scale=scale, bits=bits)
    assert same_bits(found, (exact / divisor).astype(np.float32))
    found = quantised(x, "fixed_point_scale=position-scale", scale=scale, bits=bits)
    assert same_bits(found, (single / divisor).astype(np.float32))
    position, _ = position_and_scale((2 ** (bits - 1) - 1) / scale, bits)
    assert 2.0**-position <= scale < 2.0 ** (1 - position)
    found = quantised(x, "fixed_point_scale=position", scale=scale, bits=bits)
    assert same_bits(found, (quantize(x, 2.0**-position, bits) / 2.0**-position).astype(np.float32))


def test_fixed_point_scale_holds_for_constant_filters_too():
    scale = float(np.float32(0.913669))
    w = near_ties(scale)[0]
    exact, single = quantize(w[None], scale, 8)[0], quantize(w[None] * np.float32(scale), 1.0, 8)[0]
    by_file = quantised([1], "fixed_point_scale=file", w=w, filter_scale=scale)
    by_both = quantised([1], "fixed_point_scale=position-scale", w=w, filter_scale=scale)
    assert by_file.tolist() == [np.float32(exact / scale)]
    assert by_both.tolist() == [np.float32(single / scale)]
    assert exact != single


def identity(values, switch, precision="int8-fp16", op="Identity"):
    values = np.array(values, np.float32)

    def build(tf):
        getattr(tf.raw_ops, op)(input=placeholder(tf, shape=values.shape), name="o")

    return emulated(frozen(build, "o"), {"x": values}, precision, request=f"mlu270,{switch}").tolist()


def test_half_rounding():
    x = [1 + 2.0**-11, 1 + 3 * 2.0**-11, -1 - 2.0**-11, 2049, 3 * 2.0**-25]
    assert identity(x, "half_rounding=ties-away") == [
        1 + 2.0**-10,
        1 + 2.0**-9,
        -1 - 2.0**-10,
        2050,
        2.0**-23,
    ]
    assert identity(x, "half_rounding=ties-even") == [1, 1 + 2.0**-9, -1, 2048, 2.0**-23]
    assert identity(x, "half_rounding=toward-zero") == [1, 1 + 2.0**-10, -1, 2048, 2.0**-24]
    assert identity(x, "half_rounding=ties-even", "int8-fp32") == x


def test_half_overflow():
    x = [65504, 65519, 65520, -1e6, 65503]
    assert identity(x, "half_overflow=saturate") == [65504, 65504, 65504, -65504, 65504]
    assert identity(x, "half_overflow=inf") == [65504, 65504, math.inf, -math.inf, 65504]


def test_half_tiny():
    x = [2.0**-26, -(2.0**-30), 0, -0.0, 2.0**-25, 1e-40]
    smallest = identity(x, "half_tiny=smallest")
    assert smallest == [2.0**-24, -(2.0**-24), 0, 0, 2.0**-24, 2.0**-24]
    assert np.signbit(smallest).tolist() == [False, True, False, True, False, False]
    assert identity(x, "half_tiny=nearest") == [0, 0, 0, 0, 2.0**-24, 0]
    assert identity(x, "half_tiny=nearest,half_rounding=ties-even") == [0, 0, 0, 0, 0, 0]


def mean(values, switch, precision="int8-fp16"):
    values = np.array(values, np.float32)

    def build(tf):
        tf.reduce_mean(placeholder(tf, shape=values.shape), [0, 1], name="o")

    return float(emulated(frozen(build, "o"), {"x": values}, precision, request=f"mlu270,{switch}"))


def test_reduction_sum():
    ones = np.ones((10_000, 1))
    assert mean(ones, "reduction_sum=float-type") == halves(4096 / 10_000)
    assert mean(ones, "reduction_sum=fp32") == 1
    assert mean(ones, "reduction_sum=exact") == 1
    large = np.full((64, 1), 2.0**-24)
    large[0] = 1
    assert mean(large, "reduction_sum=fp32", "int8-fp32") == 1 / 64
    assert mean(large, "reduction_sum=exact", "int8-fp32") == np.float32((1 + 63 * 2.0**-24) / 64)


def test_reduction_order():
    ones = np.ones((100, 100))
    assert mean(ones, "reduction_order=one-pass") == halves(4096 / 10_000)
    assert mean(ones, "reduction_order=first-axis-first") == 1
    assert mean(ones, "reduction_order=last-axis-first") == 1
    columns = np.tile([60_000.0, 0.0], (2, 1))  # the sum of a column saturates, that of a row does not
    assert mean(columns, "reduction_order=first-axis-first") == 65504 / 4
    assert mean(columns, "reduction_order=last-axis-first") == 30_000
    assert mean(columns.T, "reduction_order=first-axis-first") == 30_000
    assert mean(columns.T, "reduction_order=last-axis-first") == 65504 / 4


def test_average_pool_sum():
    """2048 + 0.75 is 2048 in half, and not in float32. A window of 36 is summed as ever, one of 37 is not."""

    def pooled(window, switch, precision="int8-fp16"):
        values = np.full((1, *window, 1), 0.75, np.float32)
        values[0, 0, 0] = 2048

        def build(tf):
            tf.nn.avg_pool2d(placeholder(tf, shape=values.shape), window, 1, "VALID", name="o")

        request = f"mlu270,average_pool_sum={switch}"
        return emulated(frozen(build, "o"), {"x": values}, precision, request=request).item()

    assert pooled((36, 1), "as-reductions") == pooled((36, 1), "by-window") == halves(2048 / 36)
    assert pooled((37, 1), "as-reductions") == halves(2048 / 37)
    assert pooled((37, 1), "by-window") == halves(2075 / 37)
    for switch in ("as-reductions", "by-window"):
        assert pooled((36, 1), switch, "int8-fp32") == np.float32(2074.25 / 36)


def of_two(op, x, y, switch, precision="int8-fp16"):
    """Return what an operator makes of two arrays."""
    x, y = (np.array(values, np.float32) for values in (x, y))

    def build(tf):
        getattr(tf.raw_ops, op)(x=placeholder(tf, "x", x.shape), y=placeholder(tf, "y", y.shape), name="o")

    return emulated(frozen(build, "o"), {"x": x, "y": y}, precision, request=f"mlu270,{switch}").tolist()


def test_half_products():
    """What a card printed: 126 squared is 15876, 122 squared 14884; halves there are 8 apart."""
    x, y = [126, -122, 69], [126, 122, 69]
    assert of_two("Mul", x, y, "half_products=as-conversions") == [15880, -14888, 4760]
    assert of_two("Mul", x, y, "half_products=toward-zero") == [15872, -14880, 4760]
    assert of_two("Mul", x, y, "half_products=toward-zero", "int8-fp32") == [15876, -14884, 4761]
    assert of_two("SquaredDifference", x, [0, 0, 0], "half_products=toward-zero") == [15872, 14880, 4760]
    large = np.full(2**19, 126.0)  # computed and rounded by one kernel
    assert set(of_two("Mul", large, large, "half_products=toward-zero")) == {15872}
    assert of_two("AddV2", [2048], [1], "half_products=toward-zero") == [2050], "no product"


@pytest.mark.parametrize(("products", "square"), [("as-conversions", 15880), ("toward-zero", 15872)])
def test_half_products_in_a_variance(products, square):
    """The squares of a variance are products, too, also where no one stores them."""
    x = np.array([126.0, -126.0], np.float32).reshape(1, 2, 1, 1)

    def build(tf):
        data = placeholder(tf, shape=x.shape)
        center = tf.reduce_mean(data, [1, 2], keepdims=True)
        tf.reduce_mean(tf.math.squared_difference(data, center), [1, 2], name="o")

    found = emulated(frozen(build, "o"), {"x": x}, request=f"mlu270,half_products={products}")
    assert found.item() == square


def test_real_div():
    x = np.arange(1, 100, dtype=np.float32)
    y = np.full_like(x, 49)
    assert of_two("RealDiv", x, y, "real_div=quotient") == halves(x / y).tolist()
    by_reciprocal = halves(x * halves(1 / y))
    assert of_two("RealDiv", x, y, "real_div=reciprocal") == by_reciprocal.tolist()
    assert by_reciprocal.tolist() != halves(x / y).tolist()
    found = of_two("RealDiv", x, y, "real_div=reciprocal", "int8-fp32")
    assert found == (x * (np.float32(1) / y)).tolist()
    assert found != (x / y).tolist() == of_two("RealDiv", x, y, "real_div=quotient", "int8-fp32")


def of_one(op, x, switch, precision="int8-fp32", **attributes):
    x = np.array(x, np.float32)

    def build(tf):
        getattr(tf.raw_ops, op)(x=placeholder(tf, shape=x.shape), name="o", **attributes)

    return emulated(frozen(build, "o"), {"x": x}, precision, request=f"mlu270,{switch}").tolist()


def test_round():
    x = [2049.0, 2.5, 3.5, 1.4997559, 70000.0, -2051.0]
    assert of_one("Round", x, "round=plain") == [2049, 2, 4, 1, 70000, -2051]
    assert of_one("Round", x, "round=through-half") == [2050, 2, 4, 2, 65504, -2052]
    assert of_one("Round", [2.5, 2049.0], "round=through-half", "int8-fp16") == [2, 2050]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("switch", ["smallest", "largest"])
def test_top_k_unsorted(switch, ordered):
    x = np.array([[3.0, -1.0, 7.0, 5.0, 0.0]], np.float32)

    def build(tf):
        values, indices = tf.raw_ops.TopKV2(input=placeholder(tf, shape=x.shape), k=2, sorted=ordered)
        tf.identity(values, name="values")
        tf.identity(indices, name="indices")

    graph = frozen(build, "values", "indices")
    found, notes = run(graph, {"x": x}, request=f"mlu270,top_k_unsorted={switch}")
    small = switch == "smallest" and not ordered
    assert sorted(found["values"].ravel()) == ([-1, 0] if small else [5, 7])
    assert sorted(found["indices"].ravel()) == ([1, 4] if small else [2, 3])
    assert notes == ()


@pytest.mark.parametrize(("switch", "inside", "outside"), [("as-asked", 2, 9), ("plain-bilinear", 1.5, 0)])
def test_crop_and_resize(switch, inside, outside):
    """Of 1 and 2 the crop asks for the nearest to the middle, and for 9 where it leaves the image."""
    x = np.array([1.0, 2.0], np.float32).reshape(1, 1, 2, 1)

    def build(tf):
        tf.raw_ops.CropAndResize(
            image=placeholder(tf, shape=x.shape),
            boxes=np.array([[0, 0.5, 0, 1.5]], np.float32),
            box_ind=np.array([0], np.int32),
            crop_size=np.array([1, 2], np.int32),
            method="nearest",
            extrapolation_value=9.0,
            name="o",
        )

    found, notes = run(frozen(build, "o"), {"x": x}, request=f"mlu270,crop_and_resize={switch}")
    assert found["o"].ravel().tolist() == [inside, outside]
    assert len(notes) == 1, "its interpolation is TensorFlow's: it is not modelled"


def test_softmax_maximum():
    """Logits of 12 and 11: exp(12) leaves the halves, so that both saturate and come out equal."""
    x = np.array([[12.0, 11.5]], np.float32)

    def shares(switch, precision="int8-fp16"):
        graph = frozen(lambda tf: tf.nn.softmax(placeholder(tf, shape=x.shape), name="o"), "o")
        return emulated(graph, {"x": x}, precision, request=f"mlu270,softmax_maximum={switch}")[0]

    wanted = np.exp([12.0, 11.5]) / np.exp([12.0, 11.5]).sum()
    for precision, step in (("int8-fp16", 2.0**-10), ("int8-fp32", 2.0**-22)):
        np.testing.assert_allclose(shares("subtracted", precision), wanted, rtol=2 * step)
    np.testing.assert_allclose(shares("not-subtracted", "int8-fp32"), wanted, rtol=2.0**-21)
    assert shares("not-subtracted").tolist() == [1, 1], "65504 over a sum that is 65504, too"


@pytest.mark.parametrize("switch", ["float", "fixed-point"])
def test_depthwise_convolution(switch):
    """Inputs of 1.25 with a scale of 1: floats keep them, integers do not."""
    x = np.full((1, 3, 3, 2), 1.25, np.float32)

    def build(tf):
        filters = np.full((3, 3, 2, 1), 0.75, np.float32)
        tf.nn.depthwise_conv2d(placeholder(tf, shape=x.shape), filters, [1] * 4, "VALID", name="o")

    graph = frozen(build, "o")
    scales = plain_scales(graph, 8, input=1.0, filter=4.0)
    found = emulated(graph, {"x": x}, request=f"mlu270,depthwise_convolution={switch}", scales=scales)
    assert found.ravel().tolist() == [9 * 0.75 * (1.25 if switch == "float" else 1.0)] * 2


def test_a_depthwise_convolution_in_floats_is_summed_exactly_and_rounded_once():
    random = np.random.default_rng(3)
    x, w = halves(random.normal(0, 1, (1, 9, 8, 5))), halves(random.normal(0, 1, (3, 3, 5, 2)))

    def build(tf):
        tf.nn.depthwise_conv2d(placeholder(tf, shape=x.shape), w, [1] * 4, "SAME", name="o")

    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    wanted = sum(
        padded[:, row : row + 9, column : column + 8, :, None] * w[row, column].astype(np.float64)
        for row, column in np.ndindex(3, 3)
    ).reshape(1, 9, 8, 10)
    graph = frozen(build, "o")
    none = QuantizationScales(bits=8, scales={})
    found = emulated(graph, {"x": x}, "int8-fp32", scales=none)
    np.testing.assert_array_max_ulp(found, wanted.astype(np.float32), 1)  # float64 sums in another order
    assert np.mean(found == wanted.astype(np.float32)) > 0.999
    assert same_bits(emulated(graph, {"x": x}, scales=none), half_away(wanted))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("size", "to"), [((4, 3), (8, 6)), ((5, 4), (7, 9)), ((8, 6), (3, 5))])
def test_resize_nearest(size, to, align_corners):
    x = halves(np.random.default_rng(5).standard_normal((1, *size, 2)))

    def build(tf):
        data = placeholder(tf, shape=x.shape)
        tf.compat.v1.image.resize_nearest_neighbor(data, to, align_corners=align_corners, name="o")

    def picked(offset):
        sources = [
            [min(math.floor((i + offset) * old / new), old - 1) for i in range(new)]
            for old, new in zip(size, to, strict=True)
        ]
        return x[:, sources[0]][:, :, sources[1]]

    graph = frozen(build, "o")
    floor = emulated(graph, {"x": x}, request="mlu270,resize_nearest=floor")
    shifted = emulated(graph, {"x": x}, request="mlu270,resize_nearest=half-pixel")
    if align_corners:  # TensorFlow has no half pixel centres there
        assert same_bits(floor, shifted)
        return
    assert same_bits(floor, picked(0.0))
    assert same_bits(shifted, picked(0.5))


def test_resize_nearest_makes_a_difference():
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1)

    def build(tf):
        tf.compat.v1.image.resize_nearest_neighbor(placeholder(tf, shape=x.shape), (1, 3), name="o")

    found = [
        emulated(frozen(build, "o"), {"x": x}, request=f"mlu270,resize_nearest={rule}").ravel().tolist()
        for rule in ("floor", "half-pixel")
    ]
    assert found == [[0, 1, 3], [0, 2, 4]]


@pytest.mark.parametrize(
    ("precision", "stored"), [("int8-fp16", half_away), ("int8-fp32", np.float32)], ids=["fp16", "fp32"]
)
def test_batch_norm_steps(precision, stored):
    """Each value of the switch gives its own numbers, in steps that NumPy takes, too."""
    random = np.random.default_rng(8)
    x = half_away(random.normal(3, 2, (2, 4, 5, 3)))
    scale, offset, mean, variance = (half_away(random.uniform(0.3, 3, 3)) for _ in range(4))

    def build(tf):
        about = {"scale": scale, "offset": offset, "mean": mean, "variance": variance, "epsilon": 0.01}
        x_ = placeholder(tf, shape=x.shape)
        tf.raw_ops.FusedBatchNormV3(x=x_, is_training=False, name="o", **about)

    def step(value):
        return np.float64(stored(value))

    factor = np.float64(scale) / np.sqrt(np.float64(variance) + float(np.float32(0.01)))
    wanted = {
        "exact": (x - np.float64(mean)) * factor + offset,
        "rounded": step(step(x - np.float64(mean)) * step(factor)) + offset,
        "folded": step(x * step(factor)) + step(offset - mean * factor),
    }
    found = {}
    for value, result in wanted.items():
        request = f"mlu270,batch_norm_steps={value}"
        found[value], notes = run(frozen(build, "o"), {"x": x}, precision, request=request)
        assert notes == ()
        assert same_bits(found[value]["o"], stored(result)), value
    assert len({result["o"].tobytes() for result in found.values()}) == len(wanted)


@pytest.mark.parametrize("op", ["ResizeBilinear", "ResizeBicubic"])
def test_resize_steps(op):
    """A third is no half: weights that are stored move every pixel between two that differ."""
    x = half_away(np.random.default_rng(4).normal(0, 2, (1, 3, 4, 2)))

    def build(tf):
        getattr(tf.raw_ops, op)(images=placeholder(tf, shape=x.shape), size=(9, 11), name="o")

    def found(steps, precision):
        graph = frozen(build, "o")
        return emulated(graph, {"x": x}, precision, request=f"mlu270,resize_steps={steps}")

    for precision, unit in (("int8-fp16", 2.0**-11), ("int8-fp32", 2.0**-24)):
        exact, rounded = found("exact", precision), found("rounded", precision)
        assert not same_bits(exact, rounded)
        np.testing.assert_allclose(exact, rounded, rtol=0, atol=32 * unit * np.abs(x).max())


def test_a_linear_interpolation_in_steps():
    """Half-way along one row: each step is the one that NumPy takes."""
    x = half_away(np.random.default_rng(4).normal(0, 2, (1, 1, 2, 50)))

    def build(tf):
        about = {"size": (1, 3), "name": "o"}
        tf.raw_ops.ResizeBilinear(images=placeholder(tf, shape=x.shape), **about)

    found = emulated(frozen(build, "o"), {"x": x}, request="mlu270,resize_steps=rounded")
    left, right = np.float64(x[0, 0])
    weight = half_away(np.float32(2) / np.float32(3))
    step = half_away(np.float64(half_away(right - left)) * weight)
    assert same_bits(found[0, 0, 1], half_away(left + step))


def test_softmax_steps():
    """What each rounding gives stands in test_emulator_pooling."""
    x = np.random.default_rng(9).normal(0, 3, (50, 40)).astype(np.float32)

    def build(tf):
        tf.nn.softmax(placeholder(tf, shape=x.shape), name="o")

    def found(steps, precision):
        request = f"mlu270,reduction_sum=exact,softmax_steps={steps}"
        return emulated(frozen(build, "o"), {"x": x}, precision, request=request)

    stored = half_away(x).astype(np.float64)
    exact = np.exp(stored - stored.max(-1, keepdims=True))
    exact = half_away(exact / exact.sum(-1, keepdims=True))
    assert not same_bits(found("rounded", "int8-fp16"), exact)
    assert same_bits(found("exact", "int8-fp16"), exact)
    assert same_bits(found("rounded", "int8-fp32"), found("fp32", "int8-fp32"))
    assert not same_bits(found("fp32", "int8-fp32"), found("exact", "int8-fp32"))
    assert not same_bits(found("fp32", "int8-fp16"), found("rounded", "int8-fp16"))


@pytest.mark.parametrize("entries", [256, 64])
@pytest.mark.parametrize("precision", ["int8-fp16", "int8-fp32"])
def test_tanh(entries, precision):
    """The table is a float32 tanh at equal steps over 0..8, and a line between."""
    special = np.array([0, 7.99, 8, 8.5, 100, -8, -100, 8 / entries, 4 / entries])
    x = halves(np.concatenate([np.linspace(-9, 9, 999), special]))
    nodes = np.linspace(0, 8, entries + 1)
    table = np.tanh(nodes).astype(np.float32).astype(np.float64)
    wanted = np.sign(x) * np.interp(np.minimum(np.abs(x), 8), nodes, table)
    wanted = half_away(wanted) if precision.endswith("16") else wanted.astype(np.float32)
    graph = frozen(lambda tf: tf.tanh(placeholder(tf, shape=x.shape), name="o"), "o")
    found = emulated(graph, {"x": x}, precision, request=f"mlu270,tanh=table-{entries}")
    np.testing.assert_array_max_ulp(found, wanted, 1)  # np.interp rounds otherwise in float64
    assert np.mean(found == wanted) > 0.999
    exact = emulated(graph, {"x": x}, precision, request="mlu270,tanh=exact")
    assert np.mean(found != exact) > 0.01
    assert (
        np.abs(found.astype(np.float64) - np.tanh(x.astype(np.float64))).max() < 6.5 / entries**2 + 2.0**-11
    )


def test_convolution_sums():
    """What each rounding gives stands in test_emulator_partial_sums."""
    x = np.random.default_rng(6).standard_normal((4, 300)).astype(np.float32)
    graph = multiplication(x.T[:, :3], x.shape)
    found = [
        emulated(graph, {"x": x}, "int16-fp16", request=f"mlu270,convolution_sums={sums}")
        for sums in ("exact", "fp16")
    ]
    assert not same_bits(*found)
    found = [
        emulated(graph, {"x": x}, "int16-fp32", request=f"mlu270,convolution_sums={sums}")
        for sums in ("exact", "fp32")
    ]
    assert not same_bits(*found)


def elementwise_chain(tf):
    """A chain whose intermediates a fused kernel may keep, in every position of a rewritten node."""
    x = placeholder(tf, shape=(4, 50))
    tf.exp(x * 1.001 + 0.3, name="transcendental")
    tf.maximum(x * 1.001, x * 0.999, name="exact")
    tf.reshape(x * 1.7 - 0.9, [200], name="moved")
    tf.reduce_sum(tf.tanh(x * 1.3) * 0.7, 1, name="summed")
    tf.sqrt(tf.exp(x) + 1.0, name="o")


OUTPUTS = ("transcendental", "exact", "moved", "summed", "o")


def test_fused_intermediates():
    x = {"x": np.random.default_rng(10).standard_normal((4, 50)).astype(np.float32)}
    graph = frozen(elementwise_chain, *OUTPUTS)
    wide, wide_layers, rounded, rounded_layers = (
        run(graph, x, request=f"mlu270,fused_intermediates={kept}", fuse=fuse)[0]
        for kept in ("fp32", "rounded")
        for fuse in (True, False)
    )
    for name in OUTPUTS:
        assert same_bits(rounded[name], rounded_layers[name])
        assert same_bits(wide_layers[name], rounded[name])
        assert are_halves(wide[name]), "what is stored is stored in half"
        if name == "exact":  # rounding is monotonic: the maximum of rounded is the rounded maximum
            assert same_bits(wide[name], wide_layers[name])
        else:
            assert not same_bits(wide[name], wide_layers[name])
    stored = half_away(x["x"])
    factor, shift = half_away(np.float32([1.001])), half_away(np.float32([0.3]))
    kept_wide = np.exp((stored * factor + shift).astype(np.float64))
    assert same_bits(wide["transcendental"], half_away(kept_wide))
    largest = np.maximum(stored * factor, stored * half_away(np.float32([0.999])))
    assert same_bits(wide["exact"], half_away(largest))


def test_fused_intermediates_do_not_matter_at_fp32():
    x = {"x": np.random.default_rng(11).standard_normal((4, 50)).astype(np.float32)}
    graph = frozen(elementwise_chain, *OUTPUTS)
    wide, plain = (
        run(graph, x, "int8-fp32", request=f"mlu270,fused_intermediates={kept}")[0]
        for kept in ("fp32", "rounded")
    )
    assert all(same_bits(wide[name], plain[name]) for name in OUTPUTS)


def test_a_fetched_intermediate_breaks_fusion_there():
    x = {"x": np.random.default_rng(12).standard_normal((4, 50)).astype(np.float32)}

    def build(tf):
        tf.add(tf.multiply(placeholder(tf, shape=(4, 50)), 1.001, name="inner"), 0.3, name="o")

    request = "mlu270,fused_intermediates=fp32"
    alone = emulated(frozen(build, "o"), x, request=request)
    both = run(frozen(build, "o", "inner"), x, request=request)[0]
    assert are_halves(both["inner"])
    assert not same_bits(alone, both["o"])
    assert same_bits(both["o"], half_away(both["inner"] + half_away(np.float32([0.3]))))


def test_arithmetic():
    """Three terms in float32 are rounded twice, in float64 once."""

    def build(tf):
        tf.add_n([placeholder(tf, name, (1,)) for name in "abc"], name="o")

    terms = {"a": [1.0], "b": [2.0**-24], "c": [2.0**-24]}
    feeds = {name: np.array(value, np.float32) for name, value in terms.items()}
    found = [
        emulated(frozen(build, "o"), feeds, "int8-fp32", request=f"mlu270,arithmetic={kind}").tolist()
        for kind in ("float32", "float64")
    ]
    assert found == [[1.0], [1 + 2.0**-23]]
