"""Verdicts against bounds: structure, then NaN and Inf, then every number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.judged import judge, judge_samples

from conformance.errors import GoldenError
from conformance.judging.bounds import ErrorValues

EXACT = ErrorValues(0.0, 0.0, 0.0, 0.0)
LOOSE = ErrorValues(2.0, 1e30, 1e30, 1e30)
FIELDS = ("cosine_distance", "mse", "max_abs", "worst_channel_mse")

arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=5),
    elements=st.floats(-1e3, 1e3, width=32, allow_subnormal=False),
)


def golden() -> np.ndarray:
    return np.random.RandomState(3).standard_normal((2, 4, 4, 8)).astype(np.float32)


def only_reason(verdict) -> str:
    assert verdict.outcome == "deviates"
    assert len(verdict.reasons) == 1
    return verdict.reasons[0]


# --- what conforms


@given(arrays)
def test_a_golden_conforms_to_itself_exactly(value):
    verdict = judge(value, value.copy(), EXACT)
    assert verdict.outcome == "conforms"
    assert verdict.reasons == []
    assert verdict.needed == EXACT


def test_a_verdict_carries_its_bounds_and_metrics():
    verdict = judge(golden(), golden(), LOOSE)
    assert verdict.bounds == LOOSE
    assert verdict.metrics is not None
    assert verdict.metrics.max_abs == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_any_floating_result_is_compared(dtype):
    value = np.float32([[1.0, 2.5], [-3.0, 0.25]])
    assert judge(value, value.astype(dtype), EXACT).outcome == "conforms"


def test_a_float64_difference_below_float32_is_seen():
    value = np.float32([[1.0, 2.0]])
    assert judge(value, value.astype(np.float64) * (1 + 1e-12), EXACT).outcome == "deviates"


def test_a_scalar_that_a_session_returns_as_a_numpy_scalar_is_compared():
    value = np.array(2.0, np.float32)
    assert judge(value, np.float32(2.0), EXACT).outcome == "conforms"
    assert only_reason(judge(value, np.float32(3.0), ErrorValues(2.0, 9.0, 0.5, 9.0))).startswith(
        "out=3, but should be 2 (largest error"
    )


def test_the_judge_changes_neither_golden_nor_result():
    expected, result = golden(), golden() * 2
    expected[0, 0, 0, 0] = result[0, 0, 0, 0] = np.inf
    before = expected.tobytes(), result.tobytes()
    judge(expected, result, EXACT)
    assert (expected.tobytes(), result.tobytes()) == before


# --- structure


def test_a_missing_result_deviates():
    assert (
        only_reason(judge(golden(), None, LOOSE, where="n")) == "n is missing from what the device returned"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[0], "has shape (4, 4, 8), but should have shape (2, 4, 4, 8)"),
        (lambda x: x[:1], "has shape (1, 4, 4, 8)"),
        (lambda x: x[..., :1], "has shape (2, 4, 4, 1)"),
        (lambda x: x[np.newaxis], "has shape (1, 2, 4, 4, 8)"),
        (lambda x: x.transpose(0, 3, 1, 2), "has shape (2, 8, 4, 4)"),
        (lambda x: x.mean(), "has shape ()"),
        (lambda x: x[:0], "is empty (shape (0, 4, 4, 8))"),
        (lambda x: x.astype(np.int32), "has dtype int32, but should be floating"),
        (lambda x: x > 0, "has dtype bool, but should be floating"),
        (lambda x: x.astype(np.complex64), "has dtype complex64, but should be floating"),
        (lambda x: x.astype(object), "has dtype object, but should be floating"),
        (lambda x: x.tolist(), "is of type list, but should be an array"),
        (lambda _: 1.0, "is of type float, but should be an array"),
    ],
)
def test_a_wrong_structure_deviates_whatever_the_bounds(change, message):
    verdict = judge(golden(), change(golden()), LOOSE, where="n")
    assert message in only_reason(verdict)
    assert verdict.metrics is None
    assert verdict.needed is None


def test_all_that_is_wrong_with_the_structure_is_said():
    assert len(judge(golden(), np.zeros(3, np.int8), LOOSE).reasons) == 2


def test_structure_comes_before_nan():
    assert "shape" in only_reason(judge(golden(), np.full((2, 2), np.nan, np.float32), LOOSE))


# --- NaN and Inf


@pytest.mark.parametrize(
    ("wrong", "counts"),
    [
        (np.nan, "1 NaN, 0 +Inf and 0 -Inf"),
        (np.inf, "0 NaN, 1 +Inf and 0 -Inf"),
        (-np.inf, "0 NaN, 0 +Inf and 1 -Inf"),
    ],
)
def test_one_nonfinite_element_deviates_whatever_the_bounds(wrong, counts):
    result = golden()
    result[1, 2, 3, 4] = wrong
    verdict = judge(golden(), result, LOOSE, where="n")
    assert only_reason(verdict) == f"n has {counts} where the golden is finite, the first at [1,2,3,4]"
    assert verdict.metrics is None
    assert verdict.needed is None


@pytest.mark.parametrize("found", [-np.inf, np.nan, 0.0, 3e38])
def test_an_infinite_golden_demands_the_same_infinity(found):
    expected, result = golden(), golden()
    expected[0, 1, 2, 3], result[0, 1, 2, 3] = np.inf, found
    reason = only_reason(judge(expected, result, LOOSE))
    assert reason == f"out[0,1,2,3]={np.float32(found):g}, but should be inf (1 such elements)"


def test_shared_infinities_are_exact_and_the_rest_is_still_compared():
    expected = golden()
    expected[0, 1, 2, 3], expected[1, 1, 1, 1] = np.inf, -np.inf
    assert judge(expected, expected.copy(), EXACT).outcome == "conforms"
    result = expected.copy()
    result[0, 0, 0, 0] += 1
    assert judge(expected, result, EXACT).outcome == "deviates"


def test_a_golden_with_nan_is_an_error():
    expected = golden()
    expected[0, 0, 0, 0] = np.nan
    with pytest.raises(GoldenError, match="holds NaN"):
        judge(expected, expected, LOOSE)


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (np.zeros((0, 3), np.float32), "is empty"),
        (np.zeros(3, np.int32), "has dtype int32"),
        (np.zeros(3, np.float16), "has dtype float16"),
    ],
)
def test_a_golden_that_nothing_can_be_compared_with_is_an_error(expected, message):
    with pytest.raises(GoldenError, match=message):
        judge(expected, expected, LOOSE)


# --- numbers


@given(arrays, st.data())
def test_one_perturbation_above_the_bound_deviates(value, data):
    index = tuple(data.draw(st.integers(0, side - 1)) for side in value.shape)
    limit = data.draw(st.floats(1e-3, 1e3))
    result = value.astype(np.float64)
    result[index] += data.draw(st.sampled_from([-1, 1])) * limit * 1.001
    verdict = judge(value, result, ErrorValues(2.0, 1e30, limit, 1e30))
    assert "largest error" in only_reason(verdict)


@given(arrays, arrays.map(lambda x: x / 8))
def test_what_a_verdict_needs_is_the_least_that_passes(value, noise):
    result = value + np.resize(noise, value.shape)
    needed = judge(value, result, LOOSE).needed
    assert needed is not None
    assert judge(value, result, needed).outcome == "conforms"
    for field in FIELDS:
        size = getattr(needed, field)
        if size > 0:
            less = {name: getattr(needed, name) for name in FIELDS} | {field: size * 0.999}
            assert judge(value, result, ErrorValues(**less)).outcome == "deviates"


@pytest.mark.parametrize(
    ("field", "phrase"),
    [
        ("cosine_distance", "cosine distance"),
        ("mse", "deviates overall (mean squared error"),
        ("max_abs", "(largest error"),
        ("worst_channel_mse", "channel 5 of n deviates (mean squared error"),
    ],
)
def test_every_criterion_fails_alone(field, phrase):
    result = golden()
    result[..., 5] += 0.5
    needed = judge(golden(), result, LOOSE).needed
    less = {name: getattr(needed, name) for name in FIELDS} | {field: getattr(needed, field) / 2}
    assert phrase in only_reason(judge(golden(), result, ErrorValues(**less), where="n"))


def test_the_reason_says_where_what_and_by_how_much():
    value = np.ones((1, 4, 8, 16), np.float32)
    result = value.copy()
    result[0, 3, 7, 12] = 1.02
    reason = only_reason(judge(value, result, ErrorValues(1.0, 1.0, 0.001, 1.0)))
    assert reason == "out[0,3,7,12]=1.02, but should be 1 (largest error 0.02 > bound 0.001)"


def test_numbers_that_differ_late_are_printed_with_the_digits_that_differ():
    value, result = np.float32([[1.0]]), np.float32([[1.0 + 2**-23]])
    assert "out[0,0]=1.0000001, but should be 1 " in judge(value, result, EXACT).reasons[0]


def test_all_failed_criteria_are_said():
    assert len(judge(golden(), golden() + np.float32(0.5), EXACT).reasons) == 4


def test_scaling_by_two_is_found_although_the_cosine_is_one():
    verdict = judge(golden(), golden() * 2, ErrorValues(1e-6, 1e-6, 1e-3, 1e-6))
    assert verdict.outcome == "deviates"
    assert not any("cosine" in reason for reason in verdict.reasons)


def test_one_zeroed_channel_of_256_is_found_by_the_worst_channel():
    value = np.random.RandomState(4).standard_normal((1, 8, 8, 256)).astype(np.float32)
    result = value.copy()
    result[..., 77] = 0
    reason = only_reason(judge(value, result, ErrorValues(0.01, 0.01, 10.0, 0.1), where="n"))
    assert reason.startswith("channel 77 of n deviates")


def test_a_zero_golden_demands_the_absolute_bound_and_notes_that_there_is_no_cosine():
    zero, near = np.zeros((2, 3), np.float32), np.full((2, 3), 1e-4, np.float32)
    limits = ErrorValues(0.0, 1e-6, 1e-3, 1e-6)
    verdict = judge(zero, near, limits)
    assert verdict.outcome == "conforms"
    assert verdict.notes == ["the cosine of out is undefined, because the golden is zero everywhere"]
    assert judge(zero, near * 100, limits).outcome == "deviates"


def test_a_zero_result_of_a_golden_that_is_not_zero_fails_the_cosine():
    value = np.full((2, 3), 1e-4, np.float32)
    reason = only_reason(judge(value, value * 0, ErrorValues(0.5, 1.0, 1.0, 1.0)))
    assert "cosine distance 1 > bound 0.5" in reason


def test_errors_beyond_the_largest_float64_deviate():
    value = np.array([[1e300, 1.0]])
    verdict = judge(value, -value, ErrorValues(2.0, 1e300, 1e301, 1e308))
    assert "mean squared error 1.798e+308 > bound 1e+300" in verdict.reasons[0]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_a_bound_that_is_no_amount_is_an_error(wrong):
    with pytest.raises(ValueError, match="should be finite and >= 0"):
        judge(golden(), golden(), ErrorValues(0.0, wrong, 0.0, 0.0))


# --- samples


def test_the_worst_sample_decides_and_is_named():
    results = [golden(), golden() + np.float32(0.5)]
    verdict = judge_samples([golden(), golden()], results, ErrorValues(2.0, 1.0, 0.1, 1.0), where="n")
    assert "sample 1 of n[" in only_reason(verdict)
    assert verdict.metrics is not None
    assert verdict.metrics.max_abs == pytest.approx(0.5, rel=1e-5)


def test_needed_passes_all_samples():
    goldens = [golden(), golden() * 3]
    results = [golden() + np.float32(0.5), golden() * 3 + np.float32(0.01)]
    needed = judge_samples(goldens, results, EXACT).needed
    assert judge_samples(goldens, results, needed).outcome == "conforms"


def test_one_sample_without_numbers_leaves_none_for_all():
    verdict = judge_samples([golden(), golden()], [golden(), None], LOOSE, where="n")
    assert only_reason(verdict) == "sample 1 of n is missing from what the device returned"
    assert verdict.metrics is None
    assert verdict.needed is None


def test_no_golden_is_an_error():
    with pytest.raises(GoldenError, match="nothing was compared"):
        judge_samples([], [], LOOSE)
