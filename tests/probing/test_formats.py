"""The formats with which probes predict results, against NumPy's own and whole numbers."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.numerics.half import round_to_half
from conformance.probing.formats import HALF, ROUNDINGS, SINGLE
from conformance.probing.orders import ORDERS, Grouped, total, words

numbers = st.floats(width=64, allow_nan=True) | st.floats(-70000, 70000) | st.floats(-1e-6, 1e-6)


@given(st.lists(numbers, min_size=1))
def test_ties_to_even_is_what_numpy_does(values):
    exact = np.array(values)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(HALF.round(exact), exact.astype(np.float16).astype(np.float64))
        np.testing.assert_array_equal(SINGLE.round(exact), exact.astype(np.float32).astype(np.float64))


@given(st.lists(st.floats(width=32), min_size=1), st.sampled_from(["ties-away", "ties-even", "toward-zero"]))
def test_halves_are_those_of_the_emulator(values, rounding):
    exact = np.array(values, np.float32)
    ours = dataclasses.replace(HALF, rounding=rounding, overflow="saturate", tiny="smallest").round(exact)
    theirs = round_to_half(exact, rounding=rounding, overflow="saturate", tiny="smallest")
    np.testing.assert_array_equal(ours, theirs)


@given(st.floats(-60000, 60000), st.sampled_from(ROUNDINGS))
def test_every_rounding_gives_a_neighbour_on_its_side(value, rounding):
    rounded = float(dataclasses.replace(HALF, rounding=rounding).round(value))
    step = max(2.0 ** (np.floor(np.log2(abs(value))) - 10) if value else 0, 2.0**-24)
    assert abs(rounded - value) <= (step if rounding in ("down", "up", "toward-zero") else step / 2)
    assert {"down": rounded <= value, "up": rounded >= value}.get(rounding, True)
    assert rounding != "toward-zero" or abs(rounded) <= abs(value)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=300), st.sampled_from(ORDERS))
def test_every_order_adds_every_term_once(terms, order):
    exact = total(order, np.array(terms, np.float64)[:, None], np.asarray)
    assert Fraction(float(exact[0])) == sum(terms)


def test_orders_have_names_of_their_own():
    assert len({words(order) for order in ORDERS}) == len(ORDERS)


@pytest.mark.parametrize("size", [2, 16])
def test_blocks_and_lanes_are_different_trees(size):
    terms = np.random.default_rng(1).uniform(-1, 1, (64, 8))
    sums = [
        total(Grouped(kind, size, "forward", "forward"), terms, HALF.round) for kind in ("blocks", "lanes")
    ]
    assert np.any(sums[0] != sums[1])
