"""Made-up runs of a history: an environment, a few records and times, written as runs leave them."""

import datetime as dt
import hashlib

import msgspec
from support.records import record

from conformance.judging.bounds import ErrorValues
from conformance.judging.verdicts import Reached
from conformance.runs.environment import EndOfRun, Environment, JudgedNetwork, Machine, UsedDevice
from conformance.runs.records import encode_record

START = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
DEVICE = {"kind": "cambricon", "model": "MLU270", "simulated": False, "driver": "4.20.6", "firmware": "1.1.4"}
DEVICE |= {"runtime": "1.7", "framework": "tensorflow 1.15", "profile": "", "serial": "0123"}
JUDGED = ["own int8-fp16", "fused int8-fp16"]


def times_file(seconds, precision="int8-fp16"):
    """Return what pytest-benchmark writes, as far as it is read: five rounds around the run's time."""
    rounds = [float(seconds) * share for share in (1.01, 1.0, 0.99, 1.002, 0.998)]
    about = {"network": "n", "precision": precision, "model": "MLU270"}
    return {"benchmarks": [{"extra_info": about, "stats": {"data": rounds}}]}


def records(share=0.5, psnr=40.0, outcome="conforms", precision="int8-fp16"):
    """Return an own error of this share of its bound, and an output of this PSNR."""
    bounds = ErrorValues(1.0, 1.0, 1.0, 1.0)
    needed = ErrorValues(0.0, 0.0, share, 0.0)
    plain = {"precision": precision, "simulated": False}
    own = record(outcome, case=f"n/a-{precision}-own", bounds=bounds, needed=needed, **plain)
    reached = Reached(cosine=0.9999, psnr=psnr)
    return [own, record(case=f"n/a-{precision}-fused", mode="fused", reached=reached, **plain)]


def environment(started, *, device=None, **changes):
    """Return the environment of a run that came to its end."""
    device = DEVICE | (device or {})
    plain = {
        "started": started,
        "version": "0.1.0",
        "python": "3.6",
        "packages": {"tensorflow": "1.15", "numpy": "1.19"},
        "machine": Machine(platform="Linux", cpu="a processor", cores=8),
        "commit": None,
        "options": {"nodes": "key", "run_dir": str(started)},
        "device": device,
        "waivers": [],
        "devices": [UsedDevice(process="main", device=device, judged=JUDGED)],
        "networks": [JudgedNetwork(name="n", own="n", graph_sha256="a" * 64)],
        "seconds": {"device": 1.5 + started.minute},
    }
    return Environment(**(plain | changes))


def write_run(path, number, seconds=0.01, *, found=None, **changes):
    """Write a run that started on the ``number``-th day; keywords change its environment."""
    path.mkdir(parents=True)
    content = {
        "records.jsonl": b"".join(map(encode_record, records() if found is None else found)),
        "benchmark.json": msgspec.json.encode(times_file(seconds)),
    }
    for name, text in content.items():
        (path / name).write_bytes(text)
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in content.items()}
    plain = {"ended": EndOfRun(cut_short="", records=2, sha256=digests)}
    about = environment(START + dt.timedelta(days=number), **(plain | changes))
    (path / "environment.json").write_bytes(msgspec.json.encode(about))
    return path


def write_history(root, times, *, changed_at=None, device=None):
    """Write a run a day with these times; from ``changed_at`` on the device differs in ``device``."""
    return [
        write_run(
            root / f"{number:05}", number, seconds,
            device=device if changed_at is not None and number >= changed_at else None,
        )
        for number, seconds in enumerate(times)
    ]  # fmt: skip
