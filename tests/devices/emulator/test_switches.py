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

TESTED = {
    "arithmetic": "test_arithmetic",
    "convolution_sums": "test_convolution_sums",
    "fixed_point_range": "test_fixed_point_range",
    "fixed_point_rounding": "test_fixed_point_rounding",
    "fixed_point_scale": "test_fixed_point_scale",
    "fused_intermediates": "test_fused_intermediates",
    "half_overflow": "test_half_overflow",
    "half_rounding": "test_half_rounding",
    "half_tiny": "test_half_tiny",
    "reduction_order": "test_reduction_order",
    "reduction_sum": "test_reduction_sum",
    "resize_nearest": "test_resize_nearest",
    "softmax_steps": "test_softmax_steps",
    "tanh": "test_tanh",
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
    ones = np.ones((100, 100))
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
    assert mean(ones, "reduction_order=one-axis-at-a-time") == 1


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
