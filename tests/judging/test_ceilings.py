"""A waiver covers what it describes: no larger error, and no result that points elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judged import judge, judge_acceptance
from support.waivers import waiver

from conformance.judging.bounds import ErrorValues, excess
from conformance.judging.ceilings import beyond, ceiling_lines, measured_ceilings
from conformance.judging.verdicts import Acceptance

GOLDEN = np.array([[1.0, -2.0, 3.0, 0.5]], np.float32)
LIMITS = ErrorValues(1e-8, 1e-8, 1e-4, 1e-8)
ACCEPTED = Acceptance(cosine=0.999, psnr=40.0)
TOO_SMALL = GOLDEN * 0.3  # what a sum that stagnates gives


def own(result, golden=GOLDEN):
    return judge(golden, np.float32(result), LIMITS)


def output(result, acceptance=ACCEPTED, golden=GOLDEN):
    return judge_acceptance([golden], [np.float32(result)], acceptance, 5.0)


def written(*verdicts):
    return measured_ceilings(verdicts)


@pytest.mark.parametrize("judged", [own, output])
@pytest.mark.parametrize(
    "other",
    [GOLDEN * 0, GOLDEN * 1e6, -GOLDEN, GOLDEN[:, ::-1], np.full_like(GOLDEN, GOLDEN.mean())],
    ids=["zeroed", "a million times too large", "the other sign", "other channels", "flattened"],
)
def test_another_fault_than_the_one_that_was_measured_is_not_covered(judged, other):
    ceiling = written(judged(TOO_SMALL + 0.1))
    assert beyond(judged(TOO_SMALL + 0.1), *ceiling) == []
    assert beyond(judged(TOO_SMALL), *ceiling) == []
    assert beyond(judged(other), *ceiling)


@pytest.mark.parametrize("golden", [GOLDEN, np.float32([[0.25]])], ids=["a tensor", "one number"])
def test_a_zeroed_node_is_never_covered_however_large_an_error_is(golden):
    assert beyond(own(golden * 0, golden), 1e300, None) == [
        "it covers results down to a cosine of 4.94066e-324, but here: 0 < 4.941e-324"
    ]
    assert beyond(own(golden * 0.01, golden), 1e300, None) == []


def test_a_golden_that_is_zero_has_no_direction():
    assert beyond(own(GOLDEN + 1, GOLDEN * 0), 1e300, None) == []


def test_an_output_needs_a_floor_to_be_covered():
    assert beyond(output(TOO_SMALL), 1e9, None) == ["it covers no output that is not accepted"]
    assert beyond(output(GOLDEN * 0.9), None, Acceptance(cosine=0.5)) == []


def test_answers_may_all_be_wrong_and_cosine_and_psnr_still_end_what_is_covered():
    accepted = Acceptance(answers=0.99)
    ceiling = written(output(GOLDEN * 0.9, accepted))
    assert ceiling[1].answers is None
    assert beyond(output(GOLDEN * 0, accepted), *ceiling)
    assert beyond(output(GOLDEN * 1e6, accepted), *ceiling)


def test_where_the_bound_is_zero_only_the_direction_is_held():
    at_most, at_least = written(judge(GOLDEN, GOLDEN + np.float32(0.1), ErrorValues(0.0, 0.0, 0.0, 0.0)))
    assert (at_most, at_least.cosine) == (math.inf, 0.9951)
    assert waiver(at_most=at_most, at_least=at_least)


@given(st.floats(1e-3, 2.0), st.floats(-0.5, 0.5), st.floats(0, 0.999))
def test_what_a_tool_writes_covers_what_was_measured_and_every_smaller_error(gain, shift, part):
    worst = np.float32(gain * GOLDEN + shift)
    less = np.float32(GOLDEN + part * (worst - GOLDEN))
    for judged in (own, output):
        measured = judged(worst)
        if (
            measured.outcome == "deviates"
            and beyond(measured, 1e300, Acceptance(cosine=1e-9, psnr=-1e9)) == []
        ):
            at_most, at_least = written(measured)
            assert beyond(measured, at_most, at_least) == []
            assert (
                own(less).outcome == "conforms"
                or judged(less).outcome == "conforms"
                or (beyond(judged(less), at_most, at_least) == [])
            )
            assert at_most is None or at_most <= 2.02 * excess(measured.needed, measured.bounds)


def test_the_lines_are_those_of_a_waiver_file():
    assert ceiling_lines(*written(own(TOO_SMALL))) == ["at_most = 42000.0", "at_least = { cosine = 0.999 }"]
    assert ceiling_lines(None, Acceptance(cosine=0.5, psnr=14.3)) == [
        "at_least = { cosine = 0.5, psnr = 14.3 }"
    ]
    assert ceiling_lines(None, None) == []
