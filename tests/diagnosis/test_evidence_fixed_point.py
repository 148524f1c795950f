"""Fixed point: known signal-to-noise ratios, and the project's exact quantiser as the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.diagnosis.evidence.quantization_step import (
    FixedPointTensor,
    coarse_step,
    outliers,
    rounding,
    saturation,
    uneven_channels,
)
from conformance.numerics.fixed_point import quantization_scale, quantize
from conformance.quantization.parameter_file import as_written


def tensor(values, scale=None, bits=8):
    """Return a tensor with ``scale``, or the naive one."""
    rows = np.asarray(values, np.float32)
    rows = rows if rows.ndim == 2 else rows.reshape(-1, 1)
    naive = as_written(quantization_scale(float(np.abs(rows).max()), bits))
    return FixedPointTensor("input", rows, scale or naive, bits)


def said(claim, given_tensor):
    return claim("net/conv", given_tensor, rounding(given_tensor))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def snr(values, scale, bits):
    """Return the signal-to-noise ratio in dB of really quantising ``values``."""
    exact = values.astype(np.float64)
    factor = float(np.float32(scale))
    error = quantize(values, factor, bits) / factor - exact
    return 20 * np.log10(np.linalg.norm(exact) / np.linalg.norm(error))


class TestCoarseStep:
    def test_a_third_of_a_standard_deviation(self):
        item = said(coarse_step, tensor(normal(20000), scale=3.0))
        noise_db = 20 * np.log10(3 * np.sqrt(12))
        assert item.kind == "quantisation step"
        assert item.figures["step_in_standard_deviations"] == pytest.approx(1 / 3, rel=0.02)
        assert item.figures["snr_db"] == pytest.approx(noise_db, abs=0.2)
        assert item.figures["snr_db_int16"] == pytest.approx(noise_db + 20 * np.log10(32767 / 127), abs=0.2)
        assert item.strength == pytest.approx(10 ** (-noise_db / 20) / 0.01, rel=0.02)
        assert item.figures["zeroed_share"] == pytest.approx(0.132, abs=0.01)  # P(|x| < 1/6)
        assert item.sentence.startswith("One step of int8 is 0.33")
        assert "(at int16 it would be 68." in item.sentence

    def test_a_uniform_tensor_fills_its_range_and_loses_little(self):
        """48 dB: the step squared over 12 against the range squared over 3."""
        assert said(coarse_step, tensor(np.linspace(-1, 1, 5000))) is None
        assert rounding(tensor(np.linspace(-1, 1, 5000))).relative_noise == pytest.approx(1 / 254, rel=0.01)

    def test_sixteen_bits_are_compared_with_nothing(self):
        item = said(coarse_step, tensor(normal(2000), scale=3.0, bits=16))
        assert "snr_db_int16" not in item.figures
        assert "at int16" not in item.sentence

    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("values", [np.arange(-127, 128), np.ones(10), np.array([0, 0, 5.0])])
    def test_what_lies_on_the_steps_loses_nothing(self, values, bits):
        item = tensor(values, scale=1.0, bits=bits)
        assert said(coarse_step, item) is None
        assert said(saturation, item) is None

    def test_a_constant_off_the_steps_has_no_spread_but_a_size(self):
        item = said(coarse_step, tensor(np.full(64, 0.4), scale=1.0))
        assert item.figures["step_in_standard_deviations"] == pytest.approx(2.5, rel=1e-6)
        assert item.figures["zeroed_share"] == 1

    @given(
        hnp.arrays(np.float32, st.integers(1, 300), elements=st.floats(-100, 100, width=32)),
        st.floats(0.01, 1.2),
        st.sampled_from([8, 16]),
    )
    def test_the_noise_is_that_of_the_exact_quantiser(self, values, scale, bits):
        scale = as_written(scale)
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        levels = quantize(values, float(np.float32(scale)), 32)
        found = rounding(FixedPointTensor("input", values.reshape(-1, 1), scale, bits))
        exact = values.astype(np.float64) * float(np.float32(scale))
        assert found.noise[0] == pytest.approx(np.square(levels - exact).sum(), rel=1e-3, abs=1e-4)
        assert found.clamped == np.sum((levels < low) | (levels > high))
        assert found.clamped_energy == pytest.approx(
            np.square((exact - np.clip(exact, low, high))[(levels < low) | (levels > high)]).sum(), rel=1e-4
        )


class TestSaturation:
    def test_a_scale_twice_too_large(self):
        values = np.linspace(-1, 1, 1001)
        item = said(saturation, tensor(values, scale=254.0))
        assert item.figures["share"] == pytest.approx(0.5, abs=0.005)
        assert item.figures["largest_level"] == 254
        clamped = np.clip(values, -0.5, 0.5)
        error = np.linalg.norm(values - clamped) / np.linalg.norm(values)
        assert item.figures["relative_error"] == pytest.approx(error, rel=0.02)
        assert item.strength == pytest.approx(error / 0.01, rel=0.02)
        assert "lies beyond the largest int8 number" in item.sentence

    def test_one_value_just_beyond(self):
        item = said(saturation, tensor([127.6, 1.0], scale=1.0))
        assert item.figures["share"] == 0.5
        assert item.strength == pytest.approx(1.0047, rel=1e-3)

    def test_the_range_ends_at_minus_128(self):
        assert said(saturation, tensor([-128.4, 127.4], scale=1.0)) is None

    @given(
        hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(-1e4, 1e4, width=16)),
        st.sampled_from([8, 16]),
    )
    def test_naive_scales_clamp_nothing(self, values, bits):
        if values.any():
            assert said(saturation, tensor(values, bits=bits)) is None


class TestOutliers:
    def test_one_value_that_stretches_the_range(self):
        values = normal(100000)
        values[5] = 400
        item = said(outliers, tensor(values))
        quantile = np.quantile(np.abs(values), 0.999)
        assert item.kind == "outliers"
        assert item.figures["ratio"] == pytest.approx(400 / quantile, rel=0.01)
        assert item.figures["count"] == pytest.approx(100, abs=1)
        assert item.strength == pytest.approx(item.figures["ratio"] / 4)
        scale = quantization_scale(float(item.figures["quantile"]), 8)
        assert item.figures["snr_db_clamped"] == pytest.approx(snr(values, scale, 8), abs=0.3)
        assert item.figures["snr_db"] == pytest.approx(snr(values, tensor(values).scale, 8), abs=0.3)

    def test_zeros_do_not_count(self):
        values = np.concatenate([np.zeros(10**6), normal(2000), [500]])
        quantile = np.sort(np.abs(normal(2000)))[-2]  # the third largest of 2001
        assert said(outliers, tensor(values)).figures["ratio"] == pytest.approx(500 / quantile, rel=0.2)

    @pytest.mark.parametrize("name", ["normal", "exponential", "uniform", "laplace"])
    def test_ordinary_distributions_have_none(self, name):
        values = getattr(np.random.default_rng(1), name)(size=200000)
        assert said(outliers, tensor(values)) is None

    def test_neither_have_few_values_nor_sixteen_bits(self):
        values = normal(100000)
        values[5] = 40
        assert said(outliers, tensor(values)) is not None
        assert said(outliers, tensor(values, bits=16)) is None
        assert said(outliers, tensor([0.15] * 500 + [40])) is None

    @given(st.permutations(range(8)), st.sampled_from([0.25, 8.0]))
    def test_order_and_scale_do_not_matter(self, order, factor):
        values = normal(8, 500)
        values[3, 7] = 90
        first, second = said(outliers, tensor(values)), said(outliers, tensor(factor * values[list(order)]))
        assert first.strength == pytest.approx(second.strength)
        assert first.figures["snr_db"] == pytest.approx(second.figures["snr_db"], abs=0.1)


class TestUnevenChannels:
    def test_the_channel_that_stretches_the_range(self):
        factors = np.ones(32)
        factors[17] = 40
        item = said(uneven_channels, tensor(normal(5000, 32) * factors))
        assert (item.figures["channel"], item.figures["channels"]) == (17, 32)
        assert item.figures["narrow_channels"] == 31
        assert item.figures["ratio"] == pytest.approx(40, rel=0.2)
        assert item.strength == pytest.approx(item.figures["ratio"] / 4)
        assert item.sentence.startswith("Channel 17 of the input of net/conv reaches")

    def test_even_channels_and_dead_ones(self):
        assert said(uneven_channels, tensor(normal(5000, 32))) is None
        assert said(uneven_channels, tensor(normal(7, 32) ** 5)) is None  # too few values
        assert said(uneven_channels, tensor(normal(9, 32) ** 5)) is not None
        dead = normal(5000, 32) * (np.arange(32) % 4 == 0)
        assert said(uneven_channels, tensor(dead)) is None

    def test_nothing_is_lost_at_sixteen_bits(self):
        values = normal(5000, 8) * np.array([40, *np.ones(7)])
        assert said(uneven_channels, tensor(values, bits=16)) is None
        assert said(uneven_channels, tensor(values)) is not None

    @given(st.permutations(range(8)))
    def test_the_order_of_channels_does_not_matter(self, order):
        values = normal(500, 8) * np.array([40, *np.ones(7)])
        first, second = (
            said(uneven_channels, tensor(values)),
            said(uneven_channels, tensor(values[:, list(order)])),
        )
        assert second.figures["channel"] == order.index(0)
        assert first.strength == second.strength
