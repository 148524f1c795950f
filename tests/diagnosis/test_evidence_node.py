"""The evidence of a node of a graph: which questions its operator and the precision ask of which tensors."""

import json

import numpy as np
import pytest
from support import small_network
from support.emulation import frozen, in_float64, naive_scales, placeholder, plain_scales

from conformance.diagnosis.evidence import KINDS, evidence_of
from conformance.errors import UsageError
from conformance.graph.execution import GraphRunner
from conformance.graph.retype import to_float64
from conformance.graph.selection import judgeable_nodes
from conformance.precision import parse_precision
from conformance.quantization.calibration import calibrate, largest_magnitudes
from conformance.quantization.parameter_file import QuantizationScales


def goldens(graph, feeds):
    """Return what gives the goldens of all nodes of ``graph`` and its inputs."""
    names = judgeable_nodes(graph)
    results = GraphRunner(to_float64(graph)[0], names)(feeds)
    return {**feeds, **{name: results[name].astype(np.float32) for name in names}}.__getitem__


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def nothing(name):
    raise KeyError(name)


def explained(graph, node, feeds, precision="int8-fp16", *, scales=None, values=None):
    """Return the kinds and the evidence of a node, all of it checked for what must hold of any."""
    chosen = parse_precision(precision)
    if scales is None:
        scales = QuantizationScales(chosen.fixed_bits, {})
    evidence = evidence_of(node, graph, chosen, scales, values or goldens(graph, feeds))
    strengths = [item.strength for item in evidence]
    assert strengths == sorted(strengths, reverse=True)
    for item in evidence:
        assert item.kind in KINDS
        assert item.node == node
        assert node in item.sentence
        assert item.sentence.endswith(".")
        assert item.strength >= 1
        assert json.loads(json.dumps(item.figures, allow_nan=False)) == item.figures
    return {item.kind: item for item in evidence}


SHAPE = (1, 9216, 1, 4)


def norm(tf, shape=SHAPE, eps=1e-6):
    """Make an instance norm as frozen graphs have it, the input's gradient stopped behind an Identity."""
    x = placeholder(tf, "x", shape)
    mean = tf.reduce_mean(x, [1, 2], keepdims=True, name="mean")
    squares = tf.math.squared_difference(x, tf.stop_gradient(mean), name="squares")
    variance = tf.reduce_mean(squares, [1, 2], keepdims=True, name="variance")
    factor = tf.math.rsqrt(tf.add(variance, eps, name="add"), name="factor")
    tf.multiply(tf.subtract(x, mean, name="centred"), factor, name="out")


class TestAveragePool:
    def test_a_large_window_stagnates_as_a_mean_does(self):
        def build(tf):
            x = placeholder(tf, "x", (1, 9216, 2, 4))
            tf.raw_ops.AvgPool(
                value=x, ksize=[1, 9216, 2, 1], strides=[1, 1, 1, 1], padding="VALID", name="pool"
            )
            tf.reduce_mean(x, [1, 2], keepdims=True, name="mean")

        graph, feeds = frozen(build, "pool", "mean"), {"x": np.abs(normal(1, 9216, 2, 4))}
        pool, mean = (explained(graph, name, feeds) for name in ("pool", "mean"))
        assert pool["stagnation"].figures == mean["stagnation"].figures
        assert explained(graph, "pool", feeds, "int8-fp32") == {}

    @pytest.mark.parametrize("padding", ["SAME", "VALID"])
    def test_windows_that_slide(self, padding):
        def build(tf):
            x = placeholder(tf, "x", (1, 7, 6, 3))
            tf.raw_ops.AvgPool(
                value=x, ksize=[1, 3, 2, 1], strides=[1, 2, 3, 1], padding=padding, name="pool"
            )

        x = np.full((1, 7, 6, 3), 100, np.float32)
        x[0, 0, 0, 1] = x[0, 1, 0, 1] = 60000  # SAME: two of three rows of this window are in the image
        item = explained(frozen(build, "pool"), "pool", {"x": x})["overflow"]
        assert item.figures["tensor"] == "the running sum"
        assert "along axis 1" in item.sentence
        assert item.figures["terms"] == 3
        assert item.figures["largest"] == (120000 if padding == "SAME" else 120100)

    def test_little_windows_of_ordinary_numbers_have_nothing_to_say(self):
        def build(tf):
            x = placeholder(tf, "x", (1, 8, 8, 3))
            tf.raw_ops.AvgPool(value=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME", name="pool")

        assert explained(frozen(build, "pool"), "pool", {"x": normal(1, 8, 8, 3)}) == {}


class TestInstanceNorm:
    @pytest.fixture(scope="class")
    @staticmethod
    def graph():
        return frozen(norm, "out")

    def test_ordinary_numbers_at_fp16(self, graph):
        feeds = {"x": normal(*SHAPE)}
        item = explained(graph, "variance", feeds)["stagnation"]
        assert item.figures["terms"] == 9216
        assert item.figures["sums"] == 4
        assert set(explained(graph, "mean", feeds)) == {"accumulated rounding"}
        assert {kind: item.strength for kind, item in explained(graph, "add", feeds).items()} == {
            "underflow": 1
        }
        for name in ("squares", "factor", "centred", "out"):
            assert explained(graph, name, feeds) == {}

    def test_ordinary_numbers_at_fp32(self, graph):
        feeds = {"x": normal(*SHAPE)}
        for name in ("mean", "variance", "squares", "add", "factor", "centred", "out"):
            assert explained(graph, name, feeds, "int8-fp32") == {}

    def test_large_numbers(self, graph):
        feeds = {"x": 400 * normal(*SHAPE)}
        squares = explained(graph, "squares", feeds)["overflow"]
        assert "of the output of squares lie beyond 65504" in squares.sentence
        assert explained(graph, "squares", feeds, "int8-fp32") == {}
        scales = QuantizationScales(8, {})
        evidence = evidence_of("variance", graph, parse_precision("int8-fp16"), scales, goldens(graph, feeds))
        assert {(item.kind, item.figures["tensor"]) for item in evidence} == {
            ("overflow", "the output"),
            ("overflow", "operand 0 (squares)"),
        }

    def test_the_running_sum_alone_overflows(self, graph):
        item = explained(graph, "variance", {"x": 3 * normal(*SHAPE)})["overflow"]
        assert item.figures["tensor"] == "the running sum"
        assert item.figures["largest"] == pytest.approx(9 * 9216, rel=0.1)
        assert item.figures["result"] == pytest.approx(9, rel=0.1)

    def test_a_mean_far_larger_than_the_spread(self, graph):
        feeds = {"x": normal(*SHAPE) + np.array([0, 0, 300, 0], np.float32)}
        for name in ("squares", "centred"):
            item = explained(graph, name, feeds)["cancellation"]
            assert item.figures["worst_channel"] == 2
            assert item.figures["amplification"] == pytest.approx(300 * np.sqrt(2), rel=0.05)
            assert set(explained(graph, name, feeds, "int8-fp32")) == {"cancellation"}

    def test_flat_channels(self):
        graph = frozen(lambda tf: norm(tf, (1, 8, 8, 16)), "out")
        scale = np.ones(16, np.float32)
        scale[3] = 1e-6
        feeds = {"x": normal(1, 8, 8, 16) * scale}
        found = explained(graph, "factor", feeds)
        assert found["magnification"].figures["position"] == 3
        assert found["magnification"].figures["factor"] == pytest.approx(1000, rel=0.01)
        assert found["underflow"].figures["count"] == 1
        assert explained(graph, "add", feeds)["underflow"].strength > 3
        assert set(explained(graph, "factor", feeds, "int16-fp32")) == {"magnification"}
        assert explained(graph, "squares", feeds)["underflow"].figures["worst_channel"] == 3


class TestFixedPointOperators:
    def test_input_and_filter_of_a_convolution(self):
        filters = normal(3, 3, 8, 4, seed=1)
        filters[..., 2] *= 60

        def build(tf):
            tf.nn.conv2d(placeholder(tf, "x", (1, 16, 16, 8)), filters, 1, "SAME", name="conv")

        graph, feeds = frozen(build, "conv"), {"x": normal(1, 16, 16, 8)}
        feeds["x"][0, 0, 0, 0] = 300
        evidence = evidence_of(
            "conv", graph, parse_precision("int8-fp32"), naive_scales(graph, feeds, 8), goldens(graph, feeds)
        )
        said = {(item.kind, item.figures["tensor"]): item.figures for item in evidence}
        assert {"quantisation step", "outliers"} <= {kind for kind, tensor in said if tensor == "input"}
        assert said["uneven channels", "filter"]["channel"] == 2
        assert ("outliers", "filter") not in said
        assert explained(graph, "conv", feeds, "int16-fp32", scales=naive_scales(graph, feeds, 16)) == {}

    def test_a_stale_scale(self):
        def build(tf):
            tf.linalg.matmul(placeholder(tf, "x", (16, 32)), normal(32, 8), name="matmul")

        graph, feeds = frozen(build, "matmul"), {"x": normal(16, 32)}
        naive = naive_scales(graph, feeds, 8)
        scales = QuantizationScales(8, {**naive.scales, "matmul/input": 2 * naive.scales["matmul/input"]})
        item = explained(graph, "matmul", feeds, scales=scales)["saturation"]
        assert item.figures["tensor"] == "input"
        assert item.figures["largest_level"] == pytest.approx(254, abs=0.1)
        assert "saturation" not in explained(graph, "matmul", feeds, scales=naive)

    def test_a_depthwise_convolution_is_not_in_fixed_point(self):
        filters = normal(3, 3, 6, 2, seed=2)
        filters[:, :, 4, 1] *= 60

        def build(tf):
            tf.nn.depthwise_conv2d(placeholder(tf, "x", (1, 8, 8, 6)), filters, [1] * 4, "SAME", name="conv")

        graph, feeds = frozen(build, "conv"), {"x": normal(1, 8, 8, 6)}
        assert explained(graph, "conv", feeds, scales=naive_scales(graph, feeds, 8)) == {}

    def test_a_transposed_convolution_has_its_arguments_elsewhere(self):
        filters = normal(3, 3, 6, 2, seed=2)
        filters[:, :, 4, :] *= 60

        def build(tf):
            x = placeholder(tf, "x", (1, 8, 8, 2))
            tf.nn.conv2d_transpose(x, filters, (1, 8, 8, 6), 1, "SAME", name="conv")

        graph, feeds = frozen(build, "conv"), {"x": normal(1, 8, 8, 2)}
        scales = QuantizationScales(8, {**naive_scales(graph, feeds, 8).scales, "conv/input": 2.0})
        evidence = evidence_of("conv", graph, parse_precision("int8-fp32"), scales, goldens(graph, feeds))
        said = {(item.kind, item.figures["tensor"]): item.figures for item in evidence}
        assert said["uneven channels", "filter"]["channel"] == 4
        assert said["quantisation step", "input"]["step"] == 0.5

    def test_filters_are_no_halves(self):
        def build(tf):
            tf.nn.conv2d(
                placeholder(tf, "x", (1, 4, 4, 2)), 1e-6 * normal(1, 1, 2, 2), 1, "SAME", name="conv"
            )

        graph, feeds = frozen(build, "conv"), {"x": 1e6 * np.ones((1, 4, 4, 2), np.float32)}
        scales = plain_scales(graph, 8, input=127e-6, filter=127e6)
        found = explained(graph, "conv", feeds, scales=scales)
        assert found["overflow"].figures["tensor"] == "operand 0 (x)"
        assert "underflow" not in found


class TestOperands:
    def test_values_are_looked_for_behind_an_identity(self):
        def build(tf):
            x = tf.identity(placeholder(tf, "x", (1, 4096, 1, 1)), name="same")
            tf.reduce_mean(x, [1, 2], name="mean")

        graph, x = frozen(build, "mean"), np.ones((1, 4096, 1, 1), np.float32)
        known = {"x": x, "mean": np.ones((1, 1), np.float32)}
        assert "stagnation" in explained(graph, "mean", {}, values=known.__getitem__)

    def test_nothing_is_said_without_goldens(self):
        graph = frozen(norm, "out")
        for name in ("mean", "variance", "factor", "add", "centred", "squares"):
            assert explained(graph, name, {}, values=nothing) == {}

    def test_a_constant_needs_no_golden(self):
        graph = frozen(lambda tf: tf.multiply(placeholder(tf), 1e-7, name="out"), "out")
        item = explained(graph, "out", {}, values=nothing)["underflow"]
        assert item.figures["relative_error"] == pytest.approx(0.192, abs=0.001)  # 2 · 2^-24 in place of 1e-7

    def test_second_outputs_are_not_taken_for_first_ones(self):
        def build(tf):
            _, second = tf.split(placeholder(tf, "x", (16, 4)), 2, axis=1, name="split")
            tf.multiply(second, 2.0, name="out")

        graph = frozen(build, "out")
        known = {"split": np.full((16, 2), 1e6, np.float32), "out": np.ones((16, 2), np.float32)}
        assert explained(graph, "out", {}, values=known.__getitem__) == {}

    def test_small_operands_lose_digits_too(self):
        graph = frozen(lambda tf: tf.multiply(placeholder(tf, "x", (4, 4)), 1e4, name="out"), "out")
        found = explained(graph, "out", {"x": np.full((4, 4), 1e-6, np.float32)})
        assert found["underflow"].figures["tensor"] == "operand 0 (x)"

    def test_only_a_constant_is_taken_for_an_epsilon(self):
        small = np.full((4, 4), 1e-6, np.float32)
        graph = frozen(
            lambda tf: tf.add(placeholder(tf, "x", (4, 4)), placeholder(tf, "y", (4, 4)), name="out"), "out"
        )
        assert "constant" not in explained(graph, "out", {"x": small, "y": small})["underflow"].figures
        graph = frozen(lambda tf: tf.add(placeholder(tf, "x", (4, 4)), 1e-6, name="out"), "out")
        assert "constant" in explained(graph, "out", {"x": small + 1})["underflow"].figures
        graph = frozen(
            lambda tf: tf.add_n(
                [placeholder(tf, name, (4, 4)) for name in "xy"] + [tf.constant(small)], name="out"
            ),
            "out",
        )
        assert (
            explained(graph, "out", {"x": small, "y": small + 1})["underflow"].figures["tensor"]
            == "operand 0 (x)"
        )
        assert explained(graph, "out", {"x": small + 1, "y": small + 1}) == {}

    def test_constant_divisors_magnify_nothing(self):
        """They are as exact as a half, and do not depend on what was inherited."""
        divisors = np.geomspace(1e-3, 1, 16, dtype=np.float32)
        graph = frozen(lambda tf: tf.divide(placeholder(tf, "x", (4, 16)), divisors, name="out"), "out")
        assert explained(graph, "out", {"x": normal(4, 16)}) == {}
        graph = frozen(
            lambda tf: tf.divide(placeholder(tf, "x", (4, 16)), placeholder(tf, "y", (16,)), name="out"),
            "out",
        )
        assert set(explained(graph, "out", {"x": normal(4, 16), "y": divisors})) == {"magnification"}

    def test_integers_are_no_halves(self):
        graph = frozen(lambda tf: tf.reshape(placeholder(tf, "x", (2, 40000)), [80000], name="out"), "out")
        assert explained(graph, "out", {"x": normal(2, 40000)}) == {}

    def test_of_values_that_are_not_finite_nothing_is_said(self):
        graph = frozen(norm, "out")
        known = {
            "x": np.full((1, 96, 96, 4), np.inf, np.float32),
            "mean": np.full((1, 1, 1, 4), np.nan, np.float32),
        }
        for name in ("mean", "squares", "centred"):
            assert explained(graph, name, {}, values=known.__getitem__) == {}

    def test_a_sum_is_no_mean(self):
        graph = frozen(lambda tf: tf.reduce_sum(placeholder(tf, "x", (2, 70000)), 1, name="out"), "out")
        scales, feeds = QuantizationScales(8, {}), {"x": np.full((2, 70000), 32.0, np.float32)}
        (item,) = evidence_of("out", graph, parse_precision("int8-fp16"), scales, goldens(graph, feeds))
        assert (item.kind, item.figures["tensor"]) == ("overflow", "the output")

    def test_a_large_mask(self):
        graph = frozen(lambda tf: tf.add(placeholder(tf, "x", (4, 4)), -1e9 * np.eye(4), name="out"), "out")
        found = explained(graph, "out", {}, values=nothing)
        assert found["overflow"].figures["largest"] == pytest.approx(1e9)

    @pytest.mark.parametrize("operator", ["exp", "softmax"])
    def test_large_exponents(self, operator):
        build = {
            "exp": lambda tf, x: tf.exp(x, name="out"),
            "softmax": lambda tf, x: tf.nn.softmax(x, name="out"),
        }
        graph = frozen(lambda tf: build[operator](tf, placeholder(tf, "x", (1, 40))), "out")
        loud = {"x": np.full((1, 40), -50, np.float32) + normal(1, 40)}
        found = explained(graph, "out", loud)
        assert found["magnification"].figures["largest"] == pytest.approx(50, abs=4)
        assert "magnification" not in explained(graph, "out", loud, "int8-fp32")
        assert explained(graph, "out", {"x": normal(1, 40)}) == {}

    def test_sums_of_several(self):
        def build(tf):
            x = placeholder(tf, "x", (32, 4))
            tf.add_n([x, placeholder(tf, "y", (32, 4)), placeholder(tf, "z", (32, 4))], name="out")

        x, y = 50 * normal(32, 4), 50 * normal(32, 4, seed=1)
        graph, feeds = frozen(build, "out"), {"x": x, "y": y, "z": normal(32, 4, seed=2) - x - y}
        assert set(explained(graph, "out", feeds)) == {"cancellation"}
        assert explained(graph, "out", {**feeds, "z": normal(32, 4, seed=2)}) == {}


class TestNetwork:
    def test_a_network_that_is_well_has_no_evidence_at_the_highest_precision(self):
        graph, feeds = small_network.graph(), small_network.feeds()
        scales = calibrate(largest_magnitudes(graph, [feeds]), 16)
        values = goldens(graph, feeds)
        for name in judgeable_nodes(graph):
            assert explained(graph, name, feeds, "int16-fp32", scales=scales, values=values) == {}

    def test_with_coarse_steps_it_suffers_at_its_fixed_point_operators_alone(self):
        graph, feeds = small_network.graph(), small_network.feeds()
        naive = calibrate(largest_magnitudes(graph, [feeds]), 8)
        coarse = QuantizationScales(8, {key: scale / 8 for key, scale in naive.scales.items()})
        values = goldens(graph, feeds)
        said = {
            name: set(explained(graph, name, feeds, "int8-fp32", scales=coarse, values=values))
            for name in judgeable_nodes(graph)
        }
        fixed = {key.rpartition("/")[0] for key in naive.scales}
        assert {name for name, kinds in said.items() if "quantisation step" in kinds} == fixed
        assert not any(kinds for name, kinds in said.items() if name not in fixed)

    def test_goldens_are_what_tensorflow_computes(self):
        graph, feeds = small_network.graph(), small_network.feeds()
        assert np.array_equal(goldens(graph, feeds)("score"), in_float64(graph, feeds)["score"].astype("f4"))

    def test_unknown_nodes_and_scales_of_another_width(self):
        graph, scales = small_network.graph(), QuantizationScales(8, {})
        with pytest.raises(UsageError, match="node 'scores' is not in graph"):
            evidence_of("scores", graph, parse_precision("int8-fp16"), scales, nothing)
        with pytest.raises(ValueError, match="8 bits say nothing of int16-fp32"):
            evidence_of("score", graph, parse_precision("int16-fp32"), scales, nothing)
