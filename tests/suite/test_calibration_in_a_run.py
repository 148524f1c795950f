"""The suite's test of the framework's own calibration, on devices that calibrate rightly and wrongly."""

import pytest
from support.kept_network import kept_network
from support.suite_run import run_suite

CONVOLUTIONS = {"bare/Conv2D", "style/Conv2D", "wide/Conv2D", "narrow/Conv2D"}


@pytest.fixture
def run(tmp_path):
    def run_with(device):
        return run_suite(
            tmp_path / "run", f"--device={device}", network=kept_network(), markers="mlu and calibration"
        )

    return run_with


def outcomes(result, outcome):
    return {(record.node, record.precision) for record in result.records if record.outcome == outcome}


def everywhere(*nodes):
    return {(node, f"int{bits}") for node in nodes for bits in (8, 16)}


@pytest.mark.parametrize("device", ["CalibratingDevice", "sixth_digit"])
def test_the_same_scales_to_six_digits_conform(run, device):
    result = run(f"suite.calibrating_devices:{device}")
    assert result.code == 0
    assert outcomes(result, "conforms") == everywhere(*CONVOLUTIONS)
    assert {record.mode for record in result.records} == {"calibration"}


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("fifth_digit", "wide/Conv2D/filter has scale"),
        ("without_one", "wide/Conv2D/filter has scale None, but"),
        ("one_of_another_rule", "wide/Conv2D/filter has scale"),
    ],
)
def test_one_wrong_scale_fails_its_operator_and_no_other(run, device, sentence):
    result = run(f"suite.calibrating_devices:{device}")
    assert result.code == 1
    assert outcomes(result, "deviates") == everywhere("wide/Conv2D")
    assert sentence in result.text


@pytest.mark.parametrize(
    ("device", "told"),
    [("CalibratingDevice", "the network's parameter file"), ("two_sided", "the rule two-sided")],
)
def test_either_documented_rule_conforms_and_is_named(run, device, told):
    result = run(f"suite.calibrating_devices:{device}")
    assert result.code == 0
    assert outcomes(result, "conforms") == everywhere(*CONVOLUTIONS)
    assert f"the framework's scales are nearest to those of {told}" in result.text


def test_a_calibration_that_fails_is_broken_everywhere(run):
    result = run("suite.calibrating_devices:crashing")
    assert result.code == 1
    assert outcomes(result, "broken") == everywhere(*CONVOLUTIONS)


def test_a_device_that_does_not_calibrate_is_unsupported(run):
    result = run("emulator")
    assert result.code == 3  # nothing was judged
    assert outcomes(result, "unsupported") == everywhere(*CONVOLUTIONS)
