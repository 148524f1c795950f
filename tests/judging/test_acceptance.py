"""Verdicts on a network's outputs: cosine and PSNR, each of the worst sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import judge_acceptance

from conformance.errors import GoldenError
from conformance.judging.verdicts import Acceptance

ACCEPTANCE = Acceptance(cosine=0.999, psnr=40.0)


def golden(seed: int = 3) -> np.ndarray:
    return np.random.RandomState(seed).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)


def noisy(value: np.ndarray, amount: float) -> np.ndarray:
    signs = np.random.RandomState(9).choice([-1, 1], value.shape)
    return (value + amount * signs).astype(np.float32)


def test_equal_outputs_are_accepted_with_an_infinite_psnr():
    verdict = judge_acceptance([golden()], [golden()], Acceptance(cosine=1.0, psnr=200.0), 2.0)
    assert verdict.outcome == "conforms"
    assert verdict.acceptance == Acceptance(cosine=1.0, psnr=200.0)
    assert verdict.reached.cosine == 1.0
    assert verdict.reached.psnr is None


@given(st.floats(1e-3, 0.5))
def test_reached_is_cosine_and_psnr_over_the_value_range(amount):
    value, result = golden().astype(np.float64), noisy(golden(), amount).astype(np.float64)
    verdict = judge_acceptance([golden()], [noisy(golden(), amount)], ACCEPTANCE, 2.0)
    mse = float(np.mean((result - value) ** 2))
    cosine = float(np.vdot(value, result) / np.linalg.norm(value) / np.linalg.norm(result))
    assert verdict.reached.psnr == pytest.approx(10 * math.log10(4 / mse))
    assert verdict.reached.cosine == pytest.approx(cosine)
    accepted = verdict.reached.psnr >= 40 and verdict.reached.cosine >= 0.999
    assert (verdict.outcome == "conforms") == accepted


def test_the_cosine_alone_fails():
    verdict = judge_acceptance(
        [golden()], [noisy(golden(), 0.1)], Acceptance(cosine=0.999, psnr=1.0), 2.0, where="n"
    )
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith("n reaches a cosine of 0.98")
    assert verdict.reasons[0].endswith("but at least 0.999 is accepted")


def test_the_psnr_alone_fails():
    verdict = judge_acceptance([golden()], [golden() * 2], ACCEPTANCE, 2.0, where="n")
    assert len(verdict.reasons) == 1
    mse = float(np.mean(golden().astype(np.float64) ** 2))
    assert f"n reaches a PSNR of {10 * math.log10(4 / mse):.4g} dB" in verdict.reasons[0]
    assert verdict.reasons[0].endswith("but at least 40 dB is accepted")


def test_the_worst_sample_decides_and_is_named():
    results = [golden(1), noisy(golden(2), 0.3), noisy(golden(3), 0.1)]
    verdict = judge_acceptance([golden(1), golden(2), golden(3)], results, ACCEPTANCE, 2.0, where="n")
    assert [reason.split(" reaches")[0] for reason in verdict.reasons] == ["sample 1 of n"] * 2
    alone = judge_acceptance([golden(2)], [results[1]], ACCEPTANCE, 2.0)
    assert verdict.reached == alone.reached


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "is missing"),
        (golden()[..., :1], "has shape"),
        (golden().astype(np.int32), "has dtype int32"),
        (np.full_like(golden(), np.nan), "768 NaN"),
        (np.full_like(golden(), -np.inf), "768 -Inf"),
    ],
)
def test_form_and_nan_deviate_and_nothing_is_reached(result, message):
    verdict = judge_acceptance([golden()], [result], Acceptance(cosine=1e-9, psnr=-1e9), 2.0)
    assert verdict.outcome == "deviates"
    assert len(verdict.reasons) == 1
    assert message in verdict.reasons[0]
    assert verdict.reached is None


def test_a_missing_sample_deviates_although_the_others_are_accepted():
    verdict = judge_acceptance([golden(), golden()], [golden(), None], ACCEPTANCE, 2.0)
    assert verdict.outcome == "deviates"


def test_a_zero_output_reaches_no_cosine():
    verdict = judge_acceptance([golden()], [golden() * 0], Acceptance(cosine=0.01, psnr=-100.0), 2.0)
    assert verdict.outcome == "deviates"
    assert verdict.reached.cosine == 0


def test_a_zero_golden_is_judged_by_its_psnr():
    zero = np.zeros((1, 4, 4, 3), np.float32)
    verdict = judge_acceptance([zero], [zero + np.float32(1e-4)], ACCEPTANCE, 2.0)
    assert verdict.outcome == "conforms"
    assert verdict.reached.cosine is None
    assert verdict.notes
    assert judge_acceptance([zero], [zero + np.float32(0.1)], ACCEPTANCE, 2.0).outcome == "deviates"


@pytest.mark.parametrize(
    ("cosine", "psnr"),
    [(math.nan, 40.0), (1.1, 40.0), (0.0, 40.0), (-1.0, 40.0), (0.9, math.nan), (0.9, math.inf)],
)
def test_an_acceptance_that_cannot_be_judged_is_an_error(cosine, psnr):
    with pytest.raises(ValueError, match="is"):
        Acceptance(cosine=cosine, psnr=psnr)


def test_no_golden_is_an_error():
    with pytest.raises(GoldenError, match="nothing was compared"):
        judge_acceptance([], [], ACCEPTANCE, 2.0)
