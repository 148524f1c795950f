"""Change points beside those of ruptures, which shares no code with ours; ``tox run -e oracle`` has it.

Told how many steps there are, its dynamic programme finds the places that leave the least squared error: the
best there is. Ours must find the same places where steps are clear, and be told nothing.
"""

import warnings

import numpy as np
import pytest

from conformance.history.change_points import LEAST, change_points

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ruptures = pytest.importorskip("ruptures")

SERIES, NOISE = 100, 0.01


def clear_series(seed):
    """Return a series whose levels differ by 5 to 20 times the noise, 8 runs or more each, and its places."""
    random = np.random.default_rng(seed)
    lengths = random.integers(8, 25, random.integers(1, 5))
    levels = np.cumsum(random.choice([-1, 1], len(lengths)) * random.uniform(5, 20, len(lengths)) * NOISE)
    values = np.repeat(levels, lengths) + random.normal(0, NOISE, lengths.sum())
    return values, list(np.cumsum(lengths)[:-1])


def best_places(values, steps):
    found = ruptures.Dynp(model="l2", min_size=LEAST, jump=1).fit(values).predict(n_bkps=steps)
    return found[:-1]


def test_the_best_places_are_found():
    same = right = 0
    for seed in range(SERIES):
        values, true = clear_series(seed)
        ours = [point.place for point in change_points(values, 3 * NOISE)]
        same += ours == (best_places(values, len(ours)) if ours else [])
        right += len(ours) == len(true)
    assert same >= 0.95 * SERIES
    assert right >= 0.95 * SERIES


def test_ours_leave_at_most_a_little_more_error_than_the_best():
    for seed in range(SERIES):
        values, _ = clear_series(seed)
        ours = [point.place for point in change_points(values, 3 * NOISE)]
        best = best_places(values, len(ours)) if ours else []
        assert error(values, ours) <= 1.05 * error(values, best)


def error(values, places):
    return sum(float(np.sum((part - part.mean()) ** 2)) for part in np.split(values, places))
