"""The compiled rounding to half is the law of ``numerics.half``, at every boundary of the 2^16 halves."""

import itertools

import numpy as np
import pytest
from support.emulation import profile, same_bits

from conformance.devices.emulator import kernels, library
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.numerics.half import round_to_half

SWITCHES = list(
    itertools.product(("ties-away", "ties-even", "toward-zero"), ("saturate", "inf"), ("smallest", "nearest"))
)
DTYPES = (np.float32, np.float64)
HALVES = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
LADDER = np.append(HALVES, 65536.0)


def compiled(dtype, rounding, overflow, tiny, out=None):
    request = f"mlu270,half_rounding={rounding},half_overflow={overflow},half_tiny={tiny}"
    signature = (tensorflow().as_dtype(dtype),)
    return library.compiled(
        kernels.rounded, signature, float_bits=16, profile=profile(request), out=np.dtype(out or dtype).name
    )


def both_signs(values):
    return np.concatenate([values, -values])


def boundaries(dtype):
    """Return every half, and below, at and above the middle of every pair of neighbours."""
    middles = ((LADDER[:-1] + LADDER[1:]) / 2).astype(dtype)
    assert np.array_equal(middles.astype(np.float64) * 2, LADDER[:-1] + LADDER[1:])
    below, above = np.nextafter(middles, dtype(0)), np.nextafter(middles, dtype(np.inf))
    return both_signs(np.concatenate([LADDER.astype(dtype), below, middles, above]))


def extremes(dtype):
    about = np.finfo(dtype)
    small = [about.smallest_subnormal, about.tiny / 3, about.tiny, 2.0**-26, 2.0**-25, 2.0**-24, 2.0**-14]
    finite = np.array([0.0, *small, 65504, 65519.9, 65520, about.max], dtype)
    neighbours = np.nextafter(finite[1:-1], dtype(0)), np.nextafter(finite[1:-1], dtype(np.inf))
    return both_signs(np.concatenate([finite, *neighbours, np.array([np.inf], dtype)]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rounding", "overflow", "tiny"), SWITCHES)
def test_every_boundary_and_the_extremes(dtype, rounding, overflow, tiny):
    values = np.concatenate([boundaries(dtype), extremes(dtype)])
    rounded = compiled(dtype, rounding, overflow, tiny)(values).numpy()
    expected = round_to_half(values, rounding=rounding, overflow=overflow, tiny=tiny)
    assert same_bits(rounded, expected), values[
        rounded.view(f"u{values.itemsize}") != expected.view(f"u{values.itemsize}")
    ]


@pytest.mark.parametrize("dtype", DTYPES)
def test_even_inf_nearest_is_the_conversion_of_numpy(dtype):
    random = np.random.default_rng(2)
    spread = random.standard_normal(50_000) * 10.0 ** random.integers(-9, 6, 50_000)
    values = np.concatenate([boundaries(dtype), extremes(dtype), spread.astype(dtype)])
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16).astype(dtype)
    assert same_bits(compiled(dtype, "ties-even", "inf", "nearest")(values).numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rounding", "overflow", "tiny"), SWITCHES)
def test_nan_stays_nan(dtype, rounding, overflow, tiny):
    values = np.array([np.nan, -np.nan, 1], dtype)
    values[1:2].view(f"u{values.itemsize}")[:] = np.iinfo(f"u{values.itemsize}").max  # every bit set
    rounded = compiled(dtype, rounding, overflow, tiny)(values).numpy()
    assert np.isnan(rounded).tolist() == [True, True, False]


def test_from_float64_it_is_rounded_once_and_not_by_way_of_float32():
    """1 + 2^-11 + 2^-40 lies above a tie; as a float32 it would lie on it and go to the even 1."""
    values = np.array([1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-11, 1 + 2.0**-11 - 2.0**-40])
    rounded = compiled(np.float64, "ties-even", "inf", "nearest", np.float32)(values).numpy()
    assert rounded.dtype == np.float32
    assert rounded.tolist() == [1 + 2.0**-10, 1, 1]
    away = compiled(np.float64, "ties-away", "inf", "nearest", np.float32)(values).numpy()
    assert away.tolist() == [1 + 2.0**-10, 1 + 2.0**-10, 1]


def test_at_fp32_float64_is_rounded_to_float32_and_float32_stays():
    for dtype in DTYPES:
        values = np.array([1 + 2.0**-24, 1 + 3 * 2.0**-24, 1e-3, -70000], dtype)
        function = library.compiled(
            kernels.rounded, (tensorflow().as_dtype(dtype),), float_bits=32, profile=profile(), out="float64"
        )
        assert same_bits(function(values).numpy(), values.astype(np.float32).astype(np.float64))
