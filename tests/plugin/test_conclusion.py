"""What a finding becomes: a record, and the outcome of its test."""

import numpy as np
import pytest
from support.judged import judge
from support.records import case

from conformance.judging.bounds import ErrorValues
from conformance.judging.findings import Finding, Problem
from conformance.judging.waivers import Waived, WaiverLedger
from conformance.plugin.conclusion import require
from conformance.runs.records import record_of

CASE = case(node="a/mean")
ONES = np.ones((1, 2, 2, 3), np.float32)
LIMITS = ErrorValues(1e-6, 1e-6, 1e-3, 1e-6)
RIGHT, WRONG = judge(ONES, ONES, LIMITS), judge(ONES, 2 * ONES, LIMITS)


class Everything(WaiverLedger):
    """A ledger whose one waiver is for every case."""

    def record(self, _, verdict):
        return Waived("waived" if verdict.outcome == "deviates" else verdict.outcome, "w")


def record(state, verdict=None, ledger=None, reason=""):
    finding = Finding(CASE, state, verdict, reason, ("ab",), 0.5)
    return record_of(finding, ledger or WaiverLedger(), simulated=True)


@pytest.mark.parametrize(
    ("state", "verdict", "outcome"),
    [
        ("judged", RIGHT, "conforms"),
        ("judged", WRONG, "deviates"),
        ("measured", RIGHT, "measured"),
        ("measured", WRONG, "deviates"),
    ],
)
def test_a_verdict_becomes_an_outcome_with_its_numbers(state, verdict, outcome):
    made = record(state, verdict)
    assert (made.outcome, made.metrics, made.reasons) == (outcome, verdict.metrics, verdict.reasons)
    assert (made.sha256, made.seconds, made.case) == (["ab"], 0.5, "n/a/mean-int8-fp16-own")


@pytest.mark.parametrize(("state", "verdict"), [("judged", WRONG), ("measured", RIGHT), ("broken", None)])
def test_every_record_says_what_ran_it_and_how(state, verdict):
    finding = Finding(CASE, state, verdict, "" if verdict else "lost")
    origin = {"simulated": False, "device": "cambricon", "fusion": "layer by layer"}
    made = record_of(finding, WaiverLedger(), **origin)
    assert {name: getattr(made, name) for name in origin} == origin


def test_what_has_no_verdict_keeps_its_reason():
    broken = record_of(
        Finding.of(CASE, Problem("broken", "lost")), WaiverLedger(), simulated=False, case_id="x"
    )
    assert (broken.outcome, broken.reasons, broken.notes, broken.case) == ("broken", ["lost"], [], "x")
    assert broken.simulated is False
    unsupported = record_of(Finding.of(CASE, Problem("unsupported", "no")), Everything(), simulated=True)
    assert (unsupported.outcome, unsupported.reasons, unsupported.notes) == ("unsupported", [], ["no"])


def test_nothing_broken_is_waived():
    assert record("broken", reason="lost", ledger=Everything()).outcome == "broken"


def outcome(*records, wanted="conforms", told=()):
    try:
        require(wanted, records, told)
    except BaseException as error:  # noqa: BLE001 - pytest's outcomes are no Exceptions
        return type(error).__name__, str(error)
    return "Passed", ""


def test_a_deviation_that_was_told_before_fails_all_the_same_and_is_told_in_short():
    short = "n/a/mean-int8-fp16-own deviates, as the same output does when it is not timed"
    assert outcome(record("judged", WRONG), told=["n/a/mean-int8-fp16-own"]) == ("Failed", short)
    assert "as the same" not in outcome(record("judged", WRONG), told=["n/other-int8-fp16-own"])[1]


def test_the_worst_record_decides():
    right = record("judged", RIGHT)
    wrong, waived = record("judged", WRONG), record("judged", WRONG, Everything())
    stale, broken = record("judged", RIGHT, Everything()), record("broken", reason="lost")
    unsupported = record("unsupported", reason="no int8")
    assert outcome(right, unsupported)[0] == "Passed"
    name, said = outcome(waived, right)
    assert (name, said.partition(":")[0]) == ("XFailed", "waived by w")
    assert said.endswith(" of its bound")
    assert outcome(unsupported, unsupported)[0] == "Skipped"
    assert "is unsupported: no int8" in outcome(unsupported)[1]
    for bad, sentence in (
        (wrong, "deviates: "),
        (broken, "is broken: lost"),
        (stale, "conforms, but waiver 'w'"),
    ):
        name, text = outcome(waived, bad, right, unsupported)
        assert (name, sentence in text) == ("Failed", True)


def unmodelled(verdict=RIGHT, ledger=None, **options):
    finding = Finding(CASE, "judged", verdict, unmodelled="LRN ran in float")
    return record_of(finding, ledger or WaiverLedger(), simulated=True, **options)


def test_what_is_not_modelled_neither_passes_nor_hides_a_failure():
    right = record("judged", RIGHT)
    assert unmodelled().outcome == unmodelled(ledger=Everything()).outcome == "unmodelled"
    assert outcome(right, unmodelled()) == ("Skipped", f"{CASE} is unmodelled: LRN ran in float")
    assert outcome(unmodelled(), record("judged", WRONG))[0] == "Failed"
    assert outcome(unmodelled(WRONG))[0] == "Failed"
    assert outcome(unmodelled(WRONG, Everything()), unmodelled())[0] == "XFailed"
    name, text = outcome(right, unmodelled(fail_unmodelled=True))
    assert (name, text) == ("Failed", f"{CASE} is unmodelled: LRN ran in float, and --unmodelled=fail")


def test_what_was_only_measured_is_not_judged_and_the_other_way_round():
    right, measured = record("judged", RIGHT), record("measured", RIGHT)
    assert outcome(measured, wanted="measured")[0] == "Passed"
    assert outcome(measured)[0] == outcome(right, wanted="measured")[0] == "Failed"
    assert outcome(record("measured", WRONG), wanted="measured")[0] == "Failed"


def test_nothing_at_all_fails():
    assert outcome() == ("Failed", "nothing was judged; an empty comparison never passes")
