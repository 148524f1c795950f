"""Figures on a page say what the number is, to the digits that they show."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.html.formats import change, count, factor, figure, percent, seconds

NUMBERS = st.floats(1e-12, 1e12)
UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


@given(NUMBERS)
def test_figures_and_factors_keep_the_number(value):
    assert float(figure(value)) == pytest.approx(value, rel=6e-3)
    assert float(factor(value).replace(",", "")) == pytest.approx(value, rel=6e-2)


@given(st.floats(1e-9, 1e4))
def test_seconds_keep_the_time(value):
    number, unit = seconds(value).split()
    assert float(number) * UNITS[unit] == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (figure(None), "-"),
        (figure(math.nan), "-"),
        (figure(math.inf), "∞"),
        (figure(0.0), "0"),
        (factor(2817.3), "2,820"),
        (factor(0.5231), "0.523"),
        (factor(None), "-"),
        (factor(math.inf), "∞"),
        (seconds(0.00848), "8.48 ms"),
        (seconds(None), "-"),
        (seconds(0.0), "0 s"),
        (percent(0.886), "88.6 %"),
        (percent(None), "-"),
        (change(0.0412), "+4.1 %"),
        (change(None), "-"),
        (count(1, "node"), "1 node"),
        (count(1024, "node"), "1,024 nodes"),
    ],
)
def test_words_for_numbers(shown, text):
    assert shown == text
