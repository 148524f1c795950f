"""Waivers are strict: what matches nothing, has expired or is stale is a problem."""

from __future__ import annotations

import datetime as dt
import re

import msgspec
import numpy as np
import pytest
from support import waivers
from support.judged import judge
from support.refusals import refused
from support.waivers import waiver_toml

from conformance.judging.bounds import ErrorValues
from conformance.judging.cases import Case
from conformance.judging.waivers import (
    Waiver,
    WaiverLedger,
    applicable,
    expired,
    match,
    read_waivers,
    stale,
    unknown_networks,
    unmatched,
)

GOOD = {"id": "mean-fp16", "network": "beautygan", "nodes": ["generator/*/moments/mean"], "operators": None}
MEAN = Case(
    network="beautygan", node="generator/IN_1/moments/mean", op="Mean", precision="int8-fp16", mode="own"
)


def table(**raw: str | None) -> str:
    return waiver_toml(raw, **GOOD | {"operators": ["Mean"]})


def read_text(tmp_path, text: str) -> list[Waiver]:
    (tmp_path / "device.toml").write_text(text)
    return read_waivers(tmp_path / "device.toml")


def waiver(**changes: object) -> Waiver:
    return waivers.waiver(**GOOD | changes)


def case(**changes: str) -> Case:
    return msgspec.structs.replace(MEAN, **changes)


# --- the file


def test_a_waiver_file_is_read(tmp_path):
    (read,) = read_text(tmp_path, table())
    assert read.id == "mean-fp16"
    assert read.expires == dt.date(2030, 1, 31)
    assert read.profile is None


def test_an_empty_file_has_no_waivers(tmp_path):
    assert read_text(tmp_path, "") == []


@pytest.mark.parametrize("key", [key for key in waivers.PLAIN if key not in ("operators", "at_most")])
def test_every_key_but_operators_and_ceiling_is_required(tmp_path, key):
    with refused(rf"device\.toml is malformed.*{key}"):
        read_text(tmp_path, table(**{key: None}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", '""'),
        ("reason", '""'),
        ("reason", '"  "'),
        ("evidence", '""'),
        ("network", '""'),
        ("nodes", "[]"),
        ("nodes", '[""]'),
        ("nodes", '"generator/add"'),
        ("operators", "[]"),
        ("precisions", "[]"),
        ("modes", "[]"),
        ("modes", '["owned"]'),
        ("expires", '"2030-01-31"'),
        ("expires", "2030-01-31T00:00:00"),
        ("expires", '"never"'),
        ("profile", '""'),
    ],
)
def test_an_empty_or_wrong_value_is_refused_with_file_and_key(tmp_path, key, value):
    with refused(rf"device\.toml is malformed.*{key}"):
        read_text(tmp_path, table(**{key: value}))


def test_an_unknown_key_is_refused(tmp_path):
    with refused("expiry"):
        read_text(tmp_path, table(expiry="2030-01-01"))
    with refused("waivers"):
        read_text(tmp_path, table().replace("[[waiver]]", "[[waivers]]"))


def test_an_id_that_is_used_twice_is_refused(tmp_path):
    with refused("uses the id 'mean-fp16' twice"):
        read_text(tmp_path, table() + table())


def test_what_is_not_toml_is_refused(tmp_path):
    with refused("malformed"):
        read_text(tmp_path, "[[waiver]")


# --- matching


def test_a_waiver_matches_by_globs():
    assert match([waiver()], MEAN) == waiver()
    assert match([waiver(operators=["Me?n"])], MEAN) is not None
    assert match([], MEAN) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "beautygan2"},
        {"node": "generator/IN_1/moments/variance"},
        {"node": "xgenerator/IN_1/moments/mean"},
        {"precision": "int8-fp32"},
        {"mode": "fused"},
        {"op": "Sum"},
        {"op": "mean"},
    ],
)
def test_a_waiver_does_not_match_what_differs_in_one_thing(changes):
    assert match([waiver(operators=["Mean"])], case(**changes)) is None


def test_two_matching_waivers_are_an_error_that_names_both():
    with refused("'mean-fp16' and 'all' both match beautygan/generator/IN_1/moments/mean"):
        match([waiver(), waiver(id="all", nodes=["*"])], MEAN)


def test_only_waivers_of_the_network_and_the_profile_apply():
    known = [waiver(), waiver(id="p", profile="mlu270"), waiver(id="n", network="other")]
    assert [item.id for item in applicable(known, network="beautygan", profile="mlu270")] == [
        "mean-fp16",
        "p",
    ]
    assert [item.id for item in applicable(known, network="beautygan", profile="ideal")] == ["mean-fp16"]
    assert [item.id for item in applicable(known, network="beautygan", profile=None)] == ["mean-fp16"]


# --- problems


def test_a_waiver_that_matches_a_known_case_is_no_problem():
    assert unmatched([waiver()], iter([MEAN, case(mode="fused")])) == []


def test_a_waiver_that_matches_nothing_known_is_a_problem():
    (problem,) = unmatched([waiver(), waiver(id="gone", nodes=["conv2d_99"])], [MEAN])
    assert problem.startswith("waiver 'gone' matches no known case")


def test_without_known_cases_every_waiver_is_a_problem():
    assert len(unmatched([waiver()], [])) == 1


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({"nodes": ["generator/*", "conv2d_99"]}, "nodes 'conv2d_99'"),
        ({"precisions": ["int8-fp16", "int8-pf16"]}, "precisions 'int8-pf16'"),
        ({"modes": ["own", "chained"]}, "modes 'chained'"),
        ({"operators": ["Mean", "Sum"]}, "operators 'Sum'"),
    ],
)
def test_an_entry_that_matches_nothing_known_is_a_problem(changes, entry):
    (problem,) = unmatched([waiver(**changes)], [MEAN])
    assert f"lists {entry}, which matches none of its cases" in problem


def test_a_waiver_holds_on_its_last_day_and_not_after():
    assert expired([waiver()], dt.date(2030, 1, 31)) == []
    (problem,) = expired([waiver()], dt.date(2030, 2, 1))
    assert problem.startswith("waiver 'mean-fp16' of ")
    assert "expired on 2030-01-31" in problem


def test_a_network_that_does_not_exist_is_a_problem_with_near_names():
    assert unknown_networks([waiver()], ["beautygan"]) == []
    (problem,) = unknown_networks([waiver(network="beautygna")], ["beautygan"])
    assert "'beautygna', which does not exist (near names: beautygan)" in problem


# --- the ledger

LIMITS = ErrorValues(1e-6, 1e-6, 1e-3, 1e-6)
ONES = np.ones((1, 2, 2, 3), np.float32)
RIGHT, WRONG, MISSING = judge(ONES, ONES, LIMITS), judge(ONES, ONES * 1.01, LIMITS), judge(ONES, None, LIMITS)


def test_a_deviation_is_waived_where_it_was_measured():
    ledger = WaiverLedger([waiver()])
    assert ledger.record(MEAN, WRONG) == ("waived", "mean-fp16", ())
    assert ledger.record(MEAN, MISSING) == ("deviates", None, ())


def test_a_deviation_without_waiver_deviates():
    ledger = WaiverLedger([waiver()])
    assert ledger.record(case(mode="fused"), WRONG) == ("deviates", None, ())
    assert WaiverLedger().record(MEAN, WRONG) == ("deviates", None, ())


def test_a_deviation_beyond_the_ceiling_deviates_and_says_so():
    ledger = WaiverLedger([waiver(at_most=9.0)])
    outcome, named, (reason,) = ledger.record(MEAN, WRONG)
    assert (outcome, named) == ("deviates", None)
    assert reason == (
        "waiver 'mean-fp16' does not cover this: it covers errors of up to 9 times their bound, "
        "but this one is 10 times its bound"
    )
    assert WaiverLedger([waiver(at_most=11.0)]).record(MEAN, WRONG).outcome == "waived"


def test_a_conforming_case_names_its_waiver_which_is_stale_then():
    ledger = WaiverLedger([waiver()])
    assert ledger.record(MEAN, RIGHT) == ("conforms", "mean-fp16", ())
    assert ledger.record(case(mode="fused"), RIGHT) == ("conforms", None, ())
    assert stale("mean-fp16", str(MEAN)).startswith(f"waiver 'mean-fp16' is stale: {MEAN} conforms")


def test_the_ledger_refuses_two_waivers_of_one_case():
    with refused("both match"):
        WaiverLedger([waiver(), waiver(id="all", nodes=["*"])]).record(MEAN, RIGHT)


# --- a ceiling is there


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"at_most": None}, "at_most is missing; give the largest error over its bound"),
        ({"at_most": None, "modes": '["calibration"]'}, "at_most is missing"),
        ({"modes": '["own", "fused"]'}, "at_least is missing; give what an output must still reach"),
        ({"at_most": "1.0"}, "at_most is 1.0, but should be above 1, because errors up to their bound"),
        ({"at_most": "nan"}, "at_most is nan, but should be above 1"),
        ({"at_most": "inf"}, "at_most is inf, so that no error is too large; give at_least"),
        ({"at_least": "{ cosine = 2.0 }"}, "cosine is 2.0, but should be above 0"),
        ({"at_least": "{}"}, "nothing is demanded"),
    ],
)
def test_a_waiver_without_an_end_is_refused(tmp_path, changes, sentence):
    with refused(re.escape(sentence)):
        read_text(tmp_path, table(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"at_most": None, "modes": '["fused"]', "at_least": "{ psnr = 14.3 }"},
        {"at_most": "inf", "at_least": "{ cosine = 0.5 }"},
        {"at_most": "5.64e+03"},
    ],
)
def test_a_waiver_with_an_end_is_read(tmp_path, changes):
    assert len(read_text(tmp_path, table(**changes))) == 1
