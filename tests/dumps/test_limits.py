"""Limits: read from words, kept or not, and never kept by a format that cannot show it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conformance.dumps.comparison import exceeded, parse_limits, rounding_floors, too_fine
from conformance.errors import UsageError
from conformance.numerics.metrics import compare

NO_ROUNDING = {}
FIRST, SECOND = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.5])


def test_limits_in_words():
    found = parse_limits(["cosine=0.999", "mse=1e-4", "max_abs=2", "worst_channel_mse=0"])
    assert found == {"cosine": 0.999, "mse": 1e-4, "max_abs": 2.0, "worst_channel_mse": 0.0}
    assert parse_limits([]) == {}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["cosin=0.9"], r"--limit 'cosin=0.9' names no criterion \(near names: cosine\); write it like"),
        (["0.9"], "--limit '0.9' names no criterion"),
        (["cosine"], "--limit 'cosine' should have a number from 0 to 1"),
        (["cosine=1.1"], "--limit 'cosine=1.1' should have a number from 0 to 1"),
        (["mse=-1"], "--limit 'mse=-1' should have a number from 0, such as"),
        (["mse=nan"], "--limit 'mse=nan' should have a number"),
        (["mse=inf"], "--limit 'mse=inf' should have a number"),
        (["max_abs=x"], "--limit 'max_abs=x' should have a number"),
        (["mse=1", "mse=2"], "--limit mse is given twice; drop one"),
    ],
)
def test_limits_that_are_none(texts, sentence):
    with pytest.raises(UsageError, match=sentence):
        parse_limits(texts)


@pytest.mark.parametrize("name", ["cosine", "mse", "max_abs", "worst_channel_mse"])
def test_each_limit_is_kept_exactly_up_to_what_was_found(name):
    metrics = compare(FIRST, SECOND)
    value = getattr(metrics, name)
    assert exceeded(metrics, {name: value}, NO_ROUNDING) == []
    tighter = np.nextafter(value, 2.0 if name == "cosine" else 0.0)
    (text,) = exceeded(metrics, {name: float(tighter)}, NO_ROUNDING)
    assert text.startswith(f"{name} ")
    assert (" < " if name == "cosine" else " > ") in text


def test_a_limit_says_both_numbers():
    assert exceeded(compare(FIRST, SECOND), {"max_abs": 0.1}, NO_ROUNDING) == ["max_abs 0.5 > 0.1"]


def test_a_cosine_that_is_not_defined_is_kept_by_equal_tensors_only():
    zero = np.zeros(3)
    assert exceeded(compare(zero, zero), {"cosine": 1.0}, NO_ROUNDING) == []
    assert exceeded(compare(zero, FIRST), {"cosine": 0.9}, NO_ROUNDING) == ["cosine 0 < 0.9"]
    assert exceeded(compare(FIRST, zero), {"cosine": 0.9}, NO_ROUNDING) == ["cosine 0 < 0.9"]


def too_fine_for(limits, first, second, resolution):
    return too_fine(limits, rounding_floors(limits, first, second, resolution))


def test_a_limit_below_the_resolution_cannot_be_shown():
    limits = parse_limits(["max_abs=0.0009", "mse=0.9e-6", "worst_channel_mse=0.9e-6", "cosine=0.9999999"])
    assert too_fine_for(limits, FIRST, FIRST, 0.001) == [
        "max_abs=0.0009",
        "mse=9e-07",
        "worst_channel_mse=9e-07",
        "cosine=1",
    ]
    assert too_fine_for(limits, FIRST, FIRST, 0.0) == []
    coarse = parse_limits(["max_abs=0.001", "mse=1e-6", "worst_channel_mse=1e-6", "cosine=0.9999998"])
    assert too_fine_for(coarse, FIRST, FIRST, 0.001) == []


def test_no_cosine_is_shown_by_numbers_that_text_rounds_to_zero():
    assert too_fine_for({"cosine": 0.9}, np.zeros(3), np.zeros(3), 0.001) == ["cosine=0.9"]
    assert too_fine_for({"cosine": 0.9}, FIRST * 1e-3, FIRST * 1e-3, 0.001) == ["cosine=0.9"]


def test_what_rounding_explains_is_not_exceeded_and_what_it_does_not_is():
    limits, rounded = {"max_abs": 1e-4, "mse": 1e-8}, np.array([1.0005, 2.0, 3.0])
    floors = rounding_floors(limits, FIRST, rounded, 5e-4)
    assert exceeded(compare(FIRST, rounded), limits, floors) == []
    assert exceeded(compare(FIRST, SECOND), limits, floors) == ["max_abs 0.5 > 0.0001", "mse 0.08333 > 1e-08"]


@settings(deadline=None)
@given(
    arrays.arrays(np.float64, 8, elements=st.floats(-3, 3)),
    arrays.arrays(np.float64, 8, elements=st.floats(-2e-3, 2e-3)),
    st.floats(0.0, 4e-3),
)
def test_what_passes_in_text_is_in_truth_over_the_limit_by_no_more_than_rounding(values, difference, limit):
    shown = [np.round(item, 3) for item in (values, values + difference)]
    limits = {"max_abs": limit}
    floors = rounding_floors(limits, *shown, 0.001)
    if not (exceeded(compare(*shown), limits, floors) or too_fine(limits, floors)):
        assert np.abs(difference).max() <= limit + 0.001 + 1e-12


@settings(deadline=None)
@given(arrays.arrays(np.float64, 8, elements=st.floats(-3, 3)), st.floats(0.5, 1.0))
def test_rounding_alone_exceeds_no_limit(values, cosine):
    shown = np.round(values, 3)
    limits = {"max_abs": 0.0, "mse": 0.0, "worst_channel_mse": 0.0, "cosine": cosine}
    floors = rounding_floors(limits, values, shown, 0.0005)
    assert exceeded(compare(values, shown), limits, floors) == []
