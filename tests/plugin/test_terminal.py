"""What a run says: the device before anything runs, the table at the end."""

import json
import re
import subprocess
import sys

import pytest
from support.suite_run import ROOT, run_suite

from conformance.devices.base import DeviceInfo
from conformance.plugin.terminal import describe

WITHOUT_TERMINAL = ["-pno:terminal", "-oaddopts=--import-mode=importlib"]  # pytest.ini's -r is the terminal's


def test_the_device_is_named_before_anything_runs(network, tmp_path):
    text = run_suite(tmp_path / "run", network=network).text
    header, _, rest = text.partition(
        "device: emulator (MLU270, SIMULATED), profile mlu270, framework tensorflow 2"
    )
    assert "mlu-conformance: " in header
    assert "test_nodes" not in header
    assert f"network: {network.directory}, nodes: key" in rest.partition("test_nodes")[0]


def test_hardware_is_not_called_simulated():
    info = DeviceInfo(kind="cambricon", model="MLU270", simulated=False, driver="4.9", firmware="1.1.4")
    assert describe(info) == "cambricon (MLU270, hardware), driver 4.9, firmware 1.1.4"


def test_the_table_and_the_time_close_the_run(network, tmp_path):
    result = run_suite(tmp_path / "run", "--profile=ideal", network=network, markers="mlu")
    end = result.text.rpartition("= conformance =")[2]
    for precision in ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32"):
        (row,) = [line for line in end.splitlines() if line.startswith(f"{precision} ")]
        assert row.split()[1:6] == ["15", "15", "0", "0", "-"]
        assert row.split()[-1] == "conforms"
    assert f"records in {result.directory}; " in end
    assert "% of it inside device runs" in end
    (time,) = [line for line in end.splitlines() if line.startswith("time: ")]
    spent = {what: float(seconds) for what, seconds in re.findall(r"(\w+) (\d+\.\d) s", time)}
    assert list(spent) == ["prepare", "compile", "device", "judge", "write", "other"]
    environment = json.loads((result.directory / "environment.json").read_text())
    assert {what: round(seconds, 1) for what, seconds in environment["seconds"].items()} == spent
    assert environment["seconds"]["device"] > 0


@pytest.mark.parametrize("arguments", [["-q"], ["-qq"], ["--no-header"], ["--no-summary"], WITHOUT_TERMINAL])
def test_verdict_and_records_do_not_depend_on_what_is_shown(network, tmp_path, arguments):
    result = run_suite(tmp_path / "run", *arguments, network=network)
    assert result.code == 1
    assert len(result.cases("deviates")) == 2


def test_a_run_that_stops_says_why_even_without_terminal(network, tmp_path):
    result = run_suite(tmp_path / "run", "--require-hardware", *WITHOUT_TERMINAL, network=network)
    assert result.code == 3
    assert result.text.count("no Cambricon card is visible") == 1


def test_no_case_at_all_is_said(network, tmp_path):
    result = run_suite(tmp_path / "run", network=network, markers="mlu and int8 and int16")
    assert result.code == 3
    assert "no case was selected, so nothing was judged" in result.text
    assert not result.directory.exists()


def test_collecting_opens_no_device(network, tmp_path):
    result = run_suite(
        tmp_path / "run", "--device=suite.faulty_devices:broken_factory", "--collect-only", network=network
    )
    assert result.code == 0
    assert "device: suite.faulty_devices:broken_factory, which is not opened to collect" in result.text


def test_the_suites_own_tests_need_no_device(tmp_path):
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"-c{ROOT / 'pytest.ini'}",
        str(ROOT / "tests/runs/test_records.py"),
    ]
    options = ["--device=no-such-device", "--network=no-such-network", "--collect-only", "-q"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "device" not in done.stdout.replace("test_a_", "")


def test_a_run_without_property_tests_imports_no_hypothesis(network, tmp_path):
    code = (
        "import sys, pytest; code = pytest.main(sys.argv[1:]); sys.exit(code or 'hypothesis' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "conformance/suite", "-m", "mlu and fused and int8 and fp32"]
    options = [f"--network-path={network.directory}", f"--golden-dir={network.goldens}"]
    done = subprocess.run(
        [*command, *options, f"--run-dir={tmp_path / 'run'}", "--profile=ideal", "-pno:cacheprovider"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
