"""Two tensors beside each other: errors, NaN and Inf, shapes, and what a format cannot show."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conformance.dumps.comparison import compare_pair
from conformance.dumps.histogram import DECADES, Histogram, bars, histogram
from conformance.dumps.pairing import Pair
from conformance.dumps.tensors import Reading, Tensor
from conformance.errors import UsageError
from conformance.numerics.metrics import compare

NAN, INF = math.nan, math.inf


def tensor(values, resolution=0.0, *, shaped=True, dtype=np.float32):
    reading = Reading(np.asarray(values, dtype), resolution, shaped)
    return Tensor("t:0", None, lambda: reading)


def compared(first, second, limits=None):
    first, second = (item if isinstance(item, Tensor) else tensor(item) for item in (first, second))
    return compare_pair(Pair(first, second), 1, limits or {})


@settings(deadline=None)
@given(arrays.arrays(np.float32, (2, 3, 4), elements=st.floats(-10, 10, width=32)), st.integers(0, 23))
def test_the_errors_are_those_of_the_metrics(values, at):
    other = values.copy()
    other.reshape(-1)[at] += 1
    found = compared(values, other)
    assert found.metrics == compare(values, other)
    assert found.shape == [2, 3, 4]
    assert found.histogram.equal + sum(found.histogram.counts) == 24
    assert found.nonfinite.elements == 0


def test_where_the_largest_error_is_and_the_worst_channel():
    values = np.zeros((1, 2, 2, 3), np.float32) + 1
    other = values.copy()
    other[0, 1, 0, 2] += 0.5
    found = compared(values, other)
    assert (found.metrics.worst_index, found.metrics.worst_channel) == ([0, 1, 0, 2], 2)


def test_a_bare_text_takes_the_shape_of_the_other_side():
    flat = tensor(range(6), shaped=False)
    for pair in ((flat, np.arange(6).reshape(1, 2, 3)), (np.arange(6).reshape(1, 2, 3), flat)):
        assert compared(*pair).shape == [1, 2, 3]
    assert compared(flat, flat).shape == [6]


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ((6,), (7,), "t:0 has 6 elements on the first side, but 7 on the second; dump the same tensor"),
        ((2, 3), (3, 2), r"t:0 has shape \(2, 3\) on the first side, but \(3, 2\) on the second; transpose"),
        ((1, 6), (6,), r"t:0 has shape \(1, 6\) on the first side, but \(6,\) on the second"),
    ],
)
def test_shapes_that_differ(first, second, sentence):
    with pytest.raises(UsageError, match=sentence):
        compared(np.ones(first), np.ones(second))


def test_a_flat_list_of_another_length():
    with pytest.raises(UsageError, match="has 5 elements on the first side, but 6 on the second"):
        compared(tensor(range(5), shaped=False), np.ones((2, 3)))


@pytest.mark.parametrize(
    ("first", "second", "differ", "at"),
    [
        ([1, NAN, 3], [1, NAN, 3], 0, []),
        ([1, INF, -INF], [1, INF, -INF], 0, []),
        ([1, 2, NAN], [1, 2, 3], 1, [2]),
        ([1, 2, 3], [1, INF, NAN], 2, [1]),
        ([1, INF, 3], [1, -INF, 3], 1, [1]),
        ([1, NAN, 3], [1, INF, 3], 1, [1]),
    ],
)
def test_nan_and_inf_must_be_at_the_same_places(first, second, differ, at):
    found = compared(first, second)
    assert (found.nonfinite.elements, found.nonfinite.index) == (differ, at)
    assert found.nonfinite.first.total == np.count_nonzero(~np.isfinite(first))
    assert found.nonfinite.second.total == np.count_nonzero(~np.isfinite(second))
    assert found.metrics.max_abs == 0  # what is finite on both sides is equal


def test_elements_that_are_not_finite_count_as_exact():
    assert compared([1, NAN, 3], [1.5, NAN, 3]).metrics == compare(*np.array([[1, 0, 3], [1.5, 0, 3.0]]))


def test_nothing_finite_to_compare():
    found = compared([NAN, INF], [NAN, INF])
    assert (found.metrics, found.histogram, found.nonfinite.elements) == (None, None, 0)
    assert found.notes == ["no element is finite on both sides"]


def test_a_zero_side_has_no_cosine_and_says_so():
    found = compared([0, 0], [0, 1])
    assert found.metrics.cosine is None
    assert found.notes == ["a side is zero everywhere, so no cosine is defined"]


def note_of(first, second, resolutions):
    sides = (
        tensor([value, 5], resolution, dtype=np.float64)
        for value, resolution in zip((first, second), resolutions, strict=True)
    )
    return compared(*sides).notes


def test_equality_in_text_proves_nothing():
    (note,) = note_of(1.234, 1.234, (5e-4, 5e-4))
    assert note == "equal as far as the format shows, which proves nothing: 0.001 could not be seen"
    assert note_of(1.234, 1.234, (0, 0)) == []


def test_a_difference_that_rounding_can_make_is_called_so():
    (note,) = note_of(1.234, 1.235, (5e-4, 5e-4))
    within = "is within the 0.001 that rounding to the format can make"
    assert note == f"the largest error found, 0.001, {within}: it may be none, or 0.002"
    assert note_of(1.234, 1.2344, (5e-4, 0)) != []


def test_an_mse_that_rounding_makes_is_called_so():
    """Independent of the formula: tensors that differ by noise below the resolution, rounded as text is."""
    random = np.random.default_rng(5)
    true = random.uniform(-1, 1, 10_000)
    first, second = (np.round(true + random.normal(0, 1e-5, true.size), 3) for _ in range(2))
    pair = [tensor(np.append(item, 3), 5e-4, dtype=np.float64) for item in (first, second)]
    pair[1].read().values[-1] += 0.002  # one error that rounding cannot make
    (note,) = compared(*pair).notes
    assert note == "the MSE found is no more than the 1.67e-07 that rounding to the format makes by itself"
    rounded = [tensor(item, dtype=np.float64) for item in (true, np.round(true, 3))]
    assert 2 * compared(*rounded).metrics.mse == pytest.approx(1.67e-7, rel=0.05)


def test_a_difference_that_rounding_cannot_make_needs_no_note():
    assert note_of(1.234, 1.236, (5e-4, 5e-4)) == []
    assert note_of(1.234, 1.235, (5e-4, 0)) == []


def test_the_histogram_counts_by_decades():
    first = np.zeros(6, np.float32)
    second = np.array([0, 1e-9, 0.5, -0.5, 0.05, 5], np.float32)
    found = histogram(first, second, 5.0)
    assert found.equal == 1
    assert found.edges == [float(f"1e{exponent}") for exponent in range(-7, 2)]
    assert found.counts == [1, 0, 0, 0, 0, 0, 1, 2, 1]
    assert histogram(first, first, 0.0) == Histogram(6, [], [])


@settings(deadline=None)
@given(arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_the_histogram_counts_every_element_once_and_in_its_decade(values):
    zeros = np.zeros_like(values)
    largest = float(np.abs(values).max())
    found = histogram(zeros, values, largest)
    assert found.equal + sum(found.counts) == values.size
    for low, high, count in zip(found.edges, found.edges[1:], found.counts[1:], strict=False):
        assert count == sum(low <= abs(float(value)) < high for value in values)
    assert largest == 0 or (len(found.edges) == DECADES + 1 and found.counts[-1] >= 1)


def test_an_error_of_one_unit_of_text_is_in_its_own_decade():
    first, second = np.array([1.234, 7.0]), np.array([1.233, 7.0])
    assert first[0] - second[0] < 0.001
    found = histogram(first, second, float(first[0] - second[0]), decimal=True)
    assert found.edges[-2:] == [1e-3, 1e-2]
    assert found.counts[-1] == 1


def test_bars():
    lines = bars(Histogram(1000, [1e-3, 1e-2, 1e-1, 1.0], [0, 500, 0, 1]))
    assert lines == [
        "equal            1,000  ########################################",
        "1e-03 to 1e-02     500  ####################",
        "1e-02 to 1e-01       0",
        "1e-01 to 1e+00       1  #",
    ]
    assert bars(Histogram(3, [], [])) == ["equal            3  ########################################"]
    assert bars(Histogram(0, [1e-3, 1e-2], [2, 0]))[-1].startswith("below 1e-03      2  ###")
