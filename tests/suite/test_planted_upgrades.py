"""Upgrades planted in a device, run and gated: what changed is named, and nothing else."""

import json

import pytest
from support.suite_run import run_suite

from conformance.gating.gate import Demands, gate
from conformance.runs.directory import read_environment

WITHOUT_TIMES = "mlu and (own or chained or fused) and not benchmark"


@pytest.fixture(scope="module")
def judged(network, tmp_path_factory):
    """Return a function that runs the suite on an upgrade and gates it against the baseline."""
    root = tmp_path_factory.mktemp("upgrades")
    made = []

    def ran(device, *arguments):
        made.append(device)
        device = f"--device=suite.upgraded_devices:{device}"
        return run_suite(
            root / f"run-{len(made)}",
            device,
            "--no-waivers",
            *arguments,
            network=network,
            markers=WITHOUT_TIMES,
        ).directory

    baseline = ran("Baseline")

    def judge(device, *arguments, **demands):
        return gate(baseline, ran(device, *arguments), Demands(**demands))

    judge.baseline, judge.ran = baseline, ran
    return judge


def test_nothing_changes(judged):
    found = judged("Unchanged")
    assert (found.verdict, found.counts.identical) == ("GO", found.counts.compared)
    assert [(item.what, item.candidate) for item in found.judged] == [("driver", ["4.20.11"])]


def test_another_order_of_sums_is_named_by_its_operator_at_fp16(judged):
    found = judged("OtherOrder")
    assert found.verdict in ("GO, CHANGED", "NO-GO")
    named = {(row.op, row.precision) for row in found.operators if row.changed}
    assert named == {("Mean", "int8-fp16"), ("Mean", "int16-fp16")}


def test_an_operator_beyond_its_bound_is_named(judged):
    found = judged("WrongConvolution")
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)
    regressed = {item.node for item in found.outcomes if item.change == "regressed" and item.mode == "own"}
    assert regressed == {"wide/Conv2D"}


def test_a_case_that_vanishes(judged):
    found = judged("Unchanged", "-k", "not wide")
    assert (found.verdict, found.exit_code) == ("NO-GO", 1)
    gone = {item.node for item in found.outcomes if item.change == "disappeared"}
    assert gone == {"wide/Conv2D", "wide/bias"}


def test_one_run_in_three_is_unstable(judged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    side = tmp_path / "candidate"
    side.mkdir()
    for number in range(3):
        judged.ran("EveryThirdRun").rename(side / str(number))
    found = gate(judged.baseline, side, Demands())
    unstable = {item.node for item in found.outcomes if item.change == "unstable" and item.mode == "own"}
    assert (found.verdict, unstable) == ("NO-GO", {"wide/Conv2D"})


@pytest.mark.parametrize(("device", "code"), [("Unchanged", 0), ("WrongConvolution", 1)])
def test_run_and_gate_in_one_go(judged, network, tmp_path, device, code):
    result = run_suite(
        tmp_path / "run",
        f"--device=suite.upgraded_devices:{device}",
        "--no-waivers",
        f"--baseline={judged.baseline}",
        network=network,
        markers=WITHOUT_TIMES,
    )
    assert result.code == code
    assert f"{'GO' if code == 0 else 'NO-GO'}: driver 4.20.6 -> 4.20.11" in result.text.splitlines()
    assert json.loads((result.directory / "gate.json").read_text())["exit_code"] == code
    assert result.failed  # Means deviate at fp16 before and after: the gate asks what became worse


def test_a_baseline_that_does_not_fit_stops_the_run_before_it_begins(judged, network, tmp_path):
    toml = network.directory / "network.toml"
    before = toml.read_text()
    toml.write_text(before.replace("psnr = 20.0", "psnr = 21.0"))
    try:
        result = run_suite(
            tmp_path / "run", "--profile=ideal", f"--baseline={judged.baseline}", network=network
        )
    finally:
        toml.write_text(before)
    assert (result.code, result.outcomes) == (4, {})
    assert "description of small differs" in result.text
    assert not result.directory.exists()


def test_a_run_that_was_cut_short_says_so_and_is_not_gated(judged, network, tmp_path):
    result = run_suite(
        tmp_path / "run",
        "--device=suite.upgraded_devices:WrongConvolution",
        "--maxfail=1",
        "--no-waivers",
        f"--baseline={judged.baseline}",
        network=network,
    )
    assert result.code == 4
    assert "was cut short (stopping after 1 failures)" in result.text
    assert read_environment(result.directory).ended.cut_short == "stopping after 1 failures"


def test_workers_gate_what_they_judged_together(judged, network, tmp_path):
    result = run_suite(
        tmp_path / "run",
        "--device=suite.upgraded_devices:WrongConvolution",
        "--no-waivers",
        f"--baseline={judged.baseline}",
        network=network,
        markers=WITHOUT_TIMES,
        workers=2,
    )
    assert result.code == 1
    assert "NO-GO: driver 4.20.6 -> 4.20.11" in result.text.splitlines()


def test_what_a_device_tells_of_its_state_is_kept_and_what_it_does_not_is_a_note(network, tmp_path):
    result = run_suite(
        tmp_path / "run", "--device=suite.upgraded_devices:Thermometer", "--nodes=wide/*", network=network
    )
    assert result.code == 0
    (used,) = read_environment(result.directory).devices
    assert (used.before, used.after) == ({"temperature_celsius": 41.0}, {})
    assert "note: the device could not tell its state: StopIteration: " in result.text
