"""Run directories made by hand, whole as a run leaves them: no device, no TensorFlow."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING

import msgspec
from support.records import record

from conformance.judging.bounds import ErrorValues
from conformance.judging.verdicts import Acceptance, Reached
from conformance.numerics.metrics import Metrics
from conformance.runs.directory import RunDirectory, end_of_run, read_environment
from conformance.runs.environment import Environment, JudgedNetwork, Machine, UsedDevice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.runs.records import Record

STARTED = dt.datetime(2026, 11, 1, tzinfo=dt.timezone.utc)
DEVICE = {
    "kind": "cambricon",
    "model": "MLU270",
    "simulated": False,
    "driver": "4.20.6",
    "firmware": "1.1.4",
    "runtime": "1.7",
    "framework": "1.15",
    "profile": "",
    "serial": "0123",
    "settings": {},
}
HELD_TO = {"margins": "a" * 64, "waivers": "b" * 64, "graph of n": "c" * 64, "profile": "d" * 64}
ACCEPTED = Acceptance(cosine=0.999, psnr=40.0)
PRECISIONS = ("int8-fp16", "int16-fp32")


def digest(word: object) -> str:
    """Return a SHA-256 for a word."""
    return hashlib.sha256(str(word).encode()).hexdigest()


def errors(size: float) -> ErrorValues:
    """Return errors of this amplitude in every criterion."""
    return ErrorValues(size**2, size**2, size, size**2)


def own(node: str, op: str, precision: str, *, error=0.5, bits="", outcome="conforms", **changes) -> Record:
    """Return the record of a node's own error, in attainable errors; its bound is two of them."""
    return record(
        outcome,
        case=f"n/{node}-{precision}-own",
        node=node,
        op=op,
        precision=precision,
        **{
            "metrics": Metrics(min(error**2, 2.0), error**2, error, error**2, 0, [0]),
            "attainable": errors(1.0),
            "bounds": errors(2.0),
            "needed": errors(error),
            "sha256": [digest(f"{node}{precision}{error}{bits}")] * 2,
            "simulated": False,
        }
        | changes,
    )


def output(precision: str, *, psnr=60.0, cosine=0.9999, outcome="conforms", bits="", **changes) -> Record:
    """Return the record of the fused network's output, of two samples."""
    return record(
        outcome,
        case=f"n/out-{precision}-fused",
        node="out",
        op="Tanh",
        precision=precision,
        mode="fused",
        **{
            "metrics": Metrics(1 - cosine, 1e-6, 1e-2, 1e-6, 0, [0]),
            "acceptance": ACCEPTED,
            "reached": Reached(cosine=cosine, psnr=psnr),
            "sha256": [digest(f"{precision}{psnr}{cosine}{bits}{sample}") for sample in range(2)],
            "simulated": False,
        }
        | changes,
    )


def timed(fused: Record, rounds: int = 5) -> Record:
    """Return the record of the timed output that belongs to an untimed one: samples in turn."""
    turns = [fused.sha256[(run + 1) % 2] for run in range(rounds)]
    return msgspec.structs.replace(fused, case=f"{fused.case}-timed", sha256=turns)


def usual(**changes: Record) -> list[Record]:
    """Return what a run of a small network records; ``mean8`` and so on replace single records."""
    found = {}
    for precision in PRECISIONS:
        bits = precision[3:].partition("-")[0]
        found |= {
            f"conv{bits}": own("conv", "Conv2D", precision),
            f"mean{bits}": own("mean", "Mean", precision),
            f"variance{bits}": own("variance", "Mean", precision),
            f"out{bits}": output(precision),
        }
    found |= changes
    outputs = [item for item in found.values() if item is not None and item.mode == "fused"]
    return [item for item in found.values() if item is not None] + [timed(item) for item in outputs]


@dataclasses.dataclass(frozen=True)
class Made:
    """What a made run is made of.

    Attributes:
        records: what was judged.
        seconds: of each precision, the device seconds of a round, or of every round.
        device: what differs from the usual one.
        environment: what else differs.
        least: the roofline.
    """

    records: Sequence[Record]
    seconds: dict[str, float | list[float]] = dataclasses.field(default_factory=dict)
    device: dict[str, object] = dataclasses.field(default_factory=dict)
    environment: dict[str, object] = dataclasses.field(default_factory=dict)
    least: float | None = 1e-4


def made_run(path: Path, made: Made, *, number: int = 0) -> Path:
    """Write a run directory, and return it.

    Args:
        path: must be new.
        made: what is in it.
        number: when it started, in hours.
    """
    directory = RunDirectory.create(path)
    for item in made.records:
        directory.add(item)
    directory.close()
    device = DEVICE | made.device
    if made.seconds:
        (path / "benchmark.json").write_text(json.dumps({"benchmarks": _benchmarks(made, device)}))
    environment = Environment(
        started=STARTED + dt.timedelta(hours=number),
        version="0.1.0",
        python="3.11.7",
        packages={"tensorflow": "2.21.0", "numpy": "2.4.6"},
        machine=Machine(platform="Linux", cpu="AMD EPYC", cores=2),
        commit=None,
        options={"nodes": "key", "layer_by_layer": False},
        device=device,
        waivers=[],
        devices=[UsedDevice(process="main", device=device)],
        networks=[JudgedNetwork(name="n", graph_sha256="c" * 64)],
        held_to=HELD_TO,
        ended=end_of_run(path, len(made.records)),
    )
    directory.write_environment(msgspec.structs.replace(environment, **made.environment))
    return path


def made_side(path: Path, runs: Sequence[Made], *, first: int = 0) -> Path:
    """Write a directory of runs, and return it."""
    for number, made in enumerate(runs):
        made_run(path / f"run-{number}", made, number=first + number)
    return path


def ended_again(path: Path) -> None:
    """Let a run directory whose files were changed say that it ended like this."""
    environment = read_environment(path)
    count = len((path / "records.jsonl").read_text().splitlines())
    environment = msgspec.structs.replace(environment, ended=end_of_run(path, count))
    (path / "environment.json").write_bytes(msgspec.json.encode(environment))


def _benchmarks(made: Made, device: dict[str, object]) -> list[dict[str, object]]:
    return [
        {
            "extra_info": {
                "network": "n",
                "precision": precision,
                "model": device["model"],
                "serial": device["serial"],
                "roofline": None if made.least is None else {"bound_seconds": made.least},
            },
            "stats": {"data": seconds if isinstance(seconds, list) else [seconds] * 5},
        }
        for precision, seconds in made.seconds.items()
    ]
