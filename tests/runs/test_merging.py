"""Shards side by side: one complete run in its order, or one sentence that names what is wrong."""

import itertools

import pytest
from support.records import record
from support.refusals import refused
from support.shards import (
    DEVICE,
    TOTAL,
    batches,
    environment,
    records,
    replaced,
    shard,
    write_shard,
    write_shards,
)

from conformance.runs.directory import RECORDS
from conformance.runs.environment import Commit, JudgedNetwork, UsedDevice
from conformance.runs.merging import failures, in_order_of_run, read_shards
from conformance.runs.records import stale_waivers
from conformance.runs.shards import Ended, batch_of

NOTHING = Ended(failed=False)


@pytest.fixture
def paths(tmp_path):
    return write_shards(tmp_path)


@pytest.fixture
def other(tmp_path):
    """Replace the second shard by one that is otherwise; return the directories."""

    def replace(**changes):
        return [
            write_shard(tmp_path / "shard-1", 1),
            write_shard(tmp_path / "other", 2, **changes),
            write_shard(tmp_path / "shard-3", 3),
        ]

    return replace


def test_records_come_in_the_order_of_one_run_whatever_the_order_of_shards(paths):
    for given in itertools.permutations(paths):
        found = in_order_of_run(read_shards(given))
        assert [item.case for item in found] == [
            "n/a-int8-fp16-own",
            "n/b-int8-fp16-own",
            "n/a-int16-fp32-own",
            "n/b-int16-fp32-own",
            "n/a-int8-fp16-fused",
            "n/a-int8-fp16-fused-timed",
        ]


def test_a_node_may_be_called_as_what_is_timed():
    assert batch_of(record(case="n/a-timed-int8-fp16-own", node="a-timed")) == "own n int8-fp16"
    timed = record(case="n/a-int8-fp16-fused-timed", mode="fused")
    assert batch_of(timed) == "benchmark n int8-fp16"


def test_a_missing_shard_is_named_with_what_it_judges(paths):
    with refused(
        "^shard 2/3 is missing, with own n int8-fp16; run --shard=2/3, and name its directory, too$"
    ):
        read_shards([paths[2], paths[0]])
    with refused(
        "^shards 1/3, 3/3 are missing, with own n int16-fp32, fused n int8-fp16, benchmark n int8-fp16; run "
        "--shard=1/3, and name"
    ):
        read_shards([paths[1]])


def test_of_many_missing_shards_some_are_named(tmp_path):
    many = [replaced(batches()[0], name=f"own n{index}", shard=index) for index in range(1, 10)]
    path = write_shard(tmp_path / "one", 2, found=[], shard=shard(2, total=9, batches=many, ended=NOTHING))
    with refused(
        "^shards 1/9, 3/9, 4/9, 5/9, 6/9 and 3 more are missing, with own n1, own n3, own n4, own n5, own n6 "
        "and 3 more; run --shard=1/9, and"
    ):
        read_shards([path])


def test_shards_that_have_nothing_to_judge_are_not_missing(tmp_path):
    paths = [
        write_shard(tmp_path / str(index), index, shard=shard(index, total=TOTAL + 2)) for index in (1, 2, 3)
    ]
    assert len(read_shards(paths)) == TOTAL


def test_a_doubled_shard_is_named(paths, tmp_path):
    again = write_shard(tmp_path / "again", 2)
    with refused(rf"^{paths[1]} and {again} are both shard 2/3; name one of them$"):
        read_shards([*paths, again])
    with refused(rf"^{paths[0]} and {paths[0]} are both shard 1/3; name one of them$"):
        read_shards([paths[0], *paths])


def test_a_run_of_its_own_is_no_shard(paths, tmp_path):
    own = write_shard(tmp_path / "own", 1, shard=environment(1).shards)
    with refused(rf"^run {own} is no shard: it was made without --shard; name runs that were made with it$"):
        read_shards([own, *paths])


def test_no_run_at_all(paths, tmp_path):
    with refused(r"holds no run \(environment.json is missing\); name the --run-dir of a run"):
        read_shards([*paths, tmp_path])


def test_a_shard_that_did_not_end_is_named(paths, tmp_path):
    begun = write_shard(tmp_path / "begun", 2, found=[], shard=shard(2, ended=None))
    with refused(
        rf"^shard 2/3 \({begun}\) was interrupted, or still runs; repeat it with --shard=2/3, or wait"
    ):
        read_shards([paths[0], begun, paths[2]])
    ended = Ended(failed=True, records=1, unjudged=["test_node[b]"])
    stopped = write_shard(tmp_path / "stopped", 2, found=records(2)[:1], shard=shard(2, ended=ended))
    with refused(
        rf"^shard 2/3 \({stopped}\) did not judge 1 of its 2 cases, test_node\[b\] first; repeat it"
    ):
        read_shards([paths[0], stopped, paths[2]])


def changed_batches(place, **changes):
    found = batches()
    found[place] = replaced(found[place], **changes)
    return found


OPTIONS = environment(2).options
FOREIGN = [
    ({"shard": shard(2, total=4)}, "are of different splits; name the shards of one"),
    (
        {"shard": shard(2, batches=changed_batches(0, tests=1))},
        "is of another selection than shard 1/3 .*: of own n int8-fp16 it has 1 instead of 2 cases; give",
    ),
    (
        {"shard": shard(2, batches=changed_batches(3, sha256="1"))},
        "of benchmark n int8-fp16 it has other cases",
    ),
    ({"shard": shard(2, batches=batches()[:-1])}, "of benchmark n int8-fp16 it has 0 instead of 1 cases"),
    (
        {"shard": shard(2, held_to={"graph of n": "b" * 64})},
        "differs from shard 1/3 .* in graph of n: bbbbbbbbbbbb instead of aaaaaaaaaaaa; repeat",
    ),
    (
        {"shard": shard(2, held_to={"graph of n": "a" * 64, "int8 scales of n": "c" * 64})},
        "differs from shard 1/3 .* in int8 scales of n: cccccccccccc instead of nothing",
    ),
    (
        {"networks": [JudgedNetwork(name="m", own="m", graph_sha256="a")]},
        "differs from shard 1/3 .* in network: m instead of n",
    ),
    ({"options": OPTIONS | {"nodes": "all"}}, "differs from shard 1/3 .* in --nodes: all instead of key"),
    (
        {"options": OPTIONS | {"profile": "ideal"}},
        "differs from shard 1/3 .* in --profile: ideal instead of mlu270",
    ),
    (
        {"options": OPTIONS | {"device_option": {"core-num": "4"}}},
        "differs from shard 1/3 .* in --device-option core-num: 4 instead of 1",
    ),
    *(
        (
            {"devices": [UsedDevice(process="main", device=DEVICE | {name: "other"})]},
            f"differs from shard 1/3 .* in {name} of the device: other instead of ",
        )
        for name in ("kind", "model", "simulated", "driver", "firmware", "runtime", "framework", "profile")
    ),
    (
        {
            "devices": [
                UsedDevice(process="gw0", device=DEVICE),
                UsedDevice(process="gw1", device=DEVICE | {"driver": "5"}),
            ]
        },
        "in driver of the device: 4.9 and 5 instead of 4.9",
    ),
    ({"version": "0.2.0"}, "differs from shard 1/3 .* in version of mlu-conformance: 0.2.0 instead of 0.1.0"),
    (
        {"commit": Commit(sha="abc", dirty=True)},
        "in commit of mlu-conformance: abc and changes instead of nothing",
    ),
    (
        {"packages": {"tensorflow": "2.16", "numpy": "2.4"}},
        "differs from shard 1/3 .* in tensorflow: 2.16 instead of 2.21",
    ),
    (
        {"packages": {"tensorflow": "2.21", "numpy": "1.26"}},
        "differs from shard 1/3 .* in numpy: 1.26 instead of 2.4",
    ),
]


@pytest.mark.parametrize(("changes", "said"), FOREIGN)
def test_a_foreign_shard_is_named_with_what_differs(other, changes, said):
    paths = other(**changes)
    with refused(said) as caught:
        read_shards(paths)
    assert str(paths[1]) in str(caught.value)
    assert str(paths[0]) in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"python": "3.12"},
        {"packages": {"tensorflow": "2.21", "numpy": "2.4", "pytest": "8"}},
        {"options": OPTIONS | {"golden_dir": "/elsewhere", "network_path": "/there", "waivers": "/w.toml"}},
        {"options": OPTIONS | {"device_option": {"core-num": "1", "lock-dir": "/l", "python": "/p"}}},
        {"devices": [UsedDevice(process="gw1", device=DEVICE | {"serial": "9", "settings": {"a": {}}})]},
    ],
)
def test_hosts_may_differ_in_places_cards_and_tools(other, changes):
    assert len(read_shards(other(**changes))) == TOTAL


def test_a_copy_that_lost_records_is_named(paths):
    file = paths[1] / RECORDS
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0])
    with refused(rf"^shard 2/3 \({paths[1]}\) made 2 records, but records.jsonl has 1; copy it again, or"):
        read_shards(paths)
    file.write_bytes(lines[0] + lines[1][:-9])
    with refused("records.jsonl line 2 is truncated"):
        read_shards(paths)


def test_a_record_of_another_shard_is_named(paths, tmp_path):
    mixed = write_shard(tmp_path / "mixed", 2, found=[records(2)[0], records(1)[0]])
    with refused(rf"^shard 2/3 \({mixed}\) holds case n/a-int16-fp32-own, which it does not judge; copy it"):
        read_shards([paths[0], mixed, paths[2]])


def ended(index, found, **changes):
    return shard(index, ended=Ended(records=len(found), **({"failed": False} | changes)))


def test_what_fails_a_shard_fails_the_whole_once(tmp_path):
    stale = replaced(records(1)[0], waiver="w"), replaced(records(2)[0], waiver="w")
    deviating = replaced(records(3)[0], outcome="deviates", reasons=["wrong"])
    found = {
        1: [stale[0], records(1)[1]],
        2: [stale[1], records(2)[1]],
        3: [deviating, records(3)[1]],
    }
    problems = {
        1: ["old has expired", *stale_waivers(found[1])],
        2: ["old has expired", *stale_waivers(found[2]), "it hung"],
        3: [],
    }
    paths = [
        write_shard(
            tmp_path / str(index),
            index,
            found=found[index],
            shard=ended(index, found[index], failed=index == 3, problems=problems[index]),
        )
        for index in (1, 2, 3)
    ]
    shards = read_shards(paths)
    sentences = failures(shards, in_order_of_run(shards))
    assert sentences[:3] == [
        f"tests of shard 3/3 ({paths[2]}) failed",
        "n/a-int8-fp16-fused deviates or is broken",
        "old has expired",
    ]
    assert sentences[3] == "it hung"
    (whole,) = sentences[4:]
    assert whole.startswith("waiver 'w' is stale: n/a-int8-fp16-own conforms")
    assert whole.endswith("(1 more cases)")


def test_nothing_fails_shards_that_conform(paths):
    shards = read_shards(paths)
    assert failures(shards, in_order_of_run(shards)) == []
