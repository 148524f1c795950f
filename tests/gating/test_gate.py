"""The verdict on planted upgrades, made of run directories: each kind of change, and each that is none."""

import dataclasses
import math
from typing import get_args

import msgspec
import numpy as np
import pytest
from support.made_runs import PRECISIONS, Made, digest, made_side, output, own, usual

from conformance.gating.gate import Demands, gate
from conformance.gating.outcomes import STANDINGS
from conformance.judging.bounds import ErrorValues
from conformance.judging.cases import Outcome
from conformance.judging.conformity import Conformity

BASELINE = {"int8-fp16": 0.01, "int16-fp32": 0.02}
NEW = {"driver": "4.20.11"}


@pytest.fixture
def judge(tmp_path):
    """Gate runs of made records: three a side whose times are equal, unless a test says otherwise."""

    def judged(candidate, baseline=None, **demands):
        before = [Made(usual(), BASELINE)] * 3 if baseline is None else baseline
        made_side(tmp_path / "before", before)
        made_side(tmp_path / "after", candidate, first=100)
        return gate(tmp_path / "before", tmp_path / "after", Demands(**demands))

    return judged


def three(**changes):
    return [Made(usual(**changes), BASELINE, NEW)] * 3


def changes(found):
    return {(item.change, item.case) for item in found.outcomes}


def test_nothing_changes(judge):
    found = judge(three())
    assert (found.verdict, found.exit_code) == ("GO", 0)
    assert found.reasons == ["nothing changed: all 10 results are bit-identical"]
    assert [(item.what, item.baseline, item.candidate) for item in found.judged] == [
        ("driver", ["4.20.6"], ["4.20.11"])
    ]
    assert (found.outcomes, found.drift, found.irreproducible) == ([], [], [])
    assert {item.word for item in found.speed} == {"not slower"}


def test_a_rounding_matter_is_no_change(judge):
    found = judge(three(mean8=own("mean", "Mean", "int8-fp16", error=0.7)))
    assert (found.verdict, found.exit_code) == ("GO", 0)
    assert "9 of 10 results are bit-identical" in found.reasons[0]
    assert found.reasons[0].endswith("other bits: Mean at int8-fp16 (1 of 2)")
    assert [(item.case, item.changed) for item in found.drift] == [("n/mean-int8-fp16-own", False)]


@pytest.mark.parametrize(("before", "after"), [(0.5, 1.6), (1.6, 0.5)])
def test_an_operator_that_moves_by_an_attainable_error_is_named_though_it_passes(judge, before, after):
    means = {name: own(name, "Mean", "int8-fp16", error=before) for name in ("mean", "variance")}
    moved = {name: own(name, "Mean", "int8-fp16", error=after) for name in ("mean", "variance")}
    found = judge(
        [Made(usual(mean8=moved["mean"], variance8=moved["variance"]), BASELINE, NEW)] * 3,
        [Made(usual(mean8=means["mean"], variance8=means["variance"]), BASELINE)] * 3,
    )
    assert (found.verdict, found.exit_code) == ("GO, CHANGED", 0)
    assert found.reasons[0] == "changed: Mean at int8-fp16 (2 of 2)"
    assert [(row.op, row.precision) for row in found.operators if row.identical < row.cases] == [
        ("Mean", "int8-fp16")
    ]
    assert found.operators[0].drift == pytest.approx(after - before)
    assert found.operators[0].ratio == pytest.approx(after / before)


def test_what_the_user_requires_makes_it_a_no_go(judge, tmp_path):
    rounding = three(mean8=own("mean", "Mean", "int8-fp16", error=0.7))
    assert judge(rounding, require="identical").exit_code == 1
    again = gate(tmp_path / "before", tmp_path / "after", Demands(require="nothing-changed"))
    assert again.verdict == "GO"


def test_nothing_changed_refuses_what_changed(judge):
    found = judge(three(mean8=own("mean", "Mean", "int8-fp16", error=1.6)), require="nothing-changed")
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)


def test_an_operator_beyond_its_bound(judge):
    found = judge(three(conv8=own("conv", "Conv2D", "int8-fp16", error=9.0, outcome="deviates")))
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)
    assert changes(found) == {("regressed", "n/conv-int8-fp16-own")}
    assert "Conv2D at int8-fp16" in found.reasons[0]


@pytest.mark.parametrize("runs", [1, 3])
def test_a_case_that_vanishes_from_one_run_or_all(judge, runs):
    lacking = Made([item for item in usual() if item.node != "mean"], BASELINE, NEW)
    found = judge([lacking] * runs + three()[runs:])
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)
    assert changes(found) == {("disappeared", f"n/mean-{name}-own") for name in PRECISIONS}


def test_a_case_that_the_baseline_lacks_in_one_run_shows_nothing(judge):
    lacking = Made([item for item in usual() if item.node != "mean"], BASELINE)
    found = judge(three(), [lacking, *[Made(usual(), BASELINE)] * 2])
    assert (found.verdict, found.exit_code) == ("CANNOT TELL", 5)


@pytest.mark.parametrize(
    ("outcome", "verdict"), [("conforms", "GO"), ("unsupported", "GO"), ("deviates", "NO-GO")]
)
def test_a_new_case_decides_only_if_it_fails(judge, outcome, verdict):
    new = own("new", "Relu", "int8-fp16", outcome=outcome)
    found = judge(three(new8=new))
    assert (found.verdict, changes(found)) == (verdict, {("appeared", "n/new-int8-fp16-own")})


def test_one_run_in_three_differs(judge):
    fine = three()
    wrong = three(mean8=own("mean", "Mean", "int8-fp16", error=9.0, outcome="deviates"))
    found = judge([fine[0], wrong[0], fine[0]])
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)
    assert changes(found) == {("unstable", "n/mean-int8-fp16-own")}
    assert [(item.case, item.candidate, item.new) for item in found.irreproducible] == [
        ("n/mean-int8-fp16-own", "between runs", True)
    ]


def test_an_unstable_baseline_shows_nothing_of_its_case(judge):
    wrong = Made(usual(mean8=own("mean", "Mean", "int8-fp16", error=9.0, outcome="deviates")), BASELINE)
    found = judge(three(), [wrong, *[Made(usual(), BASELINE)] * 2])
    assert (found.verdict, found.exit_code) == ("CANNOT TELL", 5)
    assert changes(found) == {("unstable", "n/mean-int8-fp16-own")}


@pytest.mark.parametrize("outcome", ["waived", "deviates"])
@pytest.mark.parametrize(("error", "worse"), [(10.0, True), (5.9, False)])
def test_what_is_known_to_be_wrong_may_not_get_worse(judge, outcome, error, worse):
    def means(size):
        return {"mean8": own("mean", "Mean", "int8-fp16", error=size, outcome=outcome)}

    found = judge([Made(usual(**means(error)), BASELINE, NEW)] * 3, [Made(usual(**means(5.0)), BASELINE)] * 3)
    assert (found.verdict == "NO-GO") is worse
    expected = "worse" if worse else "still failing"
    assert changes(found) == (
        {(expected, "n/mean-int8-fp16-own")} if worse or outcome == "deviates" else set()
    )


@pytest.mark.parametrize(("psnr", "worse"), [(4.0, True), (9.9, False), (12.0, False)])
def test_a_waived_output_may_not_get_worse(judge, psnr, worse):
    def out(value):
        return {"out8": output("int8-fp16", psnr=value, cosine=0.7, outcome="waived")}

    found = judge([Made(usual(**out(psnr)), BASELINE, NEW)] * 3, [Made(usual(**out(10.0)), BASELINE)] * 3)
    assert (found.verdict == "NO-GO") is worse
    assert bool(changes(found)) is worse


def test_what_broke_though_it_only_deviated_before_is_worse(judge):
    deviates = own("mean", "Mean", "int8-fp16", error=9.0, outcome="deviates")
    broken = own("mean", "Mean", "int8-fp16", outcome="broken", metrics=None, needed=None, sha256=[])
    found = judge([Made(usual(mean8=broken), BASELINE, NEW)] * 3, [Made(usual(mean8=deviates), BASELINE)] * 3)
    assert changes(found) == {("worse", "n/mean-int8-fp16-own")}


def test_what_was_fixed_is_said_and_passes(judge):
    deviates = own("mean", "Mean", "int8-fp16", error=9.0, outcome="deviates")
    found = judge(three(), [Made(usual(mean8=deviates), BASELINE)] * 3)
    assert (found.verdict, changes(found)) == ("GO, CHANGED", {("fixed", "n/mean-int8-fp16-own")})


def test_every_outcome_has_a_standing():
    assert set(STANDINGS) == set(get_args(Outcome))


@pytest.mark.parametrize("outcome", ["unsupported", "unmodelled", "broken", "waived"])
def test_what_conformed_and_is_anything_else_now_regressed(judge, outcome):
    what = "Foo" if outcome == "unmodelled" else ""
    found = judge(three(mean8=own("mean", "Mean", "int8-fp16", outcome=outcome, unmodelled=what)))
    assert (found.exit_code, changes(found)) == (1, {("regressed", "n/mean-int8-fp16-own")})


def test_what_is_not_modelled_any_more_regressed_and_says_why(judge):
    (mean,) = [item for item in usual() if item.case == "n/mean-int8-fp16-own"]
    lost = msgspec.structs.replace(mean, outcome="unmodelled", unmodelled="Mean ran in float")
    found = judge(three(mean8=lost))
    assert (found.exit_code, changes(found)) == (1, {("regressed", "n/mean-int8-fp16-own")})
    assert "Mean ran in float" in found.outcomes[0].said


def test_unequal_results_of_equal_inputs_within_a_run(judge):
    records = usual()
    turned = [
        msgspec.structs.replace(item, sha256=[*item.sha256[:-1], digest("other")])
        if item.case == "n/out-int8-fp16-fused-timed"
        else item
        for item in records
    ]
    found = judge([Made(turned, BASELINE, NEW)] * 3)
    assert [(item.case, item.candidate) for item in found.irreproducible] == [
        ("n/out-int8-fp16-fused-timed", "within a run")
    ]
    assert found.verdict == "GO, CHANGED"
    assert "not reproducible any more" in " ".join(found.reasons)


def test_cards_that_differ_from_each_other_are_told_from_runs_that_do(judge):
    def side(device):
        return [
            Made(
                usual(mean8=own("mean", "Mean", "int8-fp16", bits=card)), BASELINE, device | {"serial": card}
            )
            for card in "ABAB"
        ]

    found = judge(side(NEW), side({}))
    assert {(item.baseline, item.candidate, item.new) for item in found.irreproducible} == {
        ("between cards", "between cards", False)
    }
    assert found.verdict == "GO"


def test_fewer_rounds_are_no_difference(judge):
    found = judge(
        [
            Made(
                usual()[:-2]
                + [msgspec.structs.replace(item, sha256=item.sha256[:2]) for item in usual()[-2:]],
                BASELINE,
                NEW,
            )
        ]
        * 3
    )
    assert found.reasons == ["nothing changed: all 10 results are bit-identical"]


def test_a_time_below_what_the_card_can_do_is_no_time(judge):
    found = judge([Made(usual(), BASELINE | {"int8-fp16": 1e-6}, NEW)] * 3)
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)
    assert changes(found) == {("not a time", "n/out-int8-fp16-fused-timed")}


def noisy(random, factor, runs, device=None):
    """Return runs whose times have 1 % noise between runs, and rounds with as much within one."""
    return [
        Made(
            usual(),
            {
                name: list(seconds * factor * np.exp(random.normal(0, 0.01) + random.normal(0, 0.01, 5)))
                for name, seconds in BASELINE.items()
            },
            device or {},
        )
        for _ in range(runs)
    ]


def test_slower_runs_are_a_no_go_of_their_own(judge):
    random = np.random.default_rng(1)
    found = judge(noisy(random, 1.10, 5, NEW), noisy(random, 1.0, 5))
    assert (found.verdict, found.exit_code) == ("NO-GO", 2)
    assert {item.word for item in found.speed} == {"slower"}
    for item in found.speed:
        assert item.low < item.change < item.high
        assert item.change == pytest.approx(0.10, abs=0.03)
        assert len(item.runs) == 10


def test_accuracy_comes_before_speed(judge):
    random = np.random.default_rng(1)
    slow = noisy(random, 1.10, 5, NEW)
    wrong = usual(conv8=own("conv", "Conv2D", "int8-fp16", error=9.0, outcome="deviates"))
    found = judge([dataclasses.replace(item, records=wrong) for item in slow], noisy(random, 1.0, 5))
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)


def test_one_run_a_side_cannot_tell(judge):
    found = judge(three()[:1], [Made(usual(), BASELINE)])
    assert (found.verdict, found.exit_code) == ("CANNOT TELL", 5)
    assert all("2 more runs a side" in item.said for item in found.speed)


def test_nothing_timed_is_judged_by_accuracy_alone_and_says_so(judge):
    found = judge([Made(usual(), {}, NEW)] * 2, [Made(usual())] * 2)
    assert (found.verdict, found.notes) == ("GO", ["nothing was timed, so nothing is known of speed"])


def test_a_history_lends_its_noise(judge, tmp_path):
    random = np.random.default_rng(2)
    calm = [
        Made(
            usual(), {name: seconds * math.exp(random.normal(0, 0.002)) for name, seconds in BASELINE.items()}
        )
        for _ in range(6)
    ]
    history = made_side(tmp_path / "history", calm, first=-50)
    (history / "broken").mkdir()
    (history / "broken/environment.json").write_text("{")
    found = judge(three()[:1], [Made(usual(), BASELINE)], history=history)
    assert (found.verdict, {item.noise_from for item in found.speed}) == ("GO", {"history"})
    assert "broken" in found.notes[0]


NOTHING = ErrorValues(0.0, 0.0, 0.0, 0.0)


def held_to_ideal(ratio):
    """Return a Mean held to an ideal device, which differs from it by a share of what is allowed: 0.01."""
    if ratio == 0:
        conformity = Conformity(worst=0.0, beyond=0, elements=9)
        errors = {"bounds": NOTHING, "needed": NOTHING, "attainable": ErrorValues(9.0, 9.0, 9.0, 9.0)}
    else:
        conformity = Conformity(
            worst=ratio, beyond=int(ratio > 1), elements=9, found=1.0 + 0.01 * ratio, ideal=1.0, allowed=0.01
        )
        limit = ErrorValues(0.0, 1e-4, 0.01, 1e-4)
        apart = ErrorValues(0.0, 1e-4 * ratio**2, 0.01 * ratio, 1e-4 * ratio**2)
        errors = {"bounds": limit, "needed": apart, "attainable": limit}
    outcome = "waived" if ratio > 1 else "conforms"
    return own("mean", "Mean", "int8-fp16", bits=str(ratio), outcome=outcome, conformity=conformity, **errors)


@pytest.mark.parametrize(
    ("before", "after"), [(0, 0.6), (0.6, 0), (0.2, 0.9), (0, 5.0), (3.0, 5.0), (5.0, 0)]
)
def test_results_held_to_an_ideal_device_drift_in_what_right_ones_may_differ_by(judge, before, after):
    found = judge(
        [Made(usual(mean8=held_to_ideal(after)), BASELINE, NEW)] * 3,
        [Made(usual(mean8=held_to_ideal(before)), BASELINE)] * 3,
    )
    (item,) = found.drift
    assert item.drift == pytest.approx(after - before)
    assert item.changed is (abs(after - before) >= 1)
    assert (item.before, item.after) == (pytest.approx(before), pytest.approx(after))
    verdict = "NO-GO" if after > max(before, 1) else "GO, CHANGED" if item.changed else "GO"
    assert found.verdict == verdict
