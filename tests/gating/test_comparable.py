"""What cannot be held against each other is refused in one sentence; what may differ is being judged."""

import msgspec
import pytest
from support.made_runs import DEVICE, HELD_TO, Made, ended_again, made_run, made_side, timed, usual

from conformance.errors import UsageError
from conformance.gating.comparable import check_held_to
from conformance.gating.gate import Demands, gate
from conformance.runs.environment import Commit, JudgedNetwork, Machine, UsedDevice
from conformance.runs.finished import runs_of_side
from conformance.runs.shards import ShardOfRun

TIMES = {"int8-fp16": 0.01}


@pytest.fixture
def refused(tmp_path):
    """Return the sentence with which two sides are refused."""

    def sentence(baseline, candidate):
        made_side(tmp_path / "before", baseline)
        made_side(tmp_path / "after", candidate, first=50)
        with pytest.raises(UsageError) as error:
            gate(tmp_path / "before", tmp_path / "after", Demands())
        assert error.value.exit_code == 4
        assert "\n" not in str(error.value)
        return str(error.value)

    return sentence


def run(device=None, **environment):
    return Made(usual(), TIMES, device or {}, environment)


@pytest.mark.parametrize("what", ["margins", "waivers", "graph of n"])
def test_another_digest(refused, what):
    said = refused([run()], [run(held_to=HELD_TO | {what: "e" * 64})])
    assert f"{what} differs ({HELD_TO[what][:12]} and {'e' * 12})" in said


def test_a_digest_that_one_of_the_runs_does_not_have(refused):
    lacking = {name: value for name, value in HELD_TO.items() if name != "margins"}
    assert "margins differs" in refused([run()], [run(held_to=lacking)])


def test_the_emulators_profile_counts_for_emulators_alone(refused, tmp_path):
    other = {"held_to": HELD_TO | {"profile": "e" * 64}}
    assert "profile file differs" in refused([run({"simulated": True})], [run({"simulated": True}, **other)])
    made_side(tmp_path / "card/a", [run()])
    made_side(tmp_path / "card/b", [run(**other)], first=50)
    assert gate(tmp_path / "card/a", tmp_path / "card/b", Demands()).counts.identical == 10


@pytest.mark.parametrize(
    ("device", "environment", "what"),
    [
        ({"model": "MLU220"}, {}, "model of the device differs (MLU270 and MLU220)"),
        ({"kind": "emulator"}, {}, "kind of the device differs"),
        ({"simulated": True}, {}, "simulated of the device differs"),
        ({"settings": {"int8-fp16": {"a": "1"}}}, {}, "settings of the device differs"),
        ({}, {"version": "0.2.0"}, "version of mlu-conformance differs (0.1.0 and 0.2.0)"),
        ({}, {"options": {"nodes": "all", "layer_by_layer": False}}, "--nodes differs (key and all)"),
        ({}, {"options": {"nodes": "key", "layer_by_layer": True}}, "--layer-by-layer differs"),
    ],
)
def test_another_suite_device_or_question(refused, device, environment, what):
    assert what in refused([run()], [run(device, **environment)])


def test_other_networks(refused):
    other = {
        "networks": [JudgedNetwork(name="n", graph_sha256="c"), JudgedNetwork(name="m", graph_sha256="d")]
    }
    assert "judged n, but candidate" in refused([run()], [run(**other)])


@pytest.mark.parametrize("what", ["driver", "firmware", "framework"])
def test_a_side_is_one_state_of_a_host(refused, what):
    said = refused([run(), run({what: "9.9.9"})], [run()])
    assert f"{what} differs ({DEVICE[what]} and 9.9.9)" in said


def test_devices_of_one_run_that_differ(refused):
    devices = [UsedDevice(process=name, device=DEVICE | {"driver": name}) for name in ("gw0", "gw1")]
    assert "differ in driver" in refused([run()], [run(devices=devices)])


def test_the_same_directory_or_run_on_both_sides(tmp_path):
    side = made_side(tmp_path / "a", [run()])
    for other in (side, side / "run-0", side / ".." / "a"):
        with pytest.raises(UsageError, match=r"both|the same run"):
            gate(side, other, Demands())


def test_one_run_twice_on_a_side(tmp_path):
    side = made_side(tmp_path / "a", [run()])
    made_run(side / "copy", run())
    with pytest.raises(UsageError, match="are one run, which counts once"):
        gate(side, made_side(tmp_path / "b", [run()], first=9), Demands())


def test_a_run_that_judged_nothing(refused):
    measured = [msgspec.structs.replace(item, outcome="unsupported", notes=["no"]) for item in usual()]
    assert "judged nothing" in refused([run()], [Made(measured)])


def test_an_older_run_does_not_say_what_it_was_held_to(refused):
    assert "does not say what it was held to" in refused([run()], [run(held_to={})])


def test_a_run_that_was_cut_short_or_never_ended(refused, tmp_path):
    ended = msgspec.structs.replace(
        runs_of_side(made_side(tmp_path / "x", [run()]))[0].environment.ended, cut_short="interrupted"
    )
    assert "was cut short (interrupted)" in refused([run()], [run(ended=ended)])


def test_a_run_that_does_not_say_how_it_ended(refused):
    assert "does not say how it ended" in refused([run()], [run(ended=msgspec.UNSET)])


def test_a_shard_is_no_run(refused):
    shard = ShardOfRun(index=1, total=2, batches=[], held_to={})
    assert "merge the shards first" in refused([run()], [run(shard=shard)])


@pytest.mark.parametrize("name", ["records.jsonl", "benchmark.json"])
def test_a_file_that_was_edited(tmp_path, name):
    before, after = made_side(tmp_path / "a", [run()]), made_side(tmp_path / "b", [run()], first=9)
    file = after / "run-0" / name
    file.write_text(file.read_text().replace("int8-fp16", "int8-fp32"))
    with pytest.raises(UsageError, match="is not as the run left it"):
        gate(before, after, Demands())
    file.unlink()
    with pytest.raises(UsageError, match=name):
        gate(before, after, Demands())


def test_a_last_line_that_was_cut(tmp_path):
    before, after = made_side(tmp_path / "a", [run()]), made_side(tmp_path / "b", [run()], first=9)
    file = after / "run-0/records.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    ended_again(after / "run-0")
    with pytest.raises(UsageError, match="truncated"):
        gate(before, after, Demands())


@pytest.mark.parametrize("value", ["NaN", "0", "-1", '"x"', "1e999"])
def test_a_time_that_is_none(tmp_path, value):
    before, after = made_side(tmp_path / "a", [run()]), made_side(tmp_path / "b", [run()], first=9)
    file = after / "run-0/benchmark.json"
    file.write_text(file.read_text().replace("0.01,", f"{value},", 1))
    ended_again(after / "run-0")
    with pytest.raises(UsageError, match="file of times"):
        gate(before, after, Demands())


def test_what_is_no_run_at_all(tmp_path):
    side = made_side(tmp_path / "a", [run()])
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("empty", "file", "missing"):
        with pytest.raises(UsageError, match="name the --run-dir of a run, or a directory of runs"):
            gate(side, tmp_path / name, Demands())


def test_what_may_differ_is_what_is_being_judged(tmp_path):
    new = {"driver": "4.20.11", "firmware": "1.1.6"}
    environment = {
        "machine": Machine(platform="Linux 6", cpu="Xeon", cores=8),
        "commit": Commit(sha="a" * 40, dirty=True),
        "packages": {"tensorflow": "2.22.0", "numpy": "2.4.6"},
        "python": "3.12.1",
    }
    before, after = (
        made_side(tmp_path / "a", [run()]),
        made_side(tmp_path / "b", [run(new, **environment)], first=9),
    )
    found = {item.what: (item.baseline, item.candidate) for item in gate(before, after, Demands()).judged}
    assert found == {
        "driver": (["4.20.6"], ["4.20.11"]),
        "firmware": (["1.1.4"], ["1.1.6"]),
        "tensorflow": (["2.21.0"], ["2.22.0"]),
        "commit of mlu-conformance": (["none"], ["aaaaaaaaaaaa and changes"]),
        "host": (["Linux, AMD EPYC"], ["Linux 6, Xeon"]),
        "python": (["3.11.7"], ["3.12.1"]),
    }


def test_several_hosts_and_cards_make_one_side(tmp_path):
    """Reading is merging: each host judged one network."""
    parts = [
        [Made([item for item in usual() if item.precision == name], TIMES, {"serial": name})]
        for name in ("int8-fp16", "int16-fp32")
    ]
    for number, part in enumerate(parts):
        for item in part:
            networks = [JudgedNetwork(name=f"n{number}", graph_sha256="c")]
            records = [msgspec.structs.replace(record, network=f"n{number}") for record in item.records]
            made = Made(records, {}, item.device, {"networks": networks})
            made_run(tmp_path / f"a/{number}", made, number=number)
            made_run(tmp_path / f"b/{number}", made, number=number + 50)
    found = gate(tmp_path / "a", tmp_path / "b", Demands())
    assert (found.verdict, found.networks, found.counts.cases) == ("GO", ["n0", "n1"], 10)


def test_before_a_run_its_baseline_is_held_to_what_it_will_be(tmp_path):
    runs = runs_of_side(made_side(tmp_path / "a", [run()]))
    check_held_to(runs, HELD_TO | {"waivers": "other", "profile": "other"})
    with pytest.raises(UsageError, match="margins differs"):
        check_held_to(runs, HELD_TO | {"margins": "other"})
    with pytest.raises(UsageError, match="graph of m differs"):
        check_held_to(runs, HELD_TO | {"graph of m": "other"})


def test_timed_records_follow_the_untimed_ones():
    """The made runs are as real ones are."""
    fused = next(item for item in usual() if item.mode == "fused")
    assert timed(fused, 3).sha256 == [fused.sha256[1], fused.sha256[0], fused.sha256[1]]
