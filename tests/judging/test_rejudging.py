"""Kept figures under other limits: the verdict is the one that judging the results again would give."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conformance.judging.bounds import ErrorValues
from conformance.judging.comparison import compare_sample
from conformance.judging.rejudging import accepted, within_bounds
from conformance.judging.verdicts import Acceptance, accept_comparisons, judge_comparisons

SIZES = st.floats(1e-6, 1e3)
BOUNDS = st.builds(ErrorValues, SIZES, SIZES, SIZES, SIZES)
RESULTS = st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=4)
GOLDEN = np.array([[1.0, -2.0], [3.0, 0.5]], np.float32)


def compared(*results):
    shaped = [np.array(values, np.float32).reshape(2, 2) for values in results]
    return [compare_sample(GOLDEN, result, f"out {number}") for number, result in enumerate(shaped)]


@given(RESULTS, RESULTS, BOUNDS, BOUNDS)
def test_other_bounds_give_what_judging_again_gives(first, second, old, new):
    samples = compared(first, second)
    again, fresh = within_bounds(judge_comparisons(samples, old), new), judge_comparisons(samples, new)
    assert (again.outcome, again.bounds, again.needed) == (fresh.outcome, new, fresh.needed)
    assert bool(again.reasons) == (again.outcome == "deviates")


@given(RESULTS, RESULTS, st.floats(0.01, 1), st.floats(0, 60))
def test_another_acceptance_gives_what_judging_again_gives(first, second, cosine, psnr):
    samples, old = compared(first, second), Acceptance(cosine=0.5)
    new = Acceptance(cosine=cosine, psnr=psnr)
    again = accepted(accept_comparisons(samples, old, 2.0), new)
    fresh = accept_comparisons(samples, new, 2.0)
    assert (again.outcome, again.acceptance, again.reached) == (fresh.outcome, new, fresh.reached)
    assert bool(again.reasons) == (again.outcome == "deviates")


@given(RESULTS, BOUNDS)
def test_the_same_bounds_change_nothing(result, bounds):
    verdict = judge_comparisons(compared(result), bounds)
    assert within_bounds(verdict, bounds) is verdict


def test_what_has_no_figures_keeps_its_verdict():
    loose = ErrorValues(2.0, 1e9, 1e9, 1e9)
    broken = judge_comparisons([compare_sample(GOLDEN, GOLDEN * np.nan, "out")], ErrorValues(0, 0, 0, 0))
    assert within_bounds(broken, loose) is broken
    missing = accept_comparisons([compare_sample(GOLDEN, None, "out")], Acceptance(cosine=1.0), 2.0)
    assert accepted(missing, Acceptance(cosine=0.01)) is missing


def test_sentences_name_figure_and_limit():
    verdict = judge_comparisons(compared([1.5, -2.0, 3.0, 0.5]), ErrorValues(2.0, 1e9, 1e9, 1e9))
    strict = within_bounds(verdict, ErrorValues(2.0, 1e9, 0.25, 1e9))
    assert strict.reasons == ["largest error 0.5 > bound 0.25"]
    output = accept_comparisons(compared([1.5, -2.0, 3.0, 0.5]), Acceptance(psnr=1.0), 2.0)
    assert accepted(output, Acceptance(psnr=40.0)).reasons == [
        "it reaches a psnr of 18.06, but at least 40 is accepted"
    ]
