"""Cancellation and magnification: known factors, and rounding carried out as the oracle of what it costs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.diagnosis.evidence.cancellation import (
    MOST,
    amplification,
    cancellation,
    large_exponents,
    large_factors,
    limit,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def halves(values):
    return values.astype(np.float16).astype(np.float32)


class TestAmplification:
    def test_known(self):
        left, right = np.full((16, 1), 1001, np.float32), np.full((16, 1), -1000, np.float32)
        assert amplification([left, right], left + right) == pytest.approx([np.hypot(1001, 1000)])

    def test_per_channel_and_broadcast(self):
        values = normal(1, 8, 8, 3) + np.array([0, 10, 1000], np.float32)
        mean = values.mean(axis=(1, 2), keepdims=True)
        factors = amplification([values, mean], values - mean)
        spread = values.std(axis=(0, 1, 2))
        assert factors[0] == pytest.approx(1, abs=0.1)
        assert factors[1:] == pytest.approx(np.sqrt(2) * np.array([10, 1000]) / spread[1:], rel=0.05)

    def test_channels_of_few_values_are_taken_together(self):
        assert amplification([normal(4, 8), normal(4, 8, seed=1)], normal(4, 8)).shape == (1,)

    def test_what_cancels_entirely_is_bounded_and_nothing_is_one(self):
        same = np.full((16, 2), 3.0, np.float32) * np.array([1, 0], np.float32)
        assert amplification([same, -same], same - same).tolist() == [MOST, 1.0]

    @given(
        hnp.arrays(np.float32, (16, 2), elements=st.floats(-8, 8, width=16)),
        hnp.arrays(np.float32, (16, 2), elements=st.floats(-8, 8, width=16)),
        st.sampled_from([2.0**-6, 2.0**9]),
    )
    def test_neither_scale_nor_order_matters(self, left, right, scale):
        factors = amplification([left, right], left + right)
        scaled = amplification([right * np.float32(scale), left * np.float32(scale)], (left + right) * scale)
        assert scaled == pytest.approx(factors)
        assert (factors >= 1 / np.sqrt(2) - 1e-9).all()
        assert (factors <= MOST).all()

    @pytest.mark.parametrize("offset", [30, 300, 3000])
    def test_rounding_the_operands_costs_what_is_stated(self, offset):
        left, right = normal(4096, 1) + offset, normal(4096, 1, seed=1) - offset
        suffered = np.linalg.norm(halves(left) + halves(right) - (left + right)) / np.linalg.norm(
            left + right
        )
        item = cancellation("a/sub", [left, right], left + right, 16)
        assert 0.2 < suffered / item.figures["rounding"] < 1


class TestCancellation:
    def test_limits(self):
        assert limit(16) == pytest.approx(20.48)
        assert limit(32) == 100

    @pytest.mark.parametrize(
        ("float_bits", "offset", "stated"), [(16, 18, True), (16, 10, False), (32, 18, False)]
    )
    def test_stated_from_the_limit_on(self, float_bits, offset, stated):
        left, right = normal(4096, 1) + offset, np.full((4096, 1), -offset, np.float32)
        item = cancellation("a/sub", [left, right], left + right, float_bits)
        assert (item is not None) == stated

    def test_sentence_and_strength(self):
        left = np.stack([np.full(16, 1001), np.full(16, 1)], 1).astype(np.float32)
        right = np.stack([np.full(16, -1000), np.full(16, 1)], 1).astype(np.float32)
        item = cancellation("a/sub", [left, right], left + right, 32)
        assert item.strength == pytest.approx(14.149, rel=1e-4)
        assert (item.figures["worst_channel"], item.figures["channels_over"]) == (0, 1)
        assert (
            "The operands of a/sub cancel: they are 1.41e+03 times as large as the result in channel 0"
            in (item.sentence)
        )
        assert "This affects 1 of 2 channels." in item.sentence

    @given(st.integers(0, 2**32 - 2))
    def test_independent_operands_do_not_cancel(self, seed):
        left, right = normal(64, 4, seed=seed), normal(64, 4, seed=seed + 1)
        assert cancellation("a", [left, right], left + right, 16) is None


class TestMagnification:
    def test_one_flat_channel(self):
        variances = np.array([1.0] * 15 + [1e-4], np.float32).reshape(1, 1, 1, 16)
        item = large_factors("norm/Rsqrt", variances, 0.5)
        assert item.kind == "magnification"
        assert item.figures["ratio"] == pytest.approx(100)
        assert (item.figures["position"], item.figures["count"]) == (15, 1)
        assert item.strength == pytest.approx(10)
        assert "norm/Rsqrt turns 0.0001 into 100, 100 times its median" in item.sentence

    def test_a_divisor_counts_by_its_magnitude(self):
        divisors = np.array([1.0] * 15 + [-0.01], np.float32)
        assert large_factors("a/div", divisors, 1.0).figures["factor"] == pytest.approx(100)

    @pytest.mark.parametrize("divisors", [np.linspace(0.5, 2, 64), np.array([1, 1, 1e-6]), np.zeros(16)])
    def test_even_few_or_no_factors(self, divisors):
        assert large_factors("a", divisors.astype(np.float32), 1.0) is None

    @given(st.integers(0, 2**32 - 1), st.sampled_from([2.0**-8, 2.0**8]))
    def test_scale_and_order_do_not_matter(self, seed, scale):
        random = np.random.default_rng(seed)
        divisors = random.lognormal(0, 3, 40).astype(np.float32)
        first, second = (
            large_factors("a", divisors, 1.0),
            large_factors("a", divisors[::-1] * np.float32(scale), 1.0),
        )
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            assert first.strength == pytest.approx(second.strength)

    def test_exponents(self):
        exponents = np.linspace(25, 30, 500).astype(np.float32) + normal(500) * 0.1
        item = large_exponents("a/exp", exponents, np.exp(exponents))
        suffered = np.exp(halves(exponents).astype(np.float64)) - np.exp(exponents.astype(np.float64))
        suffered = np.linalg.norm(suffered) / np.linalg.norm(np.exp(exponents.astype(np.float64)))
        assert 0.2 < suffered / item.figures["relative_error"] < 1

    def test_small_exponents(self):
        exponents = np.linspace(-60, 15, 100).astype(np.float32)
        assert large_exponents("a/exp", exponents, np.exp(exponents)) is None
