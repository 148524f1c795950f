"""``-n``: several processes judge, each on a device of its own, and together they make one run."""

import datetime as dt
import json

import msgspec
import pytest
from support.kept_network import KEY_NODES
from support.suite_run import run_suite
from support.waivers import waiver_toml

from conformance.runs.directory import read_environment

TALKING = "suite.devices_of_workers:talking"
PRECISIONS = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")


@pytest.fixture
def spread(network, tmp_path):
    """Judge the small network in two workers."""

    def judge(device, *arguments, markers="mlu and own"):
        return run_suite(
            tmp_path / "run", f"--device={device}", *arguments, network=network, markers=markers, workers=2
        )

    return judge


def comparable(result):
    """Return the records by case, without what no two runs have in common."""
    return {record.case: msgspec.structs.replace(record, seconds=None) for record in result.records}


def judged(result):
    """Return what each process judged, by its name."""
    return {used.process: used.judged for used in read_environment(result.directory).devices}


@pytest.fixture(scope="module")
def whole(network, tmp_path_factory):
    """The whole suite on a device that conforms and says something, in two workers and in one process."""
    directory = tmp_path_factory.mktemp("whole")
    options = {"network": network, "markers": "mlu and not calibration"}
    own_file = f"--benchmark-json={directory / 'own.json'}"
    return (
        run_suite(directory / "two", f"--device={TALKING}", own_file, workers=2, **options),
        run_suite(directory / "one", f"--device={TALKING}", **options),
    )


def test_two_workers_find_what_one_process_finds(whole):
    two, one = whole
    assert (two.code, one.code) == (0, 0)
    assert two.outcomes == one.outcomes
    assert comparable(two) == comparable(one)
    assert len(two.records) == 8 * KEY_NODES + 8


def test_the_cases_that_one_session_judges_stay_in_one_worker_and_both_work(whole):
    found = judged(whole[0])
    assert set(found) == {"gw0", "gw1"}
    groups = [group for groups in found.values() for group in groups]
    modes = ("own", "chained", "fused")  # which includes what is timed
    assert sorted(groups) == sorted(f"{mode} {name}" for mode in modes for name in PRECISIONS)
    assert judged(whole[1]).keys() == {"main"}


def test_the_environment_has_one_shape(whole):
    two, one = (read_environment(result.directory) for result in whole)
    assert [used.device for used in two.devices] == [two.device] * 2
    assert [used.device for used in one.devices] == [one.device]
    assert two.device == one.device
    assert {group for used in two.devices for group in used.judged} == set(one.devices[0].judged)


def test_times_of_both_workers_are_in_one_file(whole):
    two, one = (json.loads((result.directory / "benchmark.json").read_text()) for result in whole)
    own = json.loads((whole[0].directory.parent / "own.json").read_text())
    assert {item["extra_info"].pop("worker") for item in two["benchmarks"]} <= {"gw0", "gw1"}
    assert two["machine_info"]["device"] == one["machine_info"]["device"]
    assert len(own["benchmarks"]) == 4
    for first, second in zip(two["benchmarks"], one["benchmarks"], strict=True):
        figures = first.pop("stats"), second.pop("stats")
        assert first == second
        assert figures[0].keys() == figures[1].keys()
        assert len(figures[0]["data"]) == figures[0]["rounds"] == 5
        (record,) = [
            item
            for item in whole[0].records
            if item.case.endswith(f"{first['params']['precision']}-fused-timed")
        ]
        assert figures[0]["min"] == pytest.approx(record.seconds, rel=1e-6)


def test_it_says_how_many_workers_there_are_and_in_the_end_what_they_are(whole):
    header, _, end = whole[0].text.rpartition("= conformance =")
    assert f"workers: 2, each opens a device of its own ({TALKING})" in header
    assert "device: emulator (ideal, SIMULATED)" not in header
    assert "device: emulator (ideal, SIMULATED), profile ideal" in end
    assert end.count("note: said by every session") == 1
    assert f"{len(whole[0].records)} records in {whole[0].directory}; " in end
    assert "note: emulated devices share the processor's cores" in end
    for name, groups in judged(whole[0]).items():
        assert f"records ({', '.join(groups)})" in end.partition(f"{name}: ")[2].partition("\n")[0]


def test_deviations_and_stale_waivers_of_all_workers_come_together(spread, tmp_path):
    waivers = tmp_path / "waivers.toml"
    known = {"network": "small", "operators": None, "expires": dt.date(9999, 12, 31)}
    one, old = (
        waiver_toml(id=id_, nodes=[node], precisions=[precision], **known)
        for id_, node, precision in (("one", "norm/variance", "int8-fp16"), ("old", "joined", "*-fp16"))
    )
    waivers.write_text(one + old)
    result = spread("emulator", f"--waivers={waivers}", markers="mlu and own and fp16")
    assert result.code == 1
    assert result.cases("waived") == {"norm/variance-int8-fp16"}
    assert result.cases("deviates") == {"norm/variance-int16-fp16"}
    assert result.failed == result.cases("deviates") | {"joined-int8-fp16", "joined-int16-fp16"}
    (stale,) = [line for line in result.text.splitlines() if "FAILED: waiver 'old' is stale" in line]
    assert stale.endswith("(1 more cases)")
    assert set(map(len, judged(result).values())) == {1}
    assert read_environment(result.directory).waivers == ["one", "old"]


def test_devices_that_differ_or_cannot_be_closed_fail_a_run_whose_tests_pass(spread):
    result = spread("suite.devices_of_workers:UnlikeCard", markers="mlu and own and fp16")
    assert (result.code, result.failed) == (1, set())
    assert "FAILED: the devices of this run differ in firmware: '1.gw" in result.text
    for name in ("gw0", "gw1"):
        assert f"FAILED: {name}: the device could not be closed: RuntimeError: stuck" in result.text
        assert f", serial number SN-{name}\n" in result.text
        assert (result.directory / "logs" / name / "driver.log").read_text() == f"log of {name}\n"


def test_a_device_that_breaks_is_a_finding_in_the_worker_that_has_it(spread):
    result = spread("suite.faulty_devices:crash_at_int8_fp16", markers="mlu and own and fp16")
    assert result.code == 1
    assert result.failed == result.cases("broken")
    assert (len(result.cases("broken")), len(result.cases("conforms"))) == (KEY_NODES, KEY_NODES)


def test_a_device_that_is_lost_ends_the_run_and_what_was_recorded_is_kept(spread):
    result = spread("suite.devices_of_workers:lost_at_int16", markers="mlu and own")
    assert result.code == 3
    assert ": the card answers no more !" in result.text
    assert "Traceback" not in result.text
    assert result.cases("broken")
    assert {record.precision for record in result.records if record.outcome == "broken"} <= set(
        PRECISIONS[2:]
    )
    assert read_environment(result.directory).device["kind"] == "card"


def test_a_worker_that_dies_fails_the_run_and_names_what_is_missing(spread):
    result = spread("suite.devices_of_workers:dies_at_int16_fp32", markers="mlu and own and fp32")
    assert result.code == 1
    assert len(result.failed) == 1
    assert result.cases("conforms") == {case for case in result.outcomes if case.endswith("int8-fp32")}
    assert len(result.records) == KEY_NODES
    assert "died (Not properly terminated); if its device took it along, run it with --isolate" in result.text
    assert f"FAILED: {KEY_NODES - 1} selected cases were not judged, " in result.text


@pytest.mark.parametrize(
    ("device", "arguments", "code", "sentence"),
    [
        ("suite.faulty_devices:broken_factory", [], 3, "could not be made: OSError: no driver"),
        ("emulater", [], 4, "device 'emulater' is unknown (near names: emulator)"),
        ("suite.devices_of_workers:CardOfAWorker", ["--dist=each"], 4, "each runs every case on every"),
        ("suite.devices_of_workers:CardOfAWorker", ["--nodes=gone"], 4, "'gone' matches no node of small"),
    ],
)
def test_a_run_that_cannot_start_is_one_sentence_and_leaves_nothing(
    spread, device, arguments, code, sentence
):
    result = spread(device, *arguments)
    assert (result.code, result.outcomes) == (code, {})
    assert result.text.count(sentence) == 1
    assert "Traceback" not in result.text
    assert not result.directory.exists()


def test_a_directory_that_is_taken_is_refused_before_anything_runs(spread, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine").write_text("mine")
    result = spread("suite.devices_of_workers:CardOfAWorker")
    assert (result.code, result.outcomes) == (4, {})
    assert result.text.count("is not empty (it holds mine); name a new or empty one") == 1
    assert [path.name for path in result.directory.iterdir()] == ["mine"]


def test_no_case_at_all_shows_nothing_here_either(spread):
    result = spread("cpu", markers="mlu and int8 and int16")
    assert result.code == 3
    assert "no case was selected, so nothing was judged" in result.text
    assert not result.directory.exists()
