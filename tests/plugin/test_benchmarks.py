"""benchmark.json: pytest-benchmark's own format, in the run directory, with the device named."""

import json

import pytest
from support.suite_run import run_suite


@pytest.fixture(scope="module")
def timed(network, tmp_path_factory):
    """A run that timed the emulator, writing pytest-benchmark's own file too."""
    directory = tmp_path_factory.mktemp("timed")
    result = run_suite(
        directory / "run",
        f"--benchmark-json={directory / 'own.json'}",
        network=network,
        markers="mlu and benchmark",
    )
    assert result.code == 0
    return result


def content(result):
    return json.loads((result.directory / "benchmark.json").read_text())


def test_every_precision_is_timed_by_the_devices_own_clock(timed):
    benchmarks = content(timed)["benchmarks"]
    assert [item["params"] for item in benchmarks] == [
        {"network": "small", "precision": name}
        for name in ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")
    ]
    seconds = {record.precision: record.seconds for record in timed.records}
    for item in benchmarks:
        assert item["stats"]["rounds"] == len(item["stats"]["data"]) == 5
        assert item["options"]["timer"] == "device_clock"
        assert item["stats"]["min"] == pytest.approx(seconds[item["params"]["precision"]], rel=1e-6)


def test_emulated_times_say_so_wherever_they_are_read(timed):
    whole = content(timed)
    assert whole["machine_info"]["device"]["kind"] == "emulator"
    assert whole["machine_info"]["device"]["simulated"] is True
    assert set(whole["machine_info"]["device"]) >= {"model", "driver", "firmware", "framework", "profile"}
    for item in whole["benchmarks"]:
        assert item["group"] == "fused small on emulator (MLU270, SIMULATED)"
        assert item["extra_info"]["simulated"] is True
        assert item["extra_info"]["device"] == "emulator"
        assert item["extra_info"]["cores"] == 1
        assert item["extra_info"]["precision"] == item["params"]["precision"]
        assert 0 < item["extra_info"]["roofline"]["bound_seconds"] < item["stats"]["min"]
    assert "SIMULATED" in timed.text


def test_the_users_own_file_is_written_too_and_says_the_same(timed):
    own = json.loads((timed.directory.parent / "own.json").read_text())
    ours = content(timed)
    assert own["machine_info"]["device"] == ours["machine_info"]["device"]
    for first, second in zip(own["benchmarks"], ours["benchmarks"], strict=True):
        assert (first["fullname"], first["stats"], first["params"]) == (
            second["fullname"],
            second["stats"],
            second["params"],
        )


@pytest.mark.parametrize(
    ("arguments", "markers"),
    [(["--benchmark-disable"], "mlu and benchmark"), ([], "mlu and own"), (["--benchmark-skip"], "mlu")],
)
def test_nothing_timed_is_no_file(network, tmp_path, arguments, markers):
    result = run_suite(tmp_path / "run", "--profile=ideal", *arguments, network=network, markers=markers)
    assert result.code == 0
    assert not (result.directory / "benchmark.json").exists()


def test_without_pytest_benchmark_the_rest_runs(network, tmp_path):
    result = run_suite(
        tmp_path / "run",
        "--profile=ideal",
        "-pno:benchmark",
        network=network,
        markers="mlu and not benchmark",
    )
    assert result.code == 0


def test_a_model_without_data_has_no_roofline(network, tmp_path):
    result = run_suite(tmp_path / "run", "--profile=ideal", network=network, markers="mlu and benchmark")
    assert result.code == 0
    assert {item["extra_info"]["roofline"] for item in content(result)["benchmarks"]} == {None}
