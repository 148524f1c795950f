"""A history of ten thousand runs: read in a minute of processor time at most, and again in two seconds."""

import datetime as dt
import hashlib
import time

import msgspec
import numpy as np
import pytest
from support.histories import DEVICE, START, environment, records, times_file

from conformance.history.tracking import history_of, read_runs
from conformance.precision import PRECISIONS
from conformance.runs.environment import EndOfRun
from conformance.runs.records import encode_record

RUNS, CARDS, CASES = 10_000, 4, 5
FIRST, LATER = 60.0, 2.0
"""Seconds of processor time, which other processes do not lengthen."""


@pytest.fixture
def root(tmp_path):
    """Runs of four cards at four precisions with a new driver now and then; the last ones are slower."""
    random, names = np.random.default_rng(1), list(map(str, PRECISIONS))
    judged = [item for name in names for item in records(precision=name)]
    lines = b"".join(
        encode_record(msgspec.structs.replace(item, case=f"{item.case} {number}"))
        for item in judged
        for number in range(CASES)
    )
    for number, logarithms in enumerate(random.normal(0, 0.01, (RUNS, len(names)))):
        seconds = 0.01 * np.exp(logarithms) * (1.05 if number >= RUNS - 10 * CARDS else 1.0)
        timed = [times_file(value, name)["benchmarks"][0] for name, value in zip(names, seconds, strict=True)]
        write(tmp_path / f"{number:05}", number, lines, msgspec.json.encode({"benchmarks": timed}))
    return tmp_path


def write(path, number, lines, times):
    path.mkdir()
    content = {"records.jsonl": lines, "benchmark.json": times}
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in content.items()}
    about = environment(
        START + dt.timedelta(hours=number),
        device=DEVICE | {"serial": str(number % CARDS), "driver": f"4.{number // 500}"},
        ended=EndOfRun(cut_short="", records=lines.count(b"\n"), sha256=digests),
    )
    for name, text in (content | {"environment.json": msgspec.json.encode(about)}).items():
        (path / name).write_bytes(text)


def measured(root):
    begun = time.process_time()
    runs, broken = read_runs([root], keep=True, progress=lambda *_: None, note=lambda _: None)
    history = history_of([root], runs, broken, 0.03)
    return history, time.process_time() - begun


def test_they_stay_usable(root):
    first, spent_first = measured(root)
    later, spent_later = measured(root)
    assert later == first
    assert (len(first.runs), first.broken) == (RUNS, [])
    slower = [series for series in first.series if any(step.judged == "worse" for step in series.steps)]
    assert {(series.figure, series.precision) for series in slower} == {
        ("seconds", str(name)) for name in PRECISIONS
    }
    assert len(slower) == CARDS * len(PRECISIONS)
    assert (spent_first < FIRST, spent_later < LATER) == (True, True), (spent_first, spent_later)
