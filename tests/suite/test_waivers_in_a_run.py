"""Waivers in a real run: running sums deviate at fp16, and only a right waiver lets that pass."""

import datetime as dt
import itertools
import json

import pytest
from support.suite_run import run_suite
from support.waivers import waiver_toml

from conformance import clock, locations

MEANS = {f"norm/variance-{precision}" for precision in ("int8-fp16", "int16-fp16")}
"""What deviates; the sums of norm/mean are so small that storing them between axes allows for as much."""
GOOD = {"id": "running-sum", "network": "small", "nodes": ["norm/variance"], "profile": "mlu270"}
OUTPUT = {"nodes": ["out"], "operators": None, "modes": ["fused"], "precisions": ["*"], "profile": None}


@pytest.fixture
def judged(network, tmp_path):
    """Run the default device on the small network with these waivers."""

    def judge(*waivers, arguments=(), text=""):
        path = tmp_path / "waivers.toml"
        path.write_text(text or "\n".join(map(_table, waivers)))
        return run_suite(tmp_path / "run", f"--waivers={path}", *arguments, network=network)

    return judge


def _table(waiver):
    return waiver_toml(**{"expires": dt.date(9999, 12, 31)} | waiver)


def test_without_waivers_exactly_the_mean_of_squares_at_fp16_fails(judged):
    result = judged()
    assert result.code == 1
    assert result.failed == result.cases("deviates") == MEANS


def test_what_is_waived_is_recorded_and_lets_the_run_pass(judged):
    result = judged(GOOD)
    assert (result.code, result.failed) == (0, set())
    assert result.cases("waived") == MEANS
    assert {case for case, outcome in result.outcomes.items() if outcome == "xfailed"} == MEANS
    for record in result.records:
        assert (record.waiver == "running-sum") == bool(record.reasons)
    environment = json.loads((result.directory / "environment.json").read_text())
    assert environment["waivers"] == ["running-sum"]


def test_no_waivers_judges_as_if_nothing_were_known(network, tmp_path):
    result = run_suite(tmp_path / "run", "--no-waivers", network=network)
    assert (result.code, result.failed) == (1, MEANS)
    assert result.cases("waived") == set()


def test_a_repaired_profile_makes_the_waivers_stale_and_names_them(judged):
    result = judged(GOOD, arguments=["--profile=mlu270,reduction_sum=exact,reduction_order=one-pass"])
    assert result.code == 1
    assert result.failed == MEANS
    assert {f"{record.node}-{record.precision}" for record in result.records if record.waiver} == MEANS
    assert result.cases("conforms") >= MEANS
    for case in MEANS:
        assert f"small/{case}-own conforms, but waiver 'running-sum' says it deviates" in result.text
    (stale,) = [line for line in result.text.splitlines() if "FAILED: waiver 'running-sum' is stale" in line]
    assert stale.endswith("(1 more cases)")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"expires": dt.date(2020, 1, 1)}, "of these tests expired on 2020-01-01"),
        (
            {"nodes": ["norm/variance", "gone/mean"]},
            "lists nodes 'gone/mean', which matches none of its cases",
        ),
        ({"precisions": ["*-fp16", "int4-*"]}, "lists precisions 'int4-*', which matches none of its cases"),
    ],
)
def test_a_waiver_that_is_wrong_in_itself_fails_a_run_whose_tests_pass(judged, change, sentence):
    result = judged(GOOD | change)
    assert (result.code, result.failed) == (1, set())
    assert f"FAILED: waiver 'running-sum' {sentence}" in result.text
    assert result.cases("waived") == MEANS


def test_a_waiver_that_matches_nothing_fails_a_run_whose_tests_pass(judged):
    result = judged(GOOD, GOOD | {"id": "other", "operators": ["Sum"]})
    assert (result.code, result.failed) == (1, set())
    assert "FAILED: waiver 'other' matches no known case; remove it or correct what it selects" in result.text


def test_a_problem_shows_even_when_other_nodes_are_selected(judged):
    result = judged(GOOD | {"expires": dt.date(2020, 1, 1)}, arguments=["--nodes=joined"])
    assert result.code == 1
    assert "expired" in result.text


@pytest.mark.parametrize(
    ("began", "turned", "code"),
    [("2030-01-02 00:30", -1, 1), ("2030-01-01 23:30", 1, 0), ("2030-01-01 12:00", -1, 0)],
)
def test_a_clock_that_is_set_in_the_middle_of_a_run_changes_no_verdict(
    judged, monkeypatch, began, turned, code
):
    """A waiver ends with 2030-01-01; each reading of the clock is an hour away from the one before."""
    first = dt.datetime.fromisoformat(began).replace(tzinfo=dt.timezone.utc)
    readings = (first + dt.timedelta(hours=turned * number) for number in itertools.count())
    monkeypatch.setattr(clock, "now", lambda: next(readings))
    result = judged(GOOD | {"expires": dt.date(2030, 1, 1)}, arguments=["--nodes=norm/*"])
    assert result.code == code
    assert ("expired" in result.text) == bool(code)
    assert result.cases("waived") == MEANS


@pytest.mark.parametrize(
    "change",
    [{"network": "other"}, {"profile": "mlu290"}, {"nodes": ["norm/mean"]}, {"modes": ["calibration"]}],
)
def test_a_waiver_for_something_else_does_not_excuse(judged, change):
    result = judged(GOOD | change)
    assert result.code == 1
    assert result.failed


def test_two_waivers_for_one_case_stop_the_run_before_it_starts(judged):
    result = judged(GOOD, GOOD | {"id": "again"})
    assert (result.code, result.outcomes) == (4, {})
    assert "waivers 'running-sum' and 'again' both match small/norm/variance-int8-fp16-own" in result.text
    assert not result.directory.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[waiver]\n", "is malformed"),
        ('[[waiver]]\nid = "x"\n', "missing required field"),
        (_table(GOOD | {"reasons": "typo"}), "unknown field `reasons`"),
        (_table(GOOD | {"expires": "soon"}), "is malformed"),
        (_table(GOOD | {"nodes": [" "]}), "$.waiver[0].nodes[0]"),
        (_table(GOOD) + _table(GOOD), "uses the id 'running-sum' twice"),
    ],
)
def test_a_malformed_file_is_one_sentence(judged, text, sentence):
    result = judged(text=text)
    assert (result.code, result.outcomes) == (4, {})
    assert sentence in result.text
    assert "waivers.toml" in result.text
    assert "Traceback" not in result.text


def test_a_missing_file_is_one_sentence(network, tmp_path):
    result = run_suite(tmp_path / "run", f"--waivers={tmp_path / 'none.toml'}", network=network)
    assert result.code == 4
    assert "none.toml cannot be read: No such file or directory" in result.text


def test_a_broken_case_is_never_waived(judged):
    everything = GOOD | {"nodes": ["*"], "operators": None, "precisions": ["*"], "profile": None}
    result = judged(everything, arguments=["--device=suite.faulty_devices:crash_in_run"])
    assert result.code == 1
    assert result.cases("broken") == result.failed == set(result.outcomes)


@pytest.mark.parametrize("fault", ["one_nan", "one_infinity", "dropped", "one_row_less"])
@pytest.mark.parametrize("mode", ["own", "chained"])
def test_no_waiver_covers_what_is_missing_or_no_number(network, tmp_path, fault, mode):
    waiver = GOOD | {"nodes": ["wide/Conv2D"], "operators": None, "modes": [mode], "profile": None}
    path = tmp_path / "waivers.toml"
    path.write_text(_table(waiver | {"precisions": ["*"]}))
    arguments = (f"--waivers={path}", f"--device=suite.faulty_devices:{fault}")
    result = run_suite(tmp_path / "run", *arguments, network=network, markers=f"mlu and {mode}")
    assert result.code == 1
    assert not [record for record in result.records if record.outcome == "waived"]
    assert {record.node for record in result.records if record.outcome == "deviates"} == {"wide/Conv2D"}


def test_a_waiver_of_the_projects_own_file_for_a_network_that_does_not_exist_fails(
    network, tmp_path, monkeypatch
):
    monkeypatch.setattr(locations, "WAIVERS", tmp_path)
    (tmp_path / "mlu270.toml").write_text(
        _table(GOOD) + _table(GOOD | {"id": "typo", "network": "beautigan"})
    )
    result = run_suite(tmp_path / "run", network=network)
    assert (result.code, result.failed) == (1, set())
    sentence = "waiver 'typo' is for the network 'beautigan', which does not exist (near names: beautygan)"
    assert f"FAILED: {sentence}" in result.text


@pytest.mark.parametrize("fault", ["zeroed", "a_million_times"])
@pytest.mark.parametrize("at_most", [1e5, 100.0])
def test_a_waived_node_that_is_wrong_in_another_way_fails(network, tmp_path, fault, at_most):
    waiver = GOOD | {"nodes": ["wide/Conv2D"], "operators": None, "precisions": ["*"], "profile": None}
    path = tmp_path / "waivers.toml"
    path.write_text(_table(waiver | {"at_most": at_most}))
    arguments = (f"--waivers={path}", f"--device=suite.faulty_devices:{fault}")
    result = run_suite(tmp_path / "run", *arguments, network=network)
    assert result.code == 1
    assert {record.node for record in result.records if record.outcome == "deviates"} == {"wide/Conv2D"}
    assert "waiver 'running-sum' does not cover this: it covers" in result.text
    assert not result.cases("waived")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("without_image", "it covers results down to a cosine of 0.5, but here: 0 < 0.5"),
        ("output_a_million_times", "it covers results down to a psnr of 5, but here: -1"),
    ],
)
def test_a_waived_output_that_is_wrong_in_another_way_fails(network, tmp_path, fault, sentence):
    path = tmp_path / "waivers.toml"
    path.write_text(_table(GOOD | OUTPUT | {"at_most": None, "at_least": {"cosine": 0.5, "psnr": 5.0}}))
    arguments = (f"--waivers={path}", f"--device=suite.faulty_devices:{fault}")
    result = run_suite(tmp_path / "run", *arguments, network=network, markers="mlu and fused")
    assert result.code == 1
    assert sentence in result.text
    assert not result.cases("waived")
