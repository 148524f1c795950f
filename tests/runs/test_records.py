"""Records: one line each, and nothing is written that would not read back."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judged import judge, judge_acceptance
from support.records import case, record
from support.refusals import refused

from conformance.judging.bounds import ErrorValues
from conformance.judging.findings import Finding
from conformance.judging.verdicts import Acceptance
from conformance.judging.waivers import Waived, WaiverLedger
from conformance.runs.directory import read_records
from conformance.runs.records import (
    decode_record,
    encode_record,
    finding_of,
    judged,
    record_of,
    stale_waivers,
)

CASE = case(node="a/mean")
ONES = np.ones((1, 2, 2, 3), np.float32)
LIMITS = ErrorValues(1e-6, 1e-6, 1e-3, 1e-6)


class EveryCase(WaiverLedger):
    """A ledger whose one waiver is for every case."""

    def record(self, _, verdict):
        return Waived("waived" if verdict.outcome == "deviates" else verdict.outcome, "w")


@pytest.mark.parametrize("result", [ONES, ONES * 2])
def test_what_is_not_modelled_stays_with_the_record(result):
    verdict = judge(ONES, result, LIMITS)
    finding = Finding(CASE, "judged", verdict, unmodelled="LRN ran in float")
    made = record_of(finding, WaiverLedger(), simulated=True)
    assert made.outcome == finding.outcome == ("unmodelled" if result is ONES else "deviates")
    assert finding_of(decode_record(encode_record(made))) == finding
    assert judged([made]) == (result is not ONES)


@pytest.mark.parametrize(("outcome", "unmodelled"), [("conforms", "LRN ran in float"), ("unmodelled", "")])
def test_what_is_not_modelled_never_conforms(outcome, unmodelled):
    with pytest.raises(ValueError, match="what is not modelled is"):
        record(outcome, unmodelled=unmodelled)


def test_the_record_of_a_verdict_holds_all_of_it():
    verdict = judge(ONES, ONES * 2, LIMITS)
    finding = Finding(CASE, "judged", verdict, sha256=("ab",), seconds=0.25)
    made = record_of(finding, WaiverLedger(), simulated=True)
    assert finding_of(made) == finding
    assert made.case == "n/a/mean-int8-fp16-own"
    assert made.outcome == "deviates"
    assert (made.reasons, made.metrics, made.bounds, made.needed) == (
        verdict.reasons,
        verdict.metrics,
        LIMITS,
        verdict.needed,
    )
    assert (made.sha256, made.seconds, made.waiver) == (["ab"], 0.25, None)
    assert decode_record(encode_record(made)) == made


def test_the_record_of_an_acceptance_holds_what_was_reached():
    verdict = judge_acceptance([ONES], [ONES], Acceptance(cosine=0.9, psnr=40.0), 2.0)
    made = record_of(Finding(CASE, "judged", verdict), WaiverLedger(), simulated=False, case_id="timed")
    assert made.case == "timed"
    assert made.reached == verdict.reached
    assert decode_record(encode_record(made)) == made


def test_a_waived_record_names_its_waiver_and_keeps_its_reasons():
    made = record_of(Finding(CASE, "judged", judge(ONES, ONES * 2, LIMITS)), EveryCase(), simulated=True)
    assert (made.outcome, made.waiver) == ("waived", "w")
    assert made.reasons
    assert stale_waivers([made]) == []


def test_a_stale_waiver_is_found_in_the_records():
    made = record_of(Finding(CASE, "judged", judge(ONES, ONES, LIMITS)), EveryCase(), simulated=True)
    (problem,) = stale_waivers([made, record()])
    assert problem.startswith(f"waiver 'w' is stale: {made.case} conforms")


@given(st.from_regex(r".*\S.*", fullmatch=True), st.lists(st.text()), st.floats(0, 1e9))
def test_a_record_is_one_line_whatever_its_texts(name, reasons, seconds):
    made = record(case=name, reasons=reasons, seconds=seconds)
    line = encode_record(made)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode_record(line) == made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": math.nan}, "seconds is nan"),
        ({"seconds": math.inf}, "seconds is inf"),
        ({"seconds": -1.0}, "seconds is -1"),
        ({"outcome": "waived", "waiver": None}, "no waiver is named"),
        ({"outcome": "deviates", "reasons": []}, "no reason is given"),
        ({"outcome": "broken", "reasons": []}, "no reason is given"),
    ],
)
def test_a_record_that_contradicts_itself_is_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        record(**changes)


def test_a_number_that_json_cannot_hold_is_an_error_and_not_a_null():
    metrics = msgspec.structs.replace(judge(ONES, ONES, LIMITS).metrics, mse=math.inf)
    with pytest.raises(ValueError, match=r"metrics.mse is inf, but should be from 0 to 1.79769e\+308"):
        encode_record(record(metrics=metrics))
    metrics = msgspec.structs.replace(metrics, mse=0.0, cosine_distance=math.nan)
    with pytest.raises(ValueError, match=r"metrics.cosine_distance is nan, but should be from 0 to 2"):
        encode_record(record(metrics=metrics))


METRICS = msgspec.to_builtins(judge(ONES, ONES, LIMITS).metrics)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": METRICS | {"mse": -1.0}}, "metrics.mse is -1.0, but should be from 0 to"),
        ({"metrics": METRICS | {"max_abs": -1e-300}}, "metrics.max_abs is -1e-300, but should be"),
        ({"metrics": METRICS | {"worst_channel_mse": -1}}, "metrics.worst_channel_mse is -1.0, but"),
        ({"metrics": METRICS | {"cosine_distance": 2.5}}, "metrics.cosine_distance is 2.5, but should be"),
        ({"metrics": METRICS | {"cosine_distance": -0.5}}, "metrics.cosine_distance is -0.5, but"),
        ({"metrics": METRICS | {"worst_channel": -1}}, "metrics.worst_channel is -1, but should be"),
        ({"metrics": METRICS | {"worst_index": [0, -2]}}, r"metrics.worst_index\[1\] is -2, but should be"),
        ({"precision": "mean"}, "precision is 'mean', but should be one of int8-fp16"),
        ({"precision": "int8"}, "precision is 'int8', but should be one of int8-fp16"),
        ({"mode": "calibration"}, "precision is 'int8-fp16', but should be one of int8, int16"),
        ({"reached": {"cosine": 7.0, "psnr": 1.0}}, "reached.cosine is 7.0, but should be"),
        ({"reached": {"cosine": 1.0, "psnr": 1.0, "answers": 1.5}}, "reached.answers is 1.5, but should be"),
    ],
)
def test_a_figure_that_no_comparison_comes_to_is_refused_with_line_and_field(tmp_path, changes, message):
    fields = msgspec.json.decode(encode_record(record())) | changes
    text = b"\n".join([encode_record(record(case="first")).strip(), msgspec.json.encode(fields), b""])
    (tmp_path / "records.jsonl").write_bytes(text)
    with refused(f"records.jsonl line 2 is malformed: {message}"):
        read_records(tmp_path)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_what_is_no_finite_number_is_refused_with_its_line(tmp_path, number):
    line = encode_record(record(seconds=0.125)).replace(b"0.125", number.encode())
    (tmp_path / "records.jsonl").write_bytes(line)
    with refused("records.jsonl line 1 is malformed: "):
        read_records(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "passed"},
        {"mode": "eager"},
        {"case": ""},
        {"node": ""},
        {"extra": 1},
        {"seconds": "1"},
        {"bounds": {"mse": 1.0}},
        {"bounds": {"cosine_distance": 0, "mse": -1, "max_abs": 0, "worst_channel_mse": 0}},
    ],
)
def test_a_line_with_an_unknown_or_wrong_field_is_refused(change):
    fields = msgspec.json.decode(encode_record(record())) | change
    with pytest.raises(ValueError, match=r"\$|unknown"):
        decode_record(msgspec.json.encode(fields))


@pytest.mark.parametrize(
    "field", ["case", "network", "node", "op", "precision", "mode", "outcome", "simulated"]
)
def test_a_line_without_a_field_is_refused(field):
    fields = msgspec.json.decode(encode_record(record()))
    del fields[field]
    with pytest.raises(ValueError, match=field):
        decode_record(msgspec.json.encode(fields))
