"""What a half cannot hold: NumPy's own float16 as the oracle of overflow, lost digits and lost addends."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.diagnosis.evidence.half_range import (
    overflow,
    rounding_of_small,
    small_addend,
    small_divisor,
    underflow,
)
from conformance.diagnosis.evidence.statement import Tensor

LIMIT = 2.0**-8
EPSILON_ERROR = abs(float(np.float16(1e-6)) / 1e-6 - 1)
"""1.3 %: how far the half nearest to 1e-6, 17 · 2^-24, is off."""


def tensor(*values):
    return Tensor("the output", np.array(values, np.float32))


def channels(rows, *scales):
    """Return a tensor whose channels are standard normal numbers times ``scales``."""
    values = np.random.default_rng(0).standard_normal((rows, len(scales))) * scales
    return Tensor("the output", values.astype(np.float32))


ANY = hnp.arrays(
    np.float32, hnp.array_shapes(max_dims=3, max_side=6), elements=st.floats(-(2.0**17), 2.0**17, width=32)
)


class TestOverflow:
    def test_known(self):
        item = overflow("a/mul", tensor(1.0, 7e4, -1e5, 65504))
        assert item.kind == "overflow"
        assert item.figures["largest"] == 1e5
        assert (item.figures["beyond"], item.figures["share_beyond"]) == (2, 0.5)
        lost = np.hypot(7e4 - 65504, 1e5 - 65504) / np.sqrt(1 + 7e4**2 + 1e5**2 + 65504**2)
        assert item.figures["relative_error"] == pytest.approx(lost)
        assert item.strength == pytest.approx(lost / 0.01)
        assert item.sentence.startswith("2 of 4 values of the output of a/mul lie beyond 65504")

    def test_just_beyond_the_limit_is_just_at_strength_one(self):
        assert overflow("a", tensor(65520.0)).strength == pytest.approx(65520 / 65504)

    @pytest.mark.parametrize("value", [0.0, 65504.0, -65519.996])
    def test_what_rounds_to_65504_does_not_overflow(self, value):
        assert overflow("a", tensor(value, 1.0)) is None

    @given(ANY)
    def test_stated_exactly_where_numpy_makes_infinities(self, values):
        with np.errstate(over="ignore"):
            infinite = np.isinf(values.astype(np.float16))
        item = overflow("a", Tensor("the output", values))
        assert (item is not None) == infinite.any()
        if item is not None:
            assert item.figures["beyond"] == infinite.sum()
            assert item.strength >= 1


class TestUnderflow:
    def test_a_tensor_of_epsilons(self):
        item = underflow("a/eps", Tensor("the output", np.full((4, 4, 8), 1e-6, np.float32)))
        assert item.figures["relative_error"] == pytest.approx(EPSILON_ERROR, rel=1e-4)
        assert item.strength == pytest.approx(EPSILON_ERROR / LIMIT, rel=1e-4)
        assert item.figures["share_below_normal"] == 1
        assert item.figures["share_below_smallest"] == 0
        assert "100 % of the output of a/eps lie below 2^-14" in item.sentence

    def test_what_is_below_the_smallest_half_is_lost(self):
        item = underflow("a", tensor(1e-9, -1e-9))
        assert item.figures["relative_error"] == 1
        assert item.figures["share_below_smallest"] == 1
        assert item.strength == 256

    def test_the_faint_channel_is_named(self):
        item = underflow("a", channels(64, 1.0, 2.0, 1e-7, 1.0))
        assert item.figures["worst_channel"] == 2
        assert item.figures["relative_error"] > 0.1
        assert "wrong (RMS) in channel 2." in item.sentence

    @pytest.mark.parametrize(
        "harmless",
        [
            channels(64, 1.0, 0.1),
            tensor(0.0, 0.0),
            tensor(1.0, 1e-9, 1e-6, 0.0),
            Tensor("the output", np.zeros((20, 2), np.float32)),
        ],
    )
    def test_small_values_beside_large_ones_do_not_matter(self, harmless):
        assert underflow("a", harmless) is None

    @given(hnp.arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 2.0**-15, width=32)))
    def test_stated_exactly_where_numpy_loses_eight_roundoffs(self, values):
        exact = values.astype(np.float64)
        lost = exact - values.astype(np.float16).astype(np.float64)
        assume(exact.any())
        error = np.linalg.norm(lost / exact.max()) / np.linalg.norm(exact / exact.max())
        assume(abs(error - LIMIT) > 1e-6)
        item = underflow("a", Tensor("the output", values))
        assert (item is not None) == (error > LIMIT)
        if item is not None and exact.max() > 1e-30:
            assert item.figures["relative_error"] == pytest.approx(error, rel=1e-6)

    @given(ANY)
    def test_only_what_lies_below_the_normal_halves_is_counted(self, values):
        small = np.abs(values) < 2.0**-14
        lost = rounding_of_small(values)
        assert not lost[~small].any()
        assert (np.abs(lost) <= 2.0**-25).all()


class TestSmallDivisor:
    def test_epsilon_under_a_root(self):
        values = np.array([1.0] * 30 + [1e-6], np.float32).reshape(1, 1, 31)
        item = small_divisor("norm/Rsqrt", Tensor("operand 0 (add)", values), 0.5)
        assert item.figures["relative_error"] == pytest.approx(EPSILON_ERROR / 2, rel=1e-4)
        assert item.figures["count"] == 1
        assert "1e-06 makes it 0.66 %" in item.sentence

    def test_a_reciprocal_suffers_twice_as_much(self):
        half, one = (small_divisor("a", tensor(1.0, 1e-6), power) for power in (0.5, 1.0))
        assert one.strength == pytest.approx(2 * half.strength)

    def test_nothing_is_left_of_what_is_below_half_of_the_smallest(self):
        assert small_divisor("a", tensor(1e-9, 1.0), 1.0).figures["relative_error"] == 1

    @pytest.mark.parametrize("values", [(1.0, 0.1), (1e-3, 2.0**-14), (0.0, 1.0), (2.0**-20, 1.0)])
    def test_exact_and_normal_divisors(self, values):
        assert small_divisor("a", tensor(*values), 1.0) is None


class TestSmallAddend:
    EPSILON = tensor(1e-6)

    def test_lost_beside_ordinary_variances(self):
        item = small_addend("norm/add", self.EPSILON, tensor(0.5, 1.0, 3.0))
        assert (item.kind, item.strength) == ("underflow", 1.0)
        assert item.figures["lost"] == 3
        assert item.figures["constant_error"] == pytest.approx(EPSILON_ERROR, rel=1e-4)
        assert "The constant 1e-06 of norm/add lies below 2^-14" in item.sentence
        assert "Beside 3 of 3 values it is lost" in item.sentence

    def test_all_that_is_left_of_a_flat_channel(self):
        item = small_addend("norm/add", self.EPSILON, tensor(1.0, 0.0))
        assert item.figures["lost"] == 1
        assert item.figures["relative_error"] == pytest.approx(EPSILON_ERROR, rel=1e-4)
        assert item.strength == pytest.approx(EPSILON_ERROR / LIMIT, rel=1e-4)

    def test_one_that_a_half_does_not_have_at_all(self):
        assert small_addend("norm/add", tensor(1e-8), tensor(1.0, 0.0)).strength == 256

    @pytest.mark.parametrize("constant", [(1e-5,), (1e-3,), (2.0**-20,), (0.0,), (1e-6, 2e-6)])
    def test_constants_that_a_half_holds_well_enough_or_that_are_no_epsilon(self, constant):
        assert small_addend("norm/add", tensor(*constant), tensor(1.0, 0.0)) is None

    @given(hnp.arrays(np.float16, st.integers(1, 20), elements=st.floats(2.0**-12, 2.0**-7, width=16)))
    def test_lost_is_what_changes_no_half(self, others):
        item = small_addend("a", self.EPSILON, Tensor("operand 0", others.astype(np.float32)))
        sums = (others.astype(np.float64) + float(np.float32(1e-6))).astype(np.float16)
        assert item.figures["lost"] == np.sum(sums == others)
