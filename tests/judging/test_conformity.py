"""Results beside those of right devices: every element, the float type, and to which side they lean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conformance.judging.conformity import (
    Conformity,
    conformity,
    errors_and_limits,
    half_unit,
    identical,
    worst_of,
)

ZERO = np.zeros((2, 3))
VALUES = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1024.0]])


def held(result, value=VALUES, radius=None, bits=32, **options):
    radius = np.zeros(value.shape) if radius is None else radius
    return conformity(value, radius, np.asarray(result, np.float32), bits, **options)


@given(arrays.arrays(np.float64, 20, elements=st.floats(-6e4, 6e4)), st.sampled_from([16, 32]))
def test_what_is_rounded_once_conforms_whatever_it_is(value, bits):
    rounded = value.astype(np.float16 if bits == 16 else np.float32).astype(np.float32)
    assert held(rounded, value, bits=bits).conforms


@given(st.integers(0, 5), st.sampled_from([-1, 1]))
def test_two_units_in_the_last_place_are_too_much_at_any_one_element(index, sign):
    result = VALUES.astype(np.float32)
    result.flat[index] += sign * 2 * np.spacing(np.float32(max(abs(result.flat[index]), 1e-30)))
    found = held(result)
    assert (found.beyond, found.conforms, found.elements) == (1, False, 6)
    assert found.index == list(np.unravel_index(index, VALUES.shape))
    assert (found.found, found.ideal) == (result.flat[index], VALUES.flat[index])


def test_the_floor_is_half_a_unit_of_the_float_type_at_each_element():
    assert half_unit(np.array([1.0, 1.9, 2.0, 1024.0]), 16).tolist() == [2**-11, 2**-11, 2**-10, 0.5]
    assert half_unit(np.array([1.0]), 32).tolist() == [2**-24]
    assert half_unit(np.array([0.0, 2**-30]), 16).tolist() == [2**-24, 2**-24]


def test_a_radius_allows_as_much_and_no_more():
    radius = np.full(VALUES.shape, 1e-3)
    assert held(VALUES + 1e-3, radius=radius).conforms
    assert not held(VALUES + 1.1e-3, radius=radius).conforms


def test_numbers_that_are_no_halves_deviate_at_fp16_even_where_they_are_near():
    found = held(VALUES * (1 + 2**-20), bits=16)
    assert (found.beyond, found.wider, found.conforms) == (0, 5, False)
    assert found.ratio > 1


def test_the_only_channel_with_something_wrong_is_named_and_several_are_not():
    result = VALUES.copy()
    result[:, 2] *= 1.01
    assert held(result).channel == 2
    result[:, 0] *= 1.01
    assert held(result).channel is None


def test_roundings_go_either_way_and_what_leans_to_one_side_deviates():
    random = np.random.default_rng(0)
    value = random.uniform(0.5, 1, 20_000)
    chance = np.full(value.shape, 1e-6), np.full(value.shape, 2.0**-12)
    radius = np.full(value.shape, 2.0**-10)
    sides = random.uniform(-1, 1, value.shape) * 2.0**-11
    either, one = ((value + error).astype(np.float16) for error in (sides, np.abs(sides)))
    assert held(either, value, radius, 16, chance=chance).conforms
    leaning = held(one, value, radius, 16, chance=chance)
    assert (leaning.beyond, leaning.conforms) == (0, False)
    assert leaning.lean > 1


def test_equal_numbers_are_rounded_alike_and_do_not_lean():
    value = np.full(20_000, 1 / 3)
    chance = np.zeros(value.shape), np.full(value.shape, 2.0**-14)
    assert held(value.astype(np.float16), value, np.full(value.shape, 2.0**-13), 16, chance=chance).conforms


def test_the_ratio_of_needed_to_bounds_is_that_of_the_worst_element():
    needed, bounds = errors_and_limits(held(VALUES + 1e-6))
    assert needed.max_abs / bounds.max_abs == pytest.approx(held(VALUES + 1e-6).worst)
    assert errors_and_limits(identical(VALUES)) == (errors_and_limits(identical(ZERO)))


def test_the_worst_of_samples_counts_all_elements():
    right, wrong = held(VALUES), held(VALUES * 1.01)
    found = worst_of([right, wrong, right])
    assert (found.worst, found.beyond, found.elements) == (wrong.worst, wrong.beyond, 18)
    assert worst_of([identical(VALUES)]) == Conformity(worst=0.0, beyond=0, elements=6)
