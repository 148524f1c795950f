"""What ``--junitxml`` says of every test: device, case, figures, and where the run is."""

from xml.etree import ElementTree as ET

import pytest
from support.suite_run import run_suite


def properties(path):
    """Return the properties of every test case by its name."""
    return {
        case.get("name"): {item.get("name"): item.get("value") for item in case.iter("property")}
        for case in ET.parse(path).iter("testcase")  # noqa: S314 - made here
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_every_test_has_them_with_and_without_workers(network, tmp_path, workers):
    result = run_suite(
        tmp_path / "run",
        "--profile=ideal",
        f"--junitxml={tmp_path / 'out.xml'}",
        network=network,
        markers="mlu and int8 and fp16 and not calibration",
        workers=workers,
    )
    assert result.code == 0
    found = properties(tmp_path / "out.xml")
    own = found["test_node[small/wide/Conv2D-int8-fp16]"]
    assert own["device"] == "emulator"
    assert (own["network"], own["node"], own["precision"], own["mode"]) == (
        "small",
        "wide/Conv2D",
        "int8-fp16",
        "own",
    )
    assert own["run_dir"] == str(result.directory)
    record = next(item for item in result.records if item.case == "small/wide/Conv2D-int8-fp16-own")
    assert float(own["mse"]) == pytest.approx(record.metrics.mse, rel=1e-5)
    assert float(own["bound_max_abs"]) == pytest.approx(record.bounds.max_abs, rel=1e-5)
    assert 0 <= float(own["error_over_bound"]) <= 1
    fused = found["test_fused_outputs[small-int8-fp16]"]
    assert float(fused["psnr"]) > 0
    assert int(found["test_chained_errors[small-int8-fp16]"]["cases"]) > 4
    assert "seconds" in found["test_fused_speed[small-int8-fp16]"]


def test_a_waived_case_says_its_figure(network, tmp_path):
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(
        '[[waiver]]\nid = "w"\nnetwork = "small"\nnodes = ["wide/Conv2D"]\nprecisions = ["int8-fp16"]\n'
        'modes = ["own"]\nreason = "r"\nevidence = "e"\nowner = "o"\nat_most = 1e9\nexpires = 2999-01-01\n'
    )
    result = run_suite(
        tmp_path / "run",
        "--device=suite.upgraded_devices:WrongConvolution",
        "--nodes=wide/Conv2D",
        f"--waivers={waivers}",
        "-rx",
        network=network,
        markers="mlu and own and int8 and fp16",
    )
    assert result.code == 0
    record = result.records[0]
    assert record.outcome == "waived"
    assert "waived by w: " in result.text
    assert " of its bound" in result.text
