"""``--shard`` and ``merge``: shards judged apart make the run that one would have made."""

import json

import msgspec
import pytest
from support.kept_network import KEY_NODES
from support.suite_run import run_suite

from conformance.runs.directory import read_environment, read_records

SHARDS = ("1/3", "2/3", "3/3")
DEVICE = ("--device=emulator", "--no-waivers")


def shards_of(directory, network, *arguments, **more):
    """Judge every shard, each in a directory of its own."""
    return [
        run_suite(
            directory / shard.replace("/", "-"), f"--shard={shard}", *arguments, network=network, **more
        )
        for shard in SHARDS
    ]


def timeless(records):
    return [msgspec.structs.replace(record, seconds=None) for record in records]


@pytest.fixture(scope="module")
def judged(network, tmp_path_factory):
    """The whole suite in one run, and in three shards, on a device whose Means deviate."""
    directory = tmp_path_factory.mktemp("judged")
    one = run_suite(directory / "one", *DEVICE, network=network, markers="mlu")
    return one, shards_of(directory, network, *DEVICE, markers="mlu")


@pytest.fixture(scope="module")
def merged(judged, tmp_path_factory):
    from conformance import cli

    directory = tmp_path_factory.mktemp("merged") / "run"
    shards = [str(shard.directory) for shard in judged[1]]
    return cli.main(["merge", *reversed(shards), "-o", str(directory)]), directory


def test_shards_merged_are_one_run_record_for_record(judged, merged):
    one, shards = judged
    code, directory = merged
    assert timeless(read_records(directory)) == timeless(one.records)
    assert len(one.records) == 4 * (2 * KEY_NODES + 2) + 2 * 4
    assert (one.code, code, max(shard.code for shard in shards)) == (1, 1, 1)
    assert all(shard.records for shard in shards)


def test_every_test_runs_in_one_shard(judged):
    one, shards = judged
    assert sorted(name for shard in shards for name in shard.outcomes) == sorted(one.outcomes)
    assert {name: outcome for shard in shards for name, outcome in shard.outcomes.items()} == one.outcomes
    for shard in shards:
        assert f"{len(one.outcomes) - len(shard.outcomes)} deselected" in shard.text


def test_the_environment_is_that_of_one_run_and_names_the_shards(judged, merged):
    one, shards = (read_environment(judged[0].directory), [read_environment(x.directory) for x in judged[1]])
    found = read_environment(merged[1])
    differing = {name for name in one.__struct_fields__ if getattr(one, name) != getattr(found, name)}
    assert differing == {"started", "options", "devices", "seconds", "shards", "ended"}
    assert found.seconds.keys() == one.seconds.keys()
    assert found.options == one.options | {"run_dir": str(merged[1])}
    assert found.started == min(shard.started for shard in shards)
    assert [used.process for used in found.devices] == [f"{shard} main" for shard in SHARDS]
    groups = {group for used in found.devices for group in used.judged}
    assert groups == set(one.devices[0].judged)
    assert [(shard.shard, shard.records) for shard in found.shards] == [
        (name, len(shard.records)) for name, shard in zip(SHARDS, judged[1], strict=True)
    ]


def test_the_environment_of_a_run_of_its_own_says_nothing_of_shards(judged):
    content = json.loads((judged[0].directory / "environment.json").read_text())
    assert not {"shard", "shards"} & set(content)
    assert content["options"]["shard"] is None


def test_a_shard_says_what_the_whole_is(judged):
    said = [read_environment(shard.directory).shard for shard in judged[1]]
    assert [str(shard) for shard in said] == list(SHARDS)
    assert all(shard.batches == said[0].batches and shard.held_to == said[0].held_to for shard in said)
    assert sum(batch.tests for batch in said[0].batches) == len(judged[0].outcomes)
    for shard, run in zip(said, judged[1], strict=True):
        assert sum(batch.tests for batch in shard.batches if batch.shard == shard.index) == len(run.outcomes)
        assert (shard.ended.failed, shard.ended.unjudged) == (run.code == 1, [])


def test_times_are_in_one_file_each_with_its_shard(judged, merged):
    one, whole = (
        json.loads((directory / "benchmark.json").read_text())
        for directory in (judged[0].directory, merged[1])
    )
    assert one.keys() == whole.keys()
    assert {item["extra_info"].pop("shard") for item in whole["benchmarks"]} <= set(SHARDS)
    for first, second in zip(whole["benchmarks"], one["benchmarks"], strict=True):
        assert first.pop("stats").keys() == second.pop("stats").keys()
        assert first == second


def files(directory):
    return {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}


def test_outputs_and_pictures_are_those_of_one_run(judged, merged):
    one, whole = files(judged[0].directory), files(merged[1])
    assert whole.keys() == one.keys()
    assert "pictures/small.png" in whole
    for name in one:
        if name.startswith(("outputs/", "pictures/")):
            assert whole[name].read_bytes() == one[name].read_bytes(), name


@pytest.mark.parametrize(
    "command",
    [
        ("diagnose", "--precision=int8-fp16", "--from-run"),
        ("show", "--from-run"),
        ("annotate", "-oannotated.pb"),
    ],
)
def test_commands_read_a_merged_run_like_any_other(merged, judged, said, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    texts = [said(*command, directory) for directory in (merged[1], judged[0].directory)]
    assert [code for code, *_ in texts] == [0, 0], texts
    neutral = [
        text.replace(str(directory), "RUN")
        for (_, text, _), directory in zip(texts, (merged[1], judged[0].directory), strict=True)
    ]
    assert neutral[0].splitlines()[:-1] == neutral[1].splitlines()[:-1]


def test_workers_may_judge_a_shard(network, tmp_path, said):
    shards = shards_of(tmp_path, network, "--profile=ideal", workers=2)
    one = run_suite(tmp_path / "one", "--profile=ideal", network=network)
    assert [shard.code for shard in shards] == [0, 0, 0]
    directories = [shard.directory for shard in shards]
    assert said("merge", *directories, "-o", tmp_path / "run")[0] == 0
    assert timeless(read_records(tmp_path / "run")) == timeless(one.records)
    assert {used.process.split()[1] for used in read_environment(tmp_path / "run").devices} == {"gw0", "gw1"}


def test_a_selection_is_split(network, tmp_path, said):
    chosen = ("--profile=ideal", "--nodes=norm/*,joined,out", "-knorm or out")
    markers = "mlu and fp16 and not chained and not benchmark"
    shards = shards_of(tmp_path, network, *chosen, markers=markers)
    one = run_suite(tmp_path / "one", *chosen, network=network, markers=markers)
    directories = [shard.directory for shard in shards]
    assert said("merge", *directories, "-o", tmp_path / "run")[0] == 0
    assert timeless(read_records(tmp_path / "run")) == timeless(one.records)


def test_a_shard_that_only_measures_is_no_failure_but_a_whole_run_is(network, tmp_path, said):
    run = (("--profile=ideal",), {"markers": "mlu and chained"})
    shards = shards_of(tmp_path, network, *run[0], **run[1])
    assert [shard.code for shard in shards] == [0, 0, 0]
    one = run_suite(tmp_path / "one", *run[0], network=network, **run[1])
    code, text, _ = said("merge", *(shard.directory for shard in shards), "-o", tmp_path / "run")
    assert (one.code, code) == (3, 3)
    assert "FAILED: nothing was judged, so the run shows nothing" in text


def test_a_shard_of_which_the_device_offers_nothing_shows_nothing(network, tmp_path):
    result = run_suite(
        tmp_path / "run", "--shard=1/2", "--profile=ideal", network=network, markers="mlu and calibration"
    )
    assert result.code == 3
    assert "FAILED: nothing was judged, so the run shows nothing" in result.text


def test_a_shard_that_stops_at_the_first_failure_is_incomplete(network, tmp_path, refusal):
    result = run_suite(tmp_path / "run", "--shard=1/1", "-x", *DEVICE, network=network)
    ended = read_environment(result.directory).shard.ended
    assert (result.code, ended.failed, len(ended.unjudged)) == (1, True, 4 * KEY_NODES - len(result.records))
    error = refusal("merge", result.directory, "-o", tmp_path / "all")
    assert (
        f"shard 1/1 ({result.directory}) did not judge {len(ended.unjudged)} of its {4 * KEY_NODES} " in error
    )
    assert error.endswith(f"cases, {ended.unjudged[0]} first; repeat it with --shard=1/1\n")
    assert not (tmp_path / "all").exists()


def test_a_shard_that_was_interrupted_is_refused(network, tmp_path, refusal):
    device = "--device=suite.interrupting_devices:interrupted_at_int16"
    result = run_suite(tmp_path / "run", "--shard=1/1", device, network=network)
    assert (result.code, len(result.records)) == (2, 2 * KEY_NODES)
    assert read_environment(result.directory).shard.ended is None
    error = refusal("merge", result.directory, "-o", tmp_path / "all")
    assert (
        f"shard 1/1 ({result.directory}) was interrupted, or still runs; repeat it with --shard=1/1" in error
    )


def test_a_shard_whose_worker_dies_is_incomplete(network, tmp_path, refusal):
    result = run_suite(
        tmp_path / "run",
        "--shard=1/1",
        "--device=suite.devices_of_workers:dies_at_int16_fp32",
        network=network,
        markers="mlu and own and fp32",
        workers=2,
    )
    assert result.code == 1
    assert f"did not judge {KEY_NODES} of its {2 * KEY_NODES} cases" in refusal(
        "merge", result.directory, "-o", tmp_path / "all"
    )


def test_what_the_user_skips_is_not_selected(network, tmp_path, said, refusal):
    plain = {"network": network, "markers": "mlu and fused and fp32"}
    first, second = (
        run_suite(tmp_path / f"{index}", f"--shard={index}/2", "--profile=ideal", "--benchmark-skip", **plain)
        for index in (1, 2)
    )
    assert (first.code, second.code) == (0, 0)
    assert said("merge", first.directory, second.directory, "-o", tmp_path / "all")[0] == 0
    timed = run_suite(tmp_path / "timed", "--shard=2/2", "--profile=ideal", **plain)
    assert timed.code == 0
    error = refusal("merge", first.directory, timed.directory, "-o", tmp_path / "other")
    assert (
        "of benchmark small int8-fp32 it has 1 instead of 0 cases; give every shard the same tests" in error
    )
