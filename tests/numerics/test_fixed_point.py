"""Fixed point against rational arithmetic: laws are checked in fractions, never in the code's own floats."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.numerics.fixed_point import limits, position_and_scale, quantization_scale, quantize

BITS = st.sampled_from([4, 8, 16, 31])
MAGNITUDES = st.floats(1e-290, 1e290)
ROUNDINGS = ("half-away", "half-up")
RANGES = ("full", "symmetric")
# Floats as they come, and floats whose products with short scales lie in the middle of integers.
VALUES = st.one_of(
    st.floats(-300, 300, width=32),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.integers(-600, 600).map(lambda n: n / 4),
)
SCALES = st.one_of(
    st.floats(2.0**-10, 1e3, width=32), st.sampled_from([0.5, 1.0, 2.0, 10.0, float(np.float32(1 / 3))])
)


def exact_quantize(value, scale, bits, rounding, range_):
    product = Fraction(value) * Fraction(scale)
    half = Fraction(1, 2)
    if rounding == "half-up" or product >= 0:
        rounded = math.floor(product + half)
    else:
        rounded = math.ceil(product - half)
    largest = 2 ** (bits - 1) - 1
    smallest = -largest - (range_ == "full")
    return min(max(rounded, smallest), largest)


@given(VALUES, SCALES, BITS, st.sampled_from(ROUNDINGS), st.sampled_from(RANGES))
def test_quantize_is_exact(value, scale, bits, rounding, range_):
    got = quantize(np.array([value], np.float32), scale, bits, rounding=rounding, range_=range_)
    assert got.dtype == np.int64
    assert got.tolist() == [exact_quantize(value, scale, bits, rounding, range_)]


@pytest.mark.parametrize("value", [0.5 - 2.0**-25, -0.5 + 2.0**-25, 2.0**-149, -(2.0**-149)])
def test_just_below_the_middle_goes_to_zero(value):
    assert quantize(np.array([value], np.float32), 1.0, 8).tolist() == [0]


def test_ties_follow_the_chosen_rounding():
    values = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    assert quantize(values, 1.0, 8, rounding="half-away").tolist() == [-3, -2, -1, 1, 2, 3]
    assert quantize(values, 1.0, 8, rounding="half-up").tolist() == [-2, -1, 0, 1, 2, 3]


def test_values_beyond_the_range_clamp():
    values = np.array([-np.inf, -1e38, -129, -128, 127, 128, 1e38, np.inf], np.float32)
    assert quantize(values, 1.0, 8).tolist() == [-128] * 4 + [127] * 4
    assert quantize(values, 1.0, 8, range_="symmetric").tolist() == [-127] * 4 + [127] * 4
    assert quantize(np.array([1e38, -1e38], np.float32), 2.0**127, 16).tolist() == [32767, -32768]


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1), SCALES, BITS, st.sampled_from(ROUNDINGS))
def test_quantize_is_monotone_and_within_its_limits(values, scale, bits, rounding):
    integers = quantize(np.sort(np.array(values, np.float32)), scale, bits, rounding=rounding)
    assert (np.diff(integers) >= 0).all()
    low, high = limits(bits, "full")
    assert integers.min() >= low
    assert integers.max() <= high


@given(st.floats(-1, 1), st.floats(1e-20, 1e20), BITS, st.sampled_from(ROUNDINGS), st.sampled_from(RANGES))
def test_inside_the_range_the_error_is_half_a_step_at_most(share, max_abs, bits, rounding, range_):
    value = np.float32(share * max_abs)
    scale = float(np.float32(quantization_scale(max_abs, bits)))
    integer = int(quantize(np.array([value]), scale, bits, rounding=rounding, range_=range_)[0])
    step, exact = 1 / Fraction(scale), Fraction(float(value))
    # Scale and value are rounded to float32, so the largest value may lie 2^-23 of its size beyond.
    assert abs(exact - integer * step) <= step / 2 + abs(exact) * Fraction(1, 2**23)


@given(MAGNITUDES, BITS)
def test_position_and_scale_follow_the_formula(max_abs, bits):
    position, scale = position_and_scale(max_abs, bits)
    binade = position + bits - 2
    assert Fraction(2) ** binade <= Fraction(max_abs) < Fraction(2) ** (binade + 1)  # floor(log2)
    exact = Fraction(2) ** position * (2 ** (bits - 1) - 1) / Fraction(max_abs)
    assert abs(Fraction(scale) - exact) <= exact / 2**53
    assert 1 - Fraction(2) ** (1 - bits) < exact < 2


@given(MAGNITUDES, BITS)
def test_scale_by_position_is_the_scale_of_the_file(max_abs, bits):
    position, scale = position_and_scale(max_abs, bits)
    assert Fraction(scale) / Fraction(2) ** position == Fraction(quantization_scale(max_abs, bits))


@pytest.mark.parametrize(
    ("max_abs", "bits", "position", "scale"),
    [
        (139.0, 8, 1, 254 / 139),
        (1.0, 8, -6, 127 / 64),
        (127.0, 8, 0, 1.0),
        (127.5, 8, 0, 127 / 127.5),  # below 1: more than 127 steps of 2^0
        (1.0, 16, -14, 32767 / 16384),
        (0.0, 8, 0, 1.0),
    ],
)
def test_known_positions_and_scales(max_abs, bits, position, scale):
    assert position_and_scale(max_abs, bits) == (position, scale)


def test_the_published_scale_of_an_image_after_subtracting_its_mean():
    # conv1/Conv2D/input:0.913669 in Cambricon's ResNet-50 file is 127 / 139.
    assert f"{quantization_scale(139.0, 8):.6g}" == "0.913669"


@pytest.mark.parametrize(
    ("bits", "full", "symmetric"), [(8, (-128, 127), (-127, 127)), (2, (-2, 1), (-1, 1))]
)
def test_limits(bits, full, symmetric):
    assert limits(bits, "full") == full
    assert limits(bits, "symmetric") == symmetric


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_shapes_and_dtypes(dtype, shape):
    integers = quantize(np.full(shape, 1.5, dtype), 1.0, 8)
    assert (integers.shape, integers.dtype) == (shape, np.int64)
    assert (integers == 2).all()


@pytest.mark.parametrize("max_abs", [0.0, -1.0, math.nan, math.inf, 1e-320])
def test_no_scale_for_such_a_range(max_abs):
    with pytest.raises(ValueError, match=r"max \|x\||largest"):
        quantization_scale(max_abs, 8)


@pytest.mark.parametrize("max_abs", [-1.0, math.nan, math.inf])
def test_no_position_for_such_a_range(max_abs):
    with pytest.raises(ValueError, match="finite"):
        position_and_scale(max_abs, 8)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 0.1, 1 + 2.0**-24])
def test_a_scale_must_be_a_finite_and_positive_float32(scale):
    with pytest.raises(ValueError, match="scale"):
        quantize(np.ones(1, np.float32), scale, 8)


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**1000, float(np.float32(0.1)), 1 + 2.0**-23])
def test_a_scale_may_have_any_exponent(scale):
    """The factor of a profile that knows positions only is a power of two."""
    assert quantize(np.zeros(1, np.float32), scale, 8).tolist() == [0]


def test_what_cannot_be_quantised_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        quantize(np.array([1.0, np.nan], np.float32), 1.0, 8)
    with pytest.raises(ValueError, match="int32"):
        quantize(np.ones(1, np.int32), 1.0, 8)
    with pytest.raises(ValueError, match="float64"):
        quantize(np.ones(1), 1.0, 8)
    with pytest.raises(ValueError, match="half-even"):
        quantize(np.ones(1, np.float32), 1.0, 8, rounding="half-even")
    with pytest.raises(ValueError, match="wide"):
        quantize(np.ones(1, np.float32), 1.0, 8, range_="wide")
    for bits in (1, 33):
        with pytest.raises(ValueError, match=f"not {bits}"):
            quantize(np.ones(1, np.float32), 1.0, bits)
