"""Operators that jump, divide, accumulate, normalise and resize: right devices pass, faulty ones fail."""

import functools

import numpy as np
import pytest
from support.emulation import frozen, naive_scales, placeholder, run

from conformance.expected.enclosing.enclosure import enclosure, unenclosed
from conformance.graph.execution import GraphRunner
from conformance.judging.conformity import conformity
from conformance.precision import parse_precision

SUM_FACTOR = 3.0
EVERY_STEP = (
    "arithmetic=float32,half_rounding=ties-away,reduction_sum=fp32,reduction_order=first-axis-first,"
    "batch_norm_steps=rounded,resize_steps=rounded,real_div=reciprocal"
)
random = np.random.default_rng(5)
PICTURE = random.normal(0, 2, (1, 6, 7, 3)).astype(np.float32)
ROW = random.normal(0, 3, (2, 50)).astype(np.float32)
OF_CHANNELS = {
    "scale": np.float32([1.5, -0.7, 2]),
    "offset": np.float32([0.1, 5, -3]),
    "mean": np.float32([0.3, -2, 8]),
    "variance": np.float32([0.5, 2, 0.01]),
}


def jump(op):
    def build(tf, x, change):
        wide = tf.multiply(x, np.float32(1.7))
        getattr(tf.raw_ops, op)(x=wide + np.float32(change), name="out")

    return build


def quotient(tf, x, change):
    divisor = np.where(np.arange(50) % 7 == 0, 0, np.arange(1, 51) / 9).astype(np.float32)
    tf.raw_ops.DivNoNan(x=x, y=divisor * np.float32(1 + change), name="out")


def log_softmax(tf, x, change):
    tf.nn.log_softmax(x * np.float32(1 + change), name="out")


def running(tf, x, change):
    tf.cumsum(x, axis=1, exclusive=bool(change), name="out")


def dilated(tf, x, change):
    filters = np.float32([[[0.5, -1, 2], [0, 3, 1]]]) + np.float32(change)
    tf.raw_ops.Dilation2D(input=x, filter=filters, strides=[1] * 4, rates=[1] * 4, padding="SAME", name="out")


def normalised(op):
    def build(tf, x, change):
        made = getattr(tf.raw_ops, op)(
            x=x, **OF_CHANNELS, epsilon=1e-3 if change else 1e-4, is_training=False
        )
        tf.identity(made[0], name="out")

    return build


def resized(op, **mode):
    def build(tf, x, change):
        chosen = {"half_pixel_centers": not mode.get("half_pixel_centers", False)} if change else mode
        getattr(tf.raw_ops, op)(images=x, size=[11, 5], **chosen, name="out")

    return build


def mean(tf, x, change):
    tf.reduce_mean(x * np.float32(1 + change), [1, 2], name="out")


CASES = {
    **{op: (jump(op), ROW, 0.02) for op in ("Floor", "Ceil", "Rint")},
    "DivNoNan": (quotient, ROW, 0.01),
    "LogSoftmax": (log_softmax, ROW, 0.01),
    "Cumsum": (running, ROW, 1),
    "Dilation2D": (dilated, PICTURE, 0.05),
    **{f"FusedBatchNorm{v}": (normalised(f"FusedBatchNorm{v}"), PICTURE, 1) for v in ("", "V2", "V3")},
    "ResizeBilinear": (resized("ResizeBilinear"), PICTURE, 1),
    "ResizeBilinear by centres": (resized("ResizeBilinear", half_pixel_centers=True), PICTURE, 1),
    "ResizeBicubic": (resized("ResizeBicubic"), PICTURE, 1),
    "ResizeBicubic by centres": (resized("ResizeBicubic", half_pixel_centers=True), PICTURE, 1),
    "Mean": (mean, PICTURE, 0.02),
}
"""What makes each, on which numbers, and what a faulty device does otherwise."""


def graph_of(case, change=0):
    build, values, _ = CASES[case]
    return frozen(lambda tf: build(tf, placeholder(tf, "x", values.shape), change), "out"), {"x": values}


@functools.cache
def allowed(case, precision):
    graph, feeds = graph_of(case)
    assert not unenclosed(graph.nodes.values())
    scales = naive_scales(graph, feeds, precision.fixed_bits)
    return enclosure(graph, feeds, precision, scales, SUM_FACTOR), scales


def held(case, precision, result):
    right, _ = allowed(case, precision)
    return conformity(right.value, right.radius, result, precision.float_bits, chance=right.chance)


def computed(case, precision, switches, change=0):
    graph, feeds = graph_of(case, change)
    _, scales = allowed(case, precision)
    return run(graph, feeds, str(precision), request=f"ideal{switches}", scales=scales)[0]["out"]


@pytest.mark.parametrize("floats", ["int8-fp16", "int8-fp32"])
@pytest.mark.parametrize("case", CASES)
def test_devices_that_are_right_by_another_way_pass(case, floats):
    precision = parse_precision(floats)
    for switches in ("", f",{EVERY_STEP}", ",batch_norm_steps=folded,fused_intermediates=fp32"):
        assert held(case, precision, computed(case, precision, switches)).ratio <= 1


@pytest.mark.parametrize("case", CASES)
def test_tensorflows_own_kernels_pass_at_fp32(case):
    graph, feeds = graph_of(case)
    result = GraphRunner(graph, graph.outputs)(feeds)["out"]
    assert held(case, parse_precision("int8-fp32"), result).conforms


@pytest.mark.parametrize("floats", ["int8-fp16", "int8-fp32"])
@pytest.mark.parametrize("case", CASES)
def test_a_faulty_device_deviates(case, floats):
    precision = parse_precision(floats)
    result = computed(case, precision, "", CASES[case][2])
    assert not held(case, precision, result).conforms


@pytest.mark.parametrize("floats", ["int8-fp16", "int8-fp32"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_allowed_is_a_small_part_of_the_values(case, floats):
    right, _ = allowed(case, parse_precision(floats))
    finite = right.radius[np.isfinite(right.radius)]
    limit = 3e-2 if floats.endswith("fp16") else 1e-5
    jumps = np.count_nonzero(finite >= 0.5) if case in ("Floor", "Ceil", "Rint") else 0
    assert jumps <= 2
    assert np.median(finite) <= limit * np.abs(right.value).mean()


def test_whole_numbers_jump_only_next_to_the_place_where_they_do():
    def build(tf):
        tf.raw_ops.Floor(x=tf.multiply(placeholder(tf, "x", (3,)), np.float32(3)), name="out")

    graph, precision = frozen(build, "out"), parse_precision("int8-fp32")
    feeds = {"x": np.float32([1 / 3, 0.5, 100.1])}
    right = enclosure(graph, feeds, precision, naive_scales(graph, feeds, 8), SUM_FACTOR)
    assert right.radius.tolist() == [1, 0, 0]


def test_a_quotient_by_zero_is_zero_and_nothing_else_is_allowed():
    right, _ = allowed("DivNoNan", parse_precision("int8-fp16"))
    assert not right.value[:, ::7].any()
    assert not right.radius[:, ::7].any()


def test_a_batch_norm_that_trains_and_integers_of_floats_have_no_rule():
    def build(tf):
        x = placeholder(tf, "x", PICTURE.shape)
        made = tf.raw_ops.FusedBatchNormV3(
            x=x, **(OF_CHANNELS | {"mean": np.float32([]), "variance": np.float32([])}), is_training=True
        )
        tf.identity(made[0], name="trained")
        tf.cast(tf.cast(x, "int32"), "float32", name="floats")

    graph = frozen(build, "trained", "floats")
    assert unenclosed(graph.prune(["trained"]).nodes.values()) == "FusedBatchNormV3"
    assert unenclosed(graph.prune(["floats"]).nodes.values()) == "Cast"
