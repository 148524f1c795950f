"""A run that keeps its probe: what it explains, and what a gate says with it."""

import pytest
from support.suite_run import run_suite

from conformance import cli
from conformance.probing.result import PROFILE, read_probe


@pytest.fixture(scope="module")
def probed(network, tmp_path_factory):
    """Two runs that keep their probes, by driver: running sums in half, then in float32."""
    root = tmp_path_factory.mktemp("probed")

    def ran(device):
        options = [f"--device=suite.upgraded_devices:{device}", "--probe", "--no-waivers"]
        return run_suite(root / device, *options, network=network, markers="mlu and own")

    return {device: ran(device) for device in ("Baseline", "SumsInFloat32")}


def test_the_profile_found_explains_every_result(probed):
    for run in probed.values():
        assert {record.explained for record in run.records} == {True}
        count = len(run.records)
        assert f"the profile that the probe found explains {count} of {count} results" in run.text


def test_the_profile_is_the_one_of_the_device(probed):
    run = probed["SumsInFloat32"]
    assert read_probe(run.directory).answer("reduction_sum").values == ["fp32"]
    text = (run.directory / PROFILE).read_text()
    assert 'value = "fp32"\nalternatives = ["float-type", "fp32", "exact"]\nevidence = "measured"' in text


def test_the_gate_says_which_arithmetic_changed_beside_the_drift_that_it_explains(probed, capsys):
    code = cli.main(["gate", str(probed["Baseline"].directory), str(probed["SumsInFloat32"].directory)])
    text = capsys.readouterr().out
    assert code == 0
    assert "driver 4.20.6 -> 4.20.11" in text
    (switch,) = [line for line in text.splitlines() if line.startswith("probe") and "reduction_sum" in line]
    assert switch.endswith("float-type -> fp32")
    (mean,) = [line for line in text.splitlines() if line.startswith("probe") and "Mean at" in line]
    assert "Mean at int8-fp16, int16-fp16" in mean
    assert "cases with other bits" in mean
    assert "kept in a half (11 digits)" in mean.partition(" -> ")[0]
    assert "kept in float32 (24 digits)" in mean.partition(" -> ")[2]


def test_without_probes_the_gate_says_nothing_of_arithmetic(network, probed, tmp_path, capsys):
    device = "--device=suite.upgraded_devices:Unchanged"
    plain = run_suite(tmp_path / "plain", device, "--no-waivers", network=network, markers="mlu and own")
    assert {record.explained for record in plain.records} == {None}
    cli.main(["gate", str(probed["Baseline"].directory), str(plain.directory)])
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("probe")]


def test_several_processes_are_refused(network, tmp_path):
    run = run_suite(tmp_path / "run", "--probe", "-n2", network=network, markers="mlu and own")
    assert run.code == 4
    assert "--probe probes one device, but -n starts several; drop one of them" in run.text
