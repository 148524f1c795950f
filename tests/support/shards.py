"""Finished shards written by hand: two networks' worth of batches in three shards, one record per case."""

import datetime as dt
import json

import msgspec
from support.records import record

from conformance.runs.directory import RunDirectory
from conformance.runs.environment import Environment, JudgedNetwork, Machine, UsedDevice
from conformance.runs.shards import Batch, Ended, ShardOfRun

DEVICE = {"kind": "cambricon", "model": "MLU270", "simulated": False, "driver": "4.9", "firmware": "1.1"}
DEVICE |= {"runtime": "1.7", "framework": "tensorflow 1.15", "profile": "", "serial": "SN-1"}
BATCHES = (
    ("own n int8-fp16", 2, 2),
    ("own n int16-fp32", 1, 2),
    ("fused n int8-fp16", 3, 1),
    ("benchmark n int8-fp16", 3, 1),
)
"""In the order of one run: name, shard, cases."""
TOTAL = 3
STARTED = dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone.utc)


def batches():
    return [Batch(name=name, shard=shard, tests=tests, sha256="0" * 64) for name, shard, tests in BATCHES]


def records(index):
    """Return the records of a shard in the order in which it made them, those of a group together."""
    found = []
    for name, shard, tests in BATCHES:
        kind, network, precision = name.split()
        mode, end = ("fused", "-timed") if kind == "benchmark" else (kind, "")
        found += [
            record(
                case=f"{network}/{node}-{precision}-{mode}{end}", node=node, precision=precision, mode=mode
            )
            for node in "ab"[:tests]
            if shard == index
        ]
    return found


def shard(index, **changes):
    """Return what the environment of a shard says of it."""
    ended = Ended(failed=False, records=len(records(index)))
    plain = {"index": index, "total": TOTAL, "batches": batches(), "held_to": {"graph of n": "a" * 64}}
    return ShardOfRun(**(plain | {"ended": ended} | changes))


def environment(index, **changes):
    """Return the environment of a shard."""
    plain = {
        "started": STARTED - dt.timedelta(hours=index),
        "version": "0.1.0",
        "python": "3.11",
        "packages": {"tensorflow": "2.21", "numpy": "2.4", "pytest": "9"},
        "machine": Machine(platform="Linux", cpu=f"host {index}", cores=4),
        "commit": None,
        "options": {
            "device": "auto",
            "nodes": "key",
            "profile": "mlu270",
            "shard": f"{index}/{TOTAL}",
            "device_option": {"card": str(index), "core-num": "1"},
            "run_dir": f"/host/{index}",
            "golden_dir": "/goldens",
            "waivers": None,
        },
        "device": DEVICE,
        "waivers": ["all", f"only-{index}"],
        "devices": [UsedDevice(process="main", device=DEVICE | {"serial": f"SN-{index}"})],
        "networks": [JudgedNetwork(name="n", own="n", graph_sha256="a" * 64)],
        "shard": shard(index),
    }
    return Environment(**(plain | changes))


def write_shard(path, index, found=None, **changes):
    """Write a shard, with these changes of its environment, into a new directory."""
    directory = RunDirectory.create(path)
    for item in records(index) if found is None else found:
        directory.add(item)
    directory.write_environment(environment(index, **changes))
    directory.close()
    return path


def write_shards(root):
    return [write_shard(root / f"shard-{index}", index) for index in range(1, TOTAL + 1)]


def write_times(path, *precisions, **changes):
    """Write what pytest-benchmark would, with a time per precision."""
    times = [
        {"fullname": f"t[{precision}]", "params": {"network": "n", "precision": precision}, "extra_info": {}}
        for precision in precisions
    ]
    plain = {"machine_info": {"node": path.name}, "commit_info": {}, "benchmarks": times}
    plain |= {"datetime": "2026-01-02T03:00:00+00:00", "version": "5"}
    (path / "benchmark.json").write_text(json.dumps(plain | changes))


def replaced(value, **changes):
    return msgspec.structs.replace(value, **changes)
