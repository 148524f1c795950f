"""Rounding to half floats against all boundaries of the 2^16 halves and against NumPy's own conversion."""

import bisect
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.numerics.half import round_to_half

ROUNDINGS = ("ties-away", "ties-even", "toward-zero")
OVERFLOWS = ("saturate", "inf")
TINIES = ("smallest", "nearest")
SWITCHES = list(itertools.product(ROUNDINGS, OVERFLOWS, TINIES))
DTYPES = (np.float32, np.float64)

# The 31744 finite halves from 0 to 65504, in order, and 65536, where the next one would be.
HALVES = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
LADDER = np.append(HALVES, 65536.0)


def oracle(value, rounding, overflow, tiny):
    """Round one value by searching the ladder of halves, in exact float64 arithmetic."""
    if math.isnan(value):
        return value
    magnitude = abs(value)
    if 0 < magnitude < 2.0**-24 and tiny == "smallest":
        return math.copysign(2.0**-24, value)
    above = bisect.bisect_left(LADDER, magnitude)
    if above >= len(LADDER):
        rounded = 65536.0
    elif LADDER[above] == magnitude:
        rounded = magnitude
    else:
        to_lower, to_upper = magnitude - LADDER[above - 1], LADDER[above] - magnitude
        away = rounding == "ties-away" or above % 2 == 0
        up = rounding != "toward-zero" and (to_upper < to_lower or (to_upper == to_lower and away))
        rounded = LADDER[above] if up else LADDER[above - 1]
    if rounded > 65504:
        rounded = 65504.0 if overflow == "saturate" else math.inf
    return math.copysign(rounded, value)


def boundaries(dtype):
    """Return the values below, at and above the middle of every pair of neighbours."""
    middles = ((LADDER[:-1] + LADDER[1:]) / 2).astype(dtype)
    assert np.array_equal(middles.astype(np.float64) * 2, LADDER[:-1] + LADDER[1:])  # every middle is exact
    zero, infinity = dtype(0), dtype(np.inf)
    return np.nextafter(middles, zero), middles, np.nextafter(middles, infinity)


def expected_at_boundaries(rounding, overflow, tiny):
    lower, upper = LADDER[:-1].copy(), LADDER[1:].copy()
    lower_is_even = np.arange(len(lower)) % 2 == 0
    upper[-1] = 65504.0 if overflow == "saturate" else np.inf  # from 65520 on: even is 65536, too
    at = np.where(lower_is_even, lower, upper) if rounding == "ties-even" else upper.copy()
    if rounding == "toward-zero":
        upper = at = lower.copy()
    below = lower
    if tiny == "smallest":
        below[0] = at[0] = upper[0] = 2.0**-24  # 2^-25 and its neighbours
    return below, at, upper


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rounding", "overflow", "tiny"), SWITCHES)
@pytest.mark.parametrize("sign", [1, -1])
def test_every_boundary_between_neighbouring_halves(dtype, rounding, overflow, tiny, sign):
    inputs = boundaries(dtype)
    for values, expected in zip(inputs, expected_at_boundaries(rounding, overflow, tiny), strict=True):
        rounded = round_to_half(values * dtype(sign), rounding=rounding, overflow=overflow, tiny=tiny)
        assert rounded.dtype == dtype
        wrong = np.flatnonzero(rounded.astype(np.float64) != sign * expected)
        assert wrong.size == 0, (values[wrong[:3]], rounded[wrong[:3]], expected[wrong[:3]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_even_inf_nearest_is_the_conversion_of_numpy(dtype):
    random = np.random.default_rng(1)
    with np.errstate(over="ignore"):
        for values in (
            *boundaries(dtype),
            (random.standard_normal(50_000) * 10.0 ** random.integers(-9, 6)).astype(dtype),
        ):
            rounded = round_to_half(values, rounding="ties-even", overflow="inf", tiny="nearest")
            assert np.array_equal(rounded, values.astype(np.float16).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rounding", "overflow", "tiny"), SWITCHES)
def test_every_half_stays_as_it_is(dtype, rounding, overflow, tiny):
    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].astype(dtype)
    rounded = round_to_half(finite, rounding=rounding, overflow=overflow, tiny=tiny)
    assert np.array_equal(rounded, finite)
    assert np.array_equal(np.signbit(rounded), np.signbit(finite))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("overflow", "expected"), [("saturate", 65504.0), ("inf", np.inf)])
def test_values_that_are_not_ordinary(dtype, overflow, expected):
    values = np.array([np.nan, -np.nan, np.inf, -np.inf, np.finfo(dtype).max, 0.0, -0.0], dtype)
    values[1:2].view(f"u{values.itemsize}")[:] = np.iinfo(f"u{values.itemsize}").max  # NaN with every bit set
    rounded = round_to_half(values, rounding="ties-away", overflow=overflow, tiny="nearest")
    assert np.isnan(rounded[:2]).all()
    assert rounded[2:5].tolist() == [expected, -expected, expected]
    assert rounded[5:].tolist() == [0, 0]
    assert np.signbit(rounded[5:]).tolist() == [False, True]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_smallest_subnormal_of_the_wide_type(dtype):
    least = np.array([np.finfo(dtype).smallest_subnormal], dtype)
    assert round_to_half(least, rounding="ties-away", overflow="inf", tiny="smallest") == 2.0**-24
    assert round_to_half(-least, rounding="ties-away", overflow="inf", tiny="smallest") == -(2.0**-24)
    assert round_to_half(least, rounding="ties-away", overflow="inf", tiny="nearest") == 0


@given(
    value=st.one_of(st.floats(width=64), st.floats(-70000, 70000), st.floats(-1e-4, 1e-4)),
    switches=st.sampled_from(SWITCHES),
)
def test_any_double_against_the_search(value, switches):
    rounding, overflow, tiny = switches
    rounded = round_to_half(np.array([value]), rounding=rounding, overflow=overflow, tiny=tiny)[0]
    expected = oracle(value, rounding, overflow, tiny)
    assert rounded == expected or (math.isnan(rounded) and math.isnan(expected))
    assert math.isnan(value) or np.signbit(rounded) == np.signbit(value)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (2, 1, 3)])
def test_shape_and_dtype_stay_and_the_input_is_not_written(shape):
    values = np.full(shape, 1 + 2.0**-11, np.float32)
    rounded = round_to_half(values, rounding="ties-away", overflow="inf", tiny="nearest")
    assert isinstance(rounded, np.ndarray)
    assert rounded.shape == shape
    assert (rounded == 1 + 2.0**-10).all()
    assert (values == np.float32(1 + 2.0**-11)).all()


def test_a_strided_view_is_rounded_as_its_copy():
    values = np.linspace(-3, 3, 60, dtype=np.float32).reshape(5, 12)[::2, ::-3]
    switches = {"rounding": "ties-away", "overflow": "inf", "tiny": "nearest"}
    assert np.array_equal(round_to_half(values, **switches), round_to_half(values.copy(), **switches))


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.complex64, ">f4"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="float32 or float64"):
        round_to_half(np.zeros(2, dtype), rounding="ties-away", overflow="inf", tiny="nearest")


@pytest.mark.parametrize("wrong", ["rounding", "overflow", "tiny"])
def test_unknown_choices_are_refused(wrong):
    switches = {"rounding": "ties-away", "overflow": "inf", "tiny": "nearest", wrong: "sideways"}
    with pytest.raises(ValueError, match="sideways"):
        round_to_half(np.zeros(2), **switches)
