"""``mlu-conformance merge`` as a user calls it, on shards written by hand; real ones are in ``suite/``."""

import functools

import pytest
from support.shards import records, replaced, shard, write_shard, write_shards, write_times

from conformance.runs.directory import read_records
from conformance.runs.shards import Ended


@pytest.fixture
def paths(tmp_path):
    return write_shards(tmp_path)


@pytest.fixture
def merge(said, tmp_path):
    return functools.partial(said, "merge", "-o", tmp_path / "run")


@pytest.fixture
def refused(refusal, tmp_path):
    """Demand a refusal in one sentence that leaves no directory."""

    def refuse(*arguments, **more):
        error = refusal("merge", *arguments, "-o", tmp_path / "run", **more)
        assert not list(tmp_path.glob("*run*"))
        return error

    return refuse


def test_shards_become_one_run(merge, paths, tmp_path):
    code, text, error = merge(*paths)
    assert (code, error) == (0, "")
    assert text.splitlines()[-1] == f"{tmp_path / 'run'}: 6 records of 3 shards"
    assert text.splitlines()[0].startswith("precision ")
    assert len(read_records(tmp_path / "run")) == 6
    assert not list(tmp_path.glob(".*"))


def test_a_relative_directory_and_any_order_will_do(said, paths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text, _ = said("merge", *(path.name for path in reversed(paths)), "--output", "new/run")
    assert (code, text.splitlines()[-1]) == (0, "new/run: 6 records of 3 shards")


def test_a_missing_shard(refused, paths):
    assert "shard 2/3 is missing, with own n int8-fp16; run --shard=2/3" in refused(paths[0], paths[2])


def test_a_doubled_shard(refused, paths):
    assert f"{paths[1]} and {paths[1]} are both shard 2/3; name one of them" in refused(*paths, paths[1])


def test_a_foreign_shard(refused, paths, tmp_path):
    other = write_shard(tmp_path / "other", 2, version="0.2.0")
    error = refused(paths[0], other, paths[2])
    assert (
        f"shard 2/3 ({other}) differs from shard 1/3 ({paths[0]}) in version of mlu-conformance: 0.2.0"
        in error
    )


def test_an_interrupted_shard(refused, paths, tmp_path):
    begun = write_shard(tmp_path / "begun", 2, shard=shard(2, ended=None))
    assert f"shard 2/3 ({begun}) was interrupted" in refused(paths[0], begun, paths[2])


def test_what_is_no_run(refused, paths, tmp_path):
    assert "holds no run (environment.json is missing)" in refused(*paths, tmp_path)
    assert "holds no run (environment.json is missing)" in refused(tmp_path / "nothing")
    (paths[0] / "environment.json").write_text("{")
    assert f"environment {paths[0] / 'environment.json'} is malformed" in refused(*paths)


def test_a_taken_directory(refusal, paths, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine").write_text("mine")
    assert "is not empty (it holds mine)" in refusal("merge", *paths, "-o", tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine"]
    assert f"run directory {paths[0]} already holds a run" in refusal("merge", *paths, "-o", paths[0])


def test_a_merged_run_is_no_shard(merge, refusal, paths, tmp_path):
    merge(*paths)
    error = refusal("merge", tmp_path / "run", "-o", tmp_path / "again")
    assert f"run {tmp_path / 'run'} is no shard: it was made without --shard" in error


@pytest.mark.parametrize(("arguments", "missing"), [([], "RUN"), (["run"], "-o/--output")])
def test_what_is_needed(refusal, arguments, missing):
    output = [] if arguments else ["-o", "run"]
    assert f"the following arguments are required: {missing}" in refusal("merge", *arguments, *output)


def test_what_fails_a_shard_fails_the_whole(merge, paths, tmp_path):
    found = [replaced(records(2)[0], outcome="deviates", reasons=["wrong"]), records(2)[1]]
    ended = Ended(failed=True, problems=["it hung"], records=2)
    failed = write_shard(tmp_path / "failed", 2, found=found, shard=shard(2, ended=ended))
    code, text, _ = merge(paths[0], failed, paths[2])
    assert code == 1
    assert [line for line in text.splitlines() if line.startswith("FAILED: ")] == [
        f"FAILED: tests of shard 2/3 ({failed}) failed",
        "FAILED: n/a-int8-fp16-own deviates or is broken",
        "FAILED: it hung",
    ]
    assert len(read_records(tmp_path / "run")) == 6, "what deviates is there to be looked at"


def test_a_run_that_only_measured_shows_nothing(merge, tmp_path):
    paths = [
        write_shard(
            tmp_path / f"measured-{index}",
            index,
            found=[replaced(record, outcome="measured") for record in records(index)],
        )
        for index in (1, 2, 3)
    ]
    code, text, _ = merge(*paths)
    assert (code, "FAILED: nothing was judged, so the run shows nothing" in text) == (3, True)


def test_pictures_that_cannot_be_drawn_here_are_a_note(merge, paths, tmp_path):
    (paths[0] / "pictures").mkdir()
    code, _, error = merge(*paths)
    assert code == 0
    assert error.startswith("pictures of n could not be drawn (network 'n' is not in ")
    assert error.endswith(f"`mlu-conformance show --from-run {tmp_path / 'run'}` draws them\n")


def test_what_cannot_be_read_is_one_sentence_and_leaves_nothing(refused, paths):
    write_times(paths[0], "int8-fp16")
    (paths[1] / "benchmark.json").mkdir()
    assert "shard-2/benchmark.json cannot be read: Is a directory" in refused(*paths)


def test_outputs_that_are_none_are_one_sentence_and_leave_nothing(refused, paths):
    for path in paths[:2]:
        (path / "logs").mkdir()
        (path / "logs/gone.log").symlink_to("nowhere")
    assert "gone.log" in refused(*paths, code=3)
