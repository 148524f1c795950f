"""One table of outcomes: whole, and no outcome that is unknown looks good."""

from typing import get_args

import pytest

from conformance.html.looks import FINDINGS, OUTCOMES, counted, look, severity, worst
from conformance.judging.cases import Outcome


def test_every_outcome_has_a_look_of_its_own():
    assert set(get_args(Outcome)) <= set(OUTCOMES)
    signs = [seen.sign for seen in OUTCOMES.values()]
    assert len(set(signs)) == len(signs), "colour alone would tell them apart"


def test_only_what_conforms_looks_good():
    assert [name for name, seen in OUTCOMES.items() if seen.tone == "good"] == ["conforms"]
    assert look("invented").tone == "odd"


def test_the_worst_comes_first():
    assert worst(["conforms", "waived", "deviates", "measured"]) == "deviates"
    assert worst(["conforms", "unmodelled"]) == "unmodelled"
    assert severity("invented") == severity("broken")
    assert set(FINDINGS) < set(OUTCOMES)


@pytest.mark.parametrize(
    ("outcome", "number", "words"),
    [("conforms", 1, "1 conforms"), ("conforms", 1026, "1,026 conform"), ("waived", 2, "2 waived")],
)
def test_counts_in_words(outcome, number, words):
    assert counted(outcome, number) == words
