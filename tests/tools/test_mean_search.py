"""Ways of taking a mean differ where they should, and NumPy's network is the emulator's, bit for bit."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import frozen, placeholder
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))

from card.means import (
    FIRST,
    HEIGHT,
    LAST,
    WAYS,
    at_once,
    divided_first,
    divided_last,
    in_blocks,
    in_lanes,
    in_pairs,
    in_turn,
    of_groups,
    over,
    stored,
)
from card.plain_network import PlainNetwork
from card.trials import Trial

from conformance.errors import UsageError
from conformance.quantization.calibration import largest_magnitudes
from conformance.quantization.parameter_file import QuantizationScales

SHAPE = (1, 8, 6, 3)


@pytest.mark.parametrize("name", WAYS)
@given(
    level=st.integers(-8, 8),
    height=st.sampled_from([16, 64, 256]),
    width=st.sampled_from([64, 256]),
)
@settings(max_examples=5, deadline=None)
def test_every_way_is_right_where_nothing_is_rounded(name, level, height, width):
    x = np.zeros((height, width, 2), np.float32)
    x[level, level] = level * height * width * 2.0**-12
    assert WAYS[name](x).tolist() == [level * 2.0**-12] * 2


def test_sums_in_half_stagnate_and_saturate():
    assert in_turn(np.ones((8192, 1), np.float32)) == 4096
    assert in_turn(np.full((3, 1), 30000, np.float32)) == 65504
    assert in_turn(np.full((3, 1), -30000, np.float32)) == -65504
    assert in_turn(np.float32([2048, 1, 1])[:, None]) == 2052  # half a step, away from zero, twice


@pytest.mark.parametrize("total", [in_pairs, in_lanes(64), in_blocks(64)])
def test_partial_sums_stagnate_later(total):
    assert total(np.ones((8192, 1), np.float32)) == 8192


def test_the_axis_that_comes_first_saturates():
    columns = np.zeros((64, 64, 1), np.float32)
    columns[:, 0] = 4096.0  # one column holds everything: its sum is beyond the largest half, no row's is
    assert over(LAST)(columns) == 64
    assert over(FIRST)(columns) == stored(np.float32(65504 / 64 / 64))
    assert over(LAST)(columns.swapaxes(0, 1)) == over(FIRST)(columns)


def test_where_the_division_stands_decides():
    x = np.full((16, 16, 1), 1000, np.float32)
    assert over(LAST)(x) == divided_first(LAST)(x) == 1000
    assert divided_last(LAST)(x) == at_once(over((HEIGHT,)))(x) == stored(np.float32(65504 / 256))
    assert of_groups(16)(x) == 1000


def build(tf):
    random = np.random.default_rng(5)

    def filters(*shape):
        return tf.constant(random.uniform(-1, 1, shape).astype(np.float32))

    def normed(x):
        mean = tf.reduce_mean(x, [1, 2], keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), [1, 2], keepdims=True)
        return (x - mean) / tf.pow(variance + 1e-6, 0.5), (x - mean) * tf.math.rsqrt(variance + 1e-6)

    x = placeholder(tf, "x", SHAPE)
    first, _ = normed(tf.nn.conv2d(x, filters(3, 3, 3, 8), 2, "SAME"))
    wide = tf.nn.conv2d_transpose(tf.nn.relu(first), filters(3, 3, 4, 8), (1, 8, 6, 4), 2, "SAME")
    _, second = normed(wide)
    near = tf.compat.v1.image.resize_nearest_neighbor(first, (8, 6))
    joined = tf.concat([second, near], -1)
    tf.tanh(tf.nn.conv2d(joined, filters(3, 3, 12, 3), 1, "SAME"), name="out")


@pytest.fixture(scope="module")
def tried():
    graph = frozen(build, "out")
    feeds = {"x": np.random.default_rng(9).uniform(0, 255, SHAPE).round().astype(np.float32)}
    scales = {key: 127 / value for key, value in largest_magnitudes(graph, [feeds]).items()}
    return Trial(graph, QuantizationScales(bits=8, scales=scales), feeds)


@pytest.mark.parametrize(
    ("way", "profile"),
    [(at_once(over((HEIGHT,))), "one-pass"), (over(FIRST), "first-axis-first")],
)
def test_the_network_in_numpy_is_the_emulators_bit_for_bit(tried, way, profile):
    plain = PlainNetwork(tried.graph, tried.scales.scales, way).run(tried.feeds)
    assert np.array_equal(plain, tried.on_emulator(f"mlu270,reduction_order={profile}"))
    assert not np.array_equal(
        plain, PlainNetwork(tried.graph, tried.scales.scales, over(LAST)).run(tried.feeds)
    )


def test_larger_kernels_before_a_norm_change_nothing_until_squares_overflow(tried):
    small, double, large = (
        PlainNetwork(tried.graph, tried.scales.scales, over(LAST), factor).run(tried.feeds)
        for factor in (2.0**-4, 2.0**-3, 4.0)
    )
    assert np.abs(double - small).mean() < 0.02
    assert np.abs(large - small).mean() > 0.1


def test_another_operator_is_refused():
    graph = frozen(lambda tf: tf.exp(placeholder(tf, "x", (1, 2)), name="out"), "out")
    with pytest.raises(UsageError, match=r"operator 'Exp' of .* is not one of a style transfer"):
        PlainNetwork(graph, {}, over(FIRST))
