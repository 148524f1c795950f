"""Finished runs read back: whole or refused, in order; a history leaves out what is broken, by name."""

import datetime as dt
import json

import msgspec
import pytest
from support.made_runs import DEVICE, STARTED, Made, ended_again, made_run, made_side, usual

from conformance.errors import UsageError
from conformance.runs.environment import UsedDevice
from conformance.runs.finished import read_history, run_paths, runs_of_side, stored_run, whole_run


def test_a_side_is_a_run_or_a_directory_of_runs_in_the_order_of_their_start(tmp_path):
    for name, number in (("b", 1), ("a", 2), ("c", 0)):
        made_run(tmp_path / "side" / name, Made(usual()), number=number)
    (tmp_path / "side/notes.txt").write_text("x")
    (tmp_path / "side/empty").mkdir()
    assert [run.path.name for run in runs_of_side(tmp_path / "side")] == ["c", "b", "a"]
    assert run_paths(tmp_path / "side/a") == [tmp_path / "side/a"]


def test_a_broken_run_is_not_passed_over_in_a_side(tmp_path):
    side = made_side(tmp_path / "side", [Made(usual())] * 2)
    (side / "run-0/environment.json").unlink()
    with pytest.raises(UsageError, match=r"environment.json is missing"):
        runs_of_side(side)


def test_a_history_leaves_out_what_is_broken_and_names_it(tmp_path):
    history = made_side(tmp_path / "history", [Made(usual())] * 4)
    (history / "run-1/records.jsonl").write_text("{")
    (history / "run-3/environment.json").write_text("{")
    found = read_history([history, history / "run-0"])
    assert [run.path.name for run in found.runs] == ["run-0", "run-2"]
    assert len(found.skipped) == 2
    assert "run-1/records.jsonl is not as the run left it" in found.skipped[0]
    assert "run-3/environment.json is malformed" in found.skipped[1]


def test_a_timing_is_the_median_of_its_rounds_on_its_card(tmp_path):
    made = Made(usual(), {"int8-fp16": [0.3, 0.1, 0.2]}, {"serial": "77"}, least=0.05)
    (timing,) = stored_run(made_run(tmp_path / "run", made)).timings
    assert (timing.network, timing.precision, timing.card) == ("n", "int8-fp16", "77")
    assert (timing.seconds, timing.rounds, timing.least) == (0.2, (0.3, 0.1, 0.2), 0.05)


def test_an_older_timing_is_that_of_the_process_that_made_it(tmp_path):
    devices = [UsedDevice(process=f"gw{place}", device=DEVICE | {"serial": str(place)}) for place in range(2)]
    made = Made(usual(), {"int8-fp16": 0.1}, {}, {"devices": devices})
    path = made_run(tmp_path / "run", made)
    file = path / "benchmark.json"
    content = json.loads(file.read_text())
    del content["benchmarks"][0]["extra_info"]["serial"]
    content["benchmarks"][0]["extra_info"]["worker"] = "gw1"
    file.write_text(json.dumps(content))
    ended_again(path)
    run = whole_run(path)
    assert [timing.card for timing in run.timings] == ["1"]
    assert run.cards == ["0", "1"]


def test_a_run_without_times_has_none(tmp_path):
    assert stored_run(made_run(tmp_path / "run", Made(usual()))).timings == []


def test_equal_starts_are_ordered_by_path(tmp_path):
    for name in "ba":
        made_run(tmp_path / "side" / name, Made(usual(), environment={"started": STARTED}))
    assert [run.path.name for run in runs_of_side(tmp_path / "side")] == ["a", "b"]
    assert runs_of_side(tmp_path / "side")[0].environment.started == STARTED.astimezone(dt.timezone.utc)


def test_what_a_run_says_of_its_end_is_held_to_its_files(tmp_path):
    path = made_run(tmp_path / "run", Made(usual()))
    environment = whole_run(path).environment
    assert environment.ended.records == len(usual())
    more = msgspec.structs.replace(
        environment.ended, sha256=environment.ended.sha256 | {"gone.json": "0" * 64}
    )
    changed = msgspec.structs.replace(environment, ended=more)
    (path / "environment.json").write_bytes(msgspec.json.encode(changed))
    with pytest.raises(UsageError, match=r"gone.json cannot be read"):
        whole_run(path)
