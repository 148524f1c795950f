"""Change points: what a test must find, what it must not, and laws that hold for any values."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.history.change_points import ALPHA, LEAST, change_points

EFFECT = math.log1p(0.03)
TRIALS = 200


def histories(runs, noise=0.01, seed=1):
    return np.random.default_rng(seed).normal(math.log(0.01), noise, (TRIALS, runs))


def stepped(runs, after=5, step=0.05, **more):
    """Return histories whose last runs are slower."""
    found = histories(runs, **more)
    found[:, -after:] += math.log1p(step)
    return found


@pytest.mark.parametrize("runs", [15, 30, 100])
def test_a_step_five_runs_before_the_end_is_found_and_nothing_where_there_is_none(runs):
    found = [[point.place for point in change_points(values, EFFECT)] for values in stepped(runs)]
    assert sum(runs - 5 in places for places in found) >= 0.85 * TRIALS
    false = [change_points(values, EFFECT) for values in histories(runs)]
    assert sum(map(bool, false)) <= 0.03 * TRIALS


def test_the_level_of_the_test_is_what_it_says():
    """Without a least effect, one series in a hundred has a split by chance; the limit is 3 sigma more."""
    false = sum(bool(change_points(values, 0.0)) for values in histories(30, seed=2))
    assert false <= TRIALS * ALPHA + 3 * math.sqrt(TRIALS * ALPHA)


def test_noise_with_heavy_tails_makes_no_steps():
    noise = 0.005 * np.random.default_rng(3).standard_t(3, (TRIALS, 30))
    assert sum(bool(change_points(values, EFFECT)) for values in noise) <= 0.03 * TRIALS


def test_several_steps_are_found_in_their_order():
    values = np.repeat([0.0, 0.1, 0.0, -0.1], 25) + np.random.default_rng(4).normal(0, 0.01, 100)
    assert [point.place for point in change_points(values, EFFECT)] == [25, 50, 75]


def test_a_step_below_the_least_effect_is_none():
    values = np.repeat([0.0, 0.02], 50) + np.random.default_rng(5).normal(0, 0.001, 100)
    assert change_points(values, EFFECT) == []
    assert [point.place for point in change_points(values, 0.01)] == [50]


@pytest.mark.parametrize("after", [1, 2])
def test_one_or_two_runs_that_differ_are_no_level(after):
    values = np.zeros(20)
    values[-after:] = 1.0
    assert change_points(values, EFFECT) == []


def test_values_that_never_vary_need_no_test():
    (point,) = change_points(np.repeat([0.5, 0.9], 3), EFFECT)
    assert (point.place, point.p) == (3, None)


@pytest.mark.parametrize("runs", range(2 * LEAST))
def test_too_few_runs(runs):
    assert change_points(np.arange(runs, dtype=float), EFFECT) == []


SERIES = st.lists(st.floats(-1, 1, width=32), min_size=6, max_size=30).map(np.array)


@given(SERIES)
def test_the_same_values_give_the_same_places_and_every_level_has_its_runs(values):
    found = change_points(values, EFFECT)
    assert found == change_points(values, EFFECT)
    places = [0, *(point.place for point in found), len(values)]
    assert min(np.diff(places)) >= LEAST
    means = [values[start:end].mean() for start, end in itertools.pairwise(places)]
    assert all(abs(step) >= EFFECT * 0.999 for step in np.diff(means))
    assert all(point.p is None or point.p <= ALPHA for point in found)


@given(SERIES, st.floats(-10, 10))
def test_a_shift_of_everything_changes_nothing(values, shift):
    rounded = np.round(values * 64) / 64  # so that adding is exact
    shift = round(shift)
    assert change_points(rounded + shift, EFFECT) == change_points(rounded, EFFECT)
