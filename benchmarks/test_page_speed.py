"""Processor time of a page: a run as large as one of all three networks, and nothing that it does not need.

    pytest benchmarks/test_page_speed.py

The run is made up: 5,280 records of three networks at four precisions, a tenth of which deviate.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from conformance import locations
from conformance.files import write_json_atomically
from conformance.judging.bounds import ErrorValues
from conformance.numerics.metrics import Metrics
from conformance.precision import PRECISIONS
from conformance.runs.directory import ENVIRONMENT, RECORDS
from conformance.runs.environment import Environment, Machine
from conformance.runs.records import Record, encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from figures import Figures

NETWORKS, NODES, NODES_OF_SMOKE = 3, 220, 10
BOUND = 1e-3
MOST_SECONDS = 3.0
"""What a page may take, on the slowest machine that is thought of."""
MOST_BYTES = 1_000_000


def test_a_page_of_a_run(tmp_path: Path, figures: Figures, *, smoke: bool) -> None:
    """The whole command, its imports included, is done in three seconds of processor time."""
    run, page = tmp_path / "run", tmp_path / "page.html"
    records = list(_records(NODES_OF_SMOKE if smoke else NODES))
    _write(run, records)
    seconds = _processor_seconds("report", str(run), "-o", str(page))
    content = page.read_bytes()
    assert b">DEVIATES</span>" in content
    assert len(content) < MOST_BYTES
    figures.add("a run", {"records": len(records), "kB": len(content) / 1000})
    figures.at_most("a run", "processor seconds", seconds, MOST_SECONDS)


def _processor_seconds(*arguments: str) -> float:
    """Run the command line in a process of its own, which must not fail, and return what it took."""
    command = [sys.executable, "-m", "conformance.cli", *arguments]
    process = subprocess.Popen(command, cwd=locations.PROJECT)  # noqa: S603 - our own interpreter
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def _records(nodes: int) -> Iterator[Record]:
    for network in (f"network {number}" for number in range(NETWORKS)):
        for precision in map(str, PRECISIONS):
            for number in range(nodes):
                share = 3.0 if number % 10 == 0 else 0.1 + 0.8 * math.sin(number) ** 2
                yield _record(network, precision, number, "own", share)
                yield _record(network, precision, number, "chained", 5.0)


def _record(network: str, precision: str, number: int, mode: str, share: float) -> Record:
    node, own = f"generator/InstanceNorm_{number}/moments/mean", mode == "own"
    error = share * BOUND
    return Record(
        case=f"{network}/{node}-{precision}-{mode}",
        network=network,
        node=node,
        op="Mean" if number % 3 else "Conv2D",
        precision=precision,
        mode="own" if own else "chained",
        outcome="measured" if not own else "deviates" if share > 1 else "conforms",
        simulated=True,
        reasons=[f"{node} deviates (largest error {error} > bound {BOUND})"] if own and share > 1 else [],
        metrics=Metrics(error**2, error**2, error, error**2, 0, [0]),
        bounds=ErrorValues(BOUND**2, BOUND**2, BOUND, BOUND**2) if own else None,
        needed=ErrorValues(error**2, error**2, error, error**2) if own else None,
    )


def _write(run: Path, records: list[Record]) -> None:
    run.mkdir()
    (run / RECORDS).write_bytes(b"".join(map(encode_record, records)))
    environment = Environment(
        started=dt.datetime.now(dt.timezone.utc),
        version="0",
        python="3",
        packages={},
        machine=Machine(platform="made up", cpu="none", cores=1),
        commit=None,
        options={},
        device={"kind": "emulator", "model": "MLU270", "simulated": True},
        waivers=[],
    )
    write_json_atomically(run / ENVIRONMENT, environment)
