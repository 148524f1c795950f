"""The directory of a merged run: whole or not there, with times, outputs and logs of every shard."""

import datetime as dt
import json
import shutil

import pytest
from support.refusals import refused
from support.shards import STARTED, records, replaced, write_shard, write_shards, write_times

from conformance.runs.directory import read_environment, read_records
from conformance.runs.environment import Environment
from conformance.runs.merged_run import new_directory, write_merged
from conformance.runs.merging import in_order_of_run, read_shards


@pytest.fixture
def paths(tmp_path):
    return write_shards(tmp_path / "shards")


@pytest.fixture
def merged(paths, tmp_path):
    """Merge the shards as they are now; return the directory."""

    def merge():
        shards = read_shards(paths)
        with new_directory(tmp_path / "run") as filled:
            write_merged(shards, in_order_of_run(shards), filled, tmp_path / "run")
        return tmp_path / "run"

    return merge


def test_the_environment_says_what_the_shards_have_in_common_and_where_they_ran(merged, paths):
    found, first = read_environment(merged()), read_environment(paths[0])
    assert found.started == STARTED - dt.timedelta(hours=3)
    assert found.options == first.options | {"shard": None, "run_dir": str(paths[0].parents[1] / "run")}
    assert found.waivers == ["all", "only-1", "only-2", "only-3"]
    assert [(used.process, used.device["serial"]) for used in found.devices] == [
        ("1/3 main", "SN-1"),
        ("2/3 main", "SN-2"),
        ("3/3 main", "SN-3"),
    ]
    assert [(item.shard, item.machine.cpu, item.records) for item in found.shards] == [
        ("1/3", "host 1", 2),
        ("2/3", "host 2", 2),
        ("3/3", "host 3", 2),
    ]


def test_every_field_of_an_environment_has_a_rule():
    """A new one must be thought of: demanded to be the same, joined, the first shard's, or of no shard."""
    same = {"version", "packages", "commit", "options", "networks", "held_to"}
    joined = {"started", "ended", "waivers", "devices", "seconds", "shard", "shards"}
    of_the_first, of_none = {"python", "machine", "device"}, {"judged_from"}
    assert set(Environment.__struct_fields__) == same | joined | of_the_first | of_none


def test_only_what_shards_have_is_there(merged):
    assert sorted(path.name for path in merged().iterdir()) == ["environment.json", "records.jsonl"]


def test_times_come_in_the_order_of_one_run_and_say_which_shard_they_are_of(merged, paths):
    write_times(paths[0], "mine", datetime="2026-01-02T03:00:01+00:00")
    write_times(paths[2], "int8-fp16")
    content = json.loads((merged() / "benchmark.json").read_text())
    assert content["datetime"] == "2026-01-02T03:00:00+00:00"
    assert content["machine_info"] == {"node": "shard-1"}
    assert [(item["fullname"], item["extra_info"]) for item in content["benchmarks"]] == [
        ("t[int8-fp16]", {"shard": "3/3"}),
        ("t[mine]", {"shard": "1/3"}),
    ]


def test_times_that_were_lost_are_named(tmp_path):
    timed = [replaced(record, seconds=0.5) if record.mode == "fused" else record for record in records(3)]
    paths = [
        write_shard(tmp_path / "1", 1),
        write_shard(tmp_path / "2", 2),
        write_shard(tmp_path / "3", 3, timed),
    ]
    shards = read_shards(paths)

    def merge(name):
        with new_directory(tmp_path / name) as filled:
            write_merged(shards, in_order_of_run(shards), filled, tmp_path / name)

    merge("none-has-any")
    write_times(paths[0], "mine")
    with refused(
        rf"^shard 3/3 \({paths[2]}\) has lost its benchmark.json, which others have; copy it again, or"
    ):
        merge("run")
    write_times(paths[2], "int8-fp16")
    merge("run")


def test_times_that_are_none_are_one_sentence_and_leave_nothing(merged, paths, tmp_path):
    (paths[1] / "benchmark.json").write_text('{"benchmarks": []}')
    with refused(r"file of times .*shard-2/benchmark.json is malformed: Object missing required field"):
        merged()
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_outputs_and_logs_are_kept(merged, paths):
    for path, name in zip(paths, "abc", strict=True):
        (path / "outputs/n").mkdir(parents=True)
        (path / f"outputs/n/{name}.npy").write_text(name)
        (path / "logs").mkdir()
        (path / "logs/device.log").write_text(name)
    run = merged()
    assert {path.name: path.read_text() for path in (run / "outputs/n").iterdir()} == {
        f"{name}.npy": name for name in "abc"
    }
    assert [(run / f"logs/shard-{index}/device.log").read_text() for index in (1, 2, 3)] == list("abc")


def test_a_directory_that_is_there_and_empty_is_taken_with_its_mode(merged, tmp_path):
    (tmp_path / "run").mkdir(mode=0o750)
    assert merged().stat().st_mode & 0o777 == 0o750
    assert len(read_records(tmp_path / "run")) == 6


def test_a_directory_that_is_taken_is_refused_and_kept(merged, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine").write_text("mine")
    with refused(r"is not empty \(it holds mine\); name a new or empty one, nothing was overwritten"):
        merged()
    shutil.rmtree(tmp_path / "run")
    merged()
    with refused("already holds a run; name a new or empty one"):
        merged()


def half_written(path, error):
    with new_directory(path) as filled:
        (filled / "half").write_text("half")
        raise error


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_whatever_goes_wrong_leaves_what_was_there(tmp_path, there, error):
    if there:
        (tmp_path / "run").mkdir()
    with pytest.raises(error):
        half_written(tmp_path / "run", error)
    assert [path.name for path in tmp_path.iterdir()] == ["run"] * there
    assert not list(tmp_path.rglob("half"))


def test_what_appears_meanwhile_is_kept(tmp_path):
    with refused(r"is not empty \(it holds theirs\)"), new_directory(tmp_path / "run") as filled:
        (filled / "mine").write_text("mine")
        (tmp_path / "run/theirs").write_text("theirs")
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "theirs"]


def test_a_directory_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with refused("file/run cannot be written"), new_directory(tmp_path / "file/run"):
        pytest.fail("it began all the same")
