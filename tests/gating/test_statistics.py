"""Intervals, corrections and steps against scipy.stats, closed forms and each other."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from conformance.gating.statistics import (
    CONFIDENCE,
    Block,
    Noise,
    holm,
    noise_of,
    ratio_interval,
    runs_needed,
)

LOGS = st.lists(st.floats(-2, 2).map(lambda value: round(value, 6)), min_size=2, max_size=8)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(LOGS, LOGS)
def test_one_card_is_welchs_interval(before, after):
    interval = ratio_interval([Block(before, after)])
    if np.ptp(before) < 1e-5 or np.ptp(after) < 1e-5:
        return  # scipy divides by 0
    result = scipy.stats.ttest_ind(after, before, equal_var=False)
    low, high = result.confidence_interval(CONFIDENCE)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9, abs=1e-12)
    greater = scipy.stats.ttest_ind(after, before, equal_var=False, alternative="greater").pvalue
    assert interval.p_above == pytest.approx(greater, rel=1e-9, abs=1e-12)


@given(
    st.lists(
        st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=3, max_size=6, unique_by=lambda p: p[1] - p[0]
    )
)
def test_one_run_on_each_of_several_cards_is_the_paired_interval(pairs):
    interval = ratio_interval([Block([before], [after]) for before, after in pairs])
    before, after = zip(*pairs, strict=True)
    low, high = scipy.stats.ttest_rel(after, before).confidence_interval(CONFIDENCE)
    assert interval.source == "cards"
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


def test_what_differs_between_cards_is_no_noise():
    """Two cards, one twice as fast as the other, but each the same before and after."""
    slow, fast = [1.000, 1.001, 0.999], [0.300, 0.301, 0.299]
    interval = ratio_interval([Block(slow, slow[::-1]), Block(fast, fast[::-1])])
    assert abs(interval.estimate) < 1e-12
    assert interval.high < 0.002
    assert ratio_interval([Block(slow + fast, slow + fast)]).high > 0.3


def test_more_cards_are_more_certain():
    block = Block([0.0, 0.01, 0.02], [0.0, 0.01, 0.02])
    one, four = (ratio_interval([block] * count) for count in (1, 4))
    assert four.high < one.high / 2
    assert (four.error, four.freedom) == pytest.approx((one.error / 2, 4 * one.freedom))


@pytest.mark.parametrize(
    "blocks", [[], [Block([1.0], [1.0])], [Block([1.0], [1.0])] * 2, [Block([1.0], [1.0, 2.0])]]
)
def test_where_nothing_says_how_noisy_there_is_no_interval(blocks):
    assert ratio_interval(blocks) is None


def test_noise_is_lent_to_a_side_with_few_runs_only():
    noise = Noise(0.01, 20)
    single = ratio_interval([Block([0.0], [0.05])], noise)
    assert (single.source, single.freedom) == ("history", 20)
    assert single.error == pytest.approx(0.01 * math.sqrt(2))
    enough = ratio_interval([Block([0.0, 0.1, 0.2], [0.0, 0.1, 0.2])], noise)
    assert enough == ratio_interval([Block([0.0, 0.1, 0.2], [0.0, 0.1, 0.2])])
    mixed = ratio_interval([Block([0.0, 0.001, 0.002], [0.05])], noise)
    assert (mixed.source, mixed.error > 0.01) == ("history", True)


def test_runs_that_are_all_equal_leave_no_doubt():
    interval = ratio_interval([Block([0.5] * 3, [0.6] * 3)])
    assert (interval.low, interval.high, interval.p_above) == (interval.estimate, interval.estimate, 0.0)
    assert ratio_interval([Block([0.5] * 3, [0.5] * 3)]).p_above == 1.0


@given(P_VALUES)
def test_holm_is_as_scipys_step_down_by_definition(values):
    corrected = holm(values)
    order = np.argsort(values, kind="stable")
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, index in enumerate(order):
            if values[index] * (len(values) - rank) > level:
                break
            rejected.add(int(index))
        assert {index for index, value in enumerate(corrected) if value <= level} == rejected


@given(P_VALUES)
def test_holm_never_makes_a_value_smaller_and_lies_within_bonferroni(values):
    for value, found in zip(values, holm(values), strict=True):
        assert value <= found <= min(1.0, value * len(values)) or found == pytest.approx(value)


def test_noise_within_groups_does_not_see_what_differs_between_them():
    random = np.random.default_rng(1)
    groups = [list(10 * group + random.normal(0, 0.02, 50)) for group in range(4)]
    noise = noise_of(groups)
    assert (noise.freedom, noise.deviation) == (196, pytest.approx(0.02, rel=0.1))
    assert noise_of([[1.0], [2.0], []]) is None


@pytest.mark.parametrize(("noise", "target"), [(0.01, 0.03), (0.02, 0.03), (0.01, 0.01)])
def test_as_many_runs_as_are_said_to_be_needed_are_enough_and_one_fewer_is_not(noise, target):
    runs = runs_needed(noise, target, cards=1)

    def half(count):
        values = [noise * value for value in scipy.stats.zscore(np.arange(count), ddof=1)]
        return ratio_interval([Block(values, values)]).high

    assert half(runs) < target
    assert runs == 2 or half(runs - 1) >= target


def test_no_one_makes_a_thousand_runs():
    assert runs_needed(0.05, 0.001, cards=1) is None
