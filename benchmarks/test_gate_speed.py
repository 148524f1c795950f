"""Processor time of a gate: two runs as large as one of BeautyGAN, and five against five.

    pytest benchmarks/test_gate_speed.py

The runs are made up: 91 nodes at four precisions, own and chained, every tenth with other bits; noisy times.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from conformance import __version__, locations
from conformance.files import sha256, write_json_atomically
from conformance.judging.bounds import ErrorValues
from conformance.numerics.metrics import Metrics
from conformance.precision import PRECISIONS
from conformance.runs.directory import ENVIRONMENT, RECORDS, TIMES, end_of_run
from conformance.runs.environment import Environment, JudgedNetwork, Machine
from conformance.runs.records import Record, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from figures import Figures

NODES, NODES_OF_SMOKE = 91, 5
MOST_SECONDS = {1: 2.0, 5: 4.0}
"""What a gate may take, by the runs of a side, on the slowest machine that is thought of."""
STARTED = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize("runs", MOST_SECONDS)
def test_a_gate(tmp_path: Path, figures: Figures, runs: int, *, smoke: bool) -> None:
    """The whole command, its imports included."""
    records = 0
    for number, side in enumerate(("baseline", "candidate")):
        for run in range(runs):
            found = list(_records(NODES_OF_SMOKE if smoke else NODES, changed=side == "candidate"))
            _write(tmp_path / side / str(run), found, 10 * number + run)
            records += len(found)
    row = f"{runs} + {runs} runs"
    seconds = _processor_seconds("gate", str(tmp_path / "baseline"), str(tmp_path / "candidate"))
    figures.add(row, {"records": records})
    figures.at_most(row, "processor seconds", seconds, MOST_SECONDS[runs])


def _processor_seconds(*arguments: str) -> float:
    """Run the command line in a process of its own, which must give a verdict, and return what it took."""
    command = [sys.executable, "-m", "conformance.cli", *arguments]
    process = subprocess.Popen(command, cwd=locations.PROJECT)  # noqa: S603 - our own interpreter
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 2, 5)
    return usage.ru_utime + usage.ru_stime


def _records(nodes: int, *, changed: bool) -> Iterator[Record]:
    for precision in map(str, PRECISIONS):
        for number in range(nodes):
            for mode in ("own", "chained"):
                error = 0.9 if changed and number % 10 == 0 else 0.5
                yield _record(f"generator/node_{number}", precision, mode, error)


def _record(node: str, precision: str, mode: str, error: float) -> Record:
    own = mode == "own"
    squared = ErrorValues(error**2, error**2, error, error**2)
    return Record(
        case=f"made/{node}-{precision}-{mode}",
        network="made",
        node=node,
        op="Mean",
        precision=precision,
        mode="own" if own else "chained",
        outcome="conforms" if own else "measured",
        simulated=True,
        metrics=Metrics(error**2, error**2, error, error**2, 0, [0]),
        attainable=ErrorValues(1.0, 1.0, 1.0, 1.0) if own else None,
        bounds=ErrorValues(4.0, 4.0, 2.0, 4.0) if own else None,
        needed=squared if own else None,
        sha256=[sha256(f"{node}{precision}{error}".encode())],
    )


def _write(run: Path, records: list[Record], number: int) -> None:
    run.mkdir(parents=True)
    (run / RECORDS).write_bytes(b"".join(map(encode_record, records)))
    noise = random.Random(number)  # noqa: S311 - times, not secrets
    times = [
        {
            "extra_info": {"network": "made", "precision": str(precision), "serial": ""},
            "stats": {"data": [noise.gauss(1.0, 0.01) for _ in range(20)]},
        }
        for precision in PRECISIONS
    ]
    (run / TIMES).write_text(json.dumps({"benchmarks": times}))
    environment = Environment(
        started=STARTED + dt.timedelta(hours=number),
        version=__version__,
        python="3",
        packages={},
        machine=Machine(platform="made up", cpu="none", cores=1),
        commit=None,
        options={},
        device={"kind": "emulator", "model": "MLU270", "simulated": True},
        waivers=[],
        networks=[JudgedNetwork(name="made", graph_sha256="0" * 64)],
        held_to={"margins": "0" * 64},
        ended=end_of_run(run, len(records)),
    )
    write_json_atomically(run / ENVIRONMENT, environment)
