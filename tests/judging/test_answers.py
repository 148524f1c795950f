"""Right answers: counted against the truth, whatever the golden says; what does not fit is one sentence."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.errors import UsageError
from conformance.judging.answers import Answers, Counted
from conformance.judging.comparison import Comparison, compare_sample
from conformance.judging.verdicts import Acceptance, Reached, accept_comparisons

CLASS = Answers(measure="class", truth=["truth.npy"])
WITHIN = Answers(measure="within", truth=["truth.npy"], tolerance=0.25)


@given(st.integers(1, 40), st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_as_many_are_right_as_were_made_right(count, classes, seed):
    random = np.random.RandomState(seed)
    truth = random.randint(0, classes, count)
    right = random.randint(0, 2, count).astype(bool)
    chosen = np.where(right, truth, (truth + 1) % classes)
    scores = random.uniform(0.0, 0.5, (count, classes)).astype(np.float32)
    scores[np.arange(count), chosen] += 1.0
    assert CLASS.count(scores, truth) == Counted(int(right.sum()), count)


def test_the_tolerance_itself_is_within():
    result = np.array([[1.25], [1.2500001], [0.75], [0.0]], np.float32)
    assert WITHIN.count(result, np.ones((4, 1))) == Counted(2, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_wrong(bad):
    scores = np.eye(3, dtype=np.float32)
    scores[0, 0], scores[1, 2] = bad, bad
    assert CLASS.count(scores, np.arange(3)) == Counted(1, 3)
    assert WITHIN.count(np.array([bad, 1.0], np.float32), np.ones(2)) == Counted(1, 2)


@pytest.mark.parametrize(
    ("answers", "truth", "said"),
    [
        (CLASS, np.zeros((4, 3), int), r"truth t.npy has shape \(4, 3\), but should have \(4,\)"),
        (CLASS, np.zeros(4), "t.npy holds float64 from 0.0 to 0.0; give whole numbers from 0 to 2"),
        (CLASS, np.array([0, 1, 2, 3]), "from 0 to 3; give whole numbers from 0 to 2"),
        (CLASS, np.array([0, 1, 2, -1]), "from -1 to 2; give whole numbers"),
        (WITHIN, np.zeros(4), r"has shape \(4,\), but should have \(4, 3\)"),
        (WITHIN, np.full((4, 3), np.nan), "holds float64; give finite numbers"),
        (WITHIN, np.zeros((4, 3), bool), "holds bool; give finite numbers"),
    ],
)
def test_a_truth_that_does_not_fit_is_named(answers, truth, said):
    with pytest.raises(UsageError, match=said):
        answers.check_truth(truth, (4, 3), "t.npy")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"measure": "within", "truth": ["t"]}', "tolerance is None, but 'within' asks for a tolerance"),
        ('{"measure": "class", "truth": ["t"], "tolerance": 1}', "'class' for none"),
        ('{"measure": "within", "truth": ["t"], "tolerance": 0}', "Expected `float` > 0.0"),
        ('{"measure": "top5", "truth": ["t"]}', "top5"),
        ('{"measure": "class", "truth": []}', "length >= 1"),
    ],
)
def test_a_table_that_says_nothing_clear_is_refused(text, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.json.decode(text, type=Answers)


def compared(right: int, total: int, where: str = "out") -> Comparison:
    values = np.linspace(1, 2, 5, dtype=np.float32)
    found = compare_sample(values, values, where)
    return dataclasses.replace(found, answers=Counted(right, total))


def test_the_sample_with_the_least_right_answers_decides():
    samples = [compared(19, 20), compared(17, 20, "out (sample 1)")]
    verdict = accept_comparisons(samples, Acceptance(answers=0.9), 1.0)
    assert verdict.outcome == "deviates"
    said = "out (sample 1) has 17 of 20 answers right (85.0%), but at least 90 % are accepted"
    assert verdict.reasons == [said]
    assert verdict.reached == Reached(cosine=1.0, psnr=None, answers=0.85)
    assert not verdict.reached.meets(Acceptance(answers=0.9))


def test_exactly_enough_right_answers_are_enough():
    verdict = accept_comparisons([compared(18, 20)], Acceptance(answers=0.9), 1.0)
    assert verdict.outcome == "conforms"
    assert verdict.reached.meets(Acceptance(answers=0.9))


def test_right_answers_do_not_make_up_for_the_cosine():
    values = np.linspace(-1, 2, 5, dtype=np.float32)
    found = dataclasses.replace(compare_sample(values, -values, "out"), answers=Counted(20, 20))
    verdict = accept_comparisons([found], Acceptance(answers=0.9, cosine=0.9), 1.0)
    assert verdict.outcome == "deviates"
    assert "cosine" in verdict.reasons[0]


def test_what_is_demanded_in_words():
    assert Acceptance(answers=0.95).in_words == "95 % right answers"
    assert Acceptance(cosine=0.999, psnr=40.0).in_words == "cosine 0.999 and 40 dB"
