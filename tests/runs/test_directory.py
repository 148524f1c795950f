"""The run directory: one run each, nothing overwritten, every damage named."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from support.records import record
from support.refusals import refused

from conformance.errors import InfrastructureError, UsageError
from conformance.runs.directory import (
    ENVIRONMENT,
    RECORDS,
    RunDirectory,
    default_run_path,
    read_environment,
    read_records,
)
from conformance.runs.environment import gather_environment
from conformance.runs.records import encode_record

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)


def a_run(path: Path, cases: tuple[str, ...] = ("a", "b", "c")) -> Path:
    with closing(RunDirectory.create(path)) as run:
        for case in cases:
            run.add(record(case=case))
    return path


# --- claiming


@pytest.mark.parametrize("prepare", [lambda _: None, lambda path: path.mkdir(parents=True)])
def test_a_new_or_empty_directory_is_claimed(tmp_path, prepare):
    path = tmp_path / "runs" / "one"
    prepare(path)
    assert [item.case for item in read_records(a_run(path))] == ["a", "b", "c"]


def test_a_claimed_directory_without_records_is_a_run_of_none(tmp_path):
    assert read_records(a_run(tmp_path / "run", ())) == []


def test_a_second_run_into_one_directory_is_refused_and_overwrites_nothing(tmp_path):
    before = (a_run(tmp_path / "run") / RECORDS).read_bytes()
    with refused("already holds a run"):
        RunDirectory.create(tmp_path / "run")
    assert (tmp_path / "run" / RECORDS).read_bytes() == before


def test_a_directory_with_anything_in_it_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with refused(r"is not empty \(it holds notes\.txt\)"):
        RunDirectory.create(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "notes.txt"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with refused("is not a directory"):
        RunDirectory.create(tmp_path / "file")
    with refused("cannot be written"):
        RunDirectory.create(tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_a_directory_that_cannot_be_written_is_refused(tmp_path, monkeypatch, call):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(*((Path, "mkdir") if call == "mkdir" else (os, "open")), refuse)
    with refused(r"cannot be written \(Permission denied\)"):
        RunDirectory.create(tmp_path / "run")


def test_of_many_runs_at_once_one_gets_the_directory(tmp_path):
    barrier, outcomes = threading.Barrier(8), []

    def claim() -> None:
        barrier.wait()
        try:
            outcomes.append(RunDirectory.create(tmp_path / "run"))
        except UsageError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if isinstance(outcome, RunDirectory)]
    assert len(winners) == 1
    assert all("already holds a run" in outcome for outcome in outcomes if outcome not in winners)
    winners[0].close()


def test_a_run_that_claims_between_the_look_and_the_claim_wins(tmp_path, monkeypatch):
    (tmp_path / RECORDS).write_bytes(b"theirs")
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([]))
    with refused("already holds a run"):
        RunDirectory.create(tmp_path)
    assert (tmp_path / RECORDS).read_bytes() == b"theirs"


# --- writing


def test_every_record_is_on_disk_as_soon_as_it_is_added(tmp_path):
    with closing(RunDirectory.create(tmp_path / "run")) as run:
        for count, case in enumerate("abc", start=1):
            run.add(record(case=case))
            assert len(read_records(run.path)) == count


def test_a_record_is_one_write(tmp_path, monkeypatch):
    sizes = []
    with closing(RunDirectory.create(tmp_path / "run")) as run:
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, data: sizes.append(len(data)) or write(file, data))
        run.add(record(case="a"))
    assert sizes == [len(encode_record(record(case="a")))]


def test_a_case_that_is_recorded_twice_is_an_error(tmp_path):
    with closing(RunDirectory.create(tmp_path / "run")) as run:
        run.add(record(case="a"))
        with refused("case a was recorded twice", InfrastructureError):
            run.add(record(case="a"))
    assert len(read_records(tmp_path / "run")) == 1


@pytest.mark.parametrize(
    ("write", "message"),
    [(lambda _, __: 3, "took 3 of a record's"), (None, "cannot be written: No space left on device")],
)
def test_a_full_disk_is_an_error(tmp_path, monkeypatch, write, message):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with closing(RunDirectory.create(tmp_path / "run")) as run:
        monkeypatch.setattr(os, "write", write or full)
        with refused(message, InfrastructureError):
            run.add(record(case="a"))


def test_a_closed_run_takes_no_records(tmp_path):
    run = RunDirectory.create(tmp_path / "run")
    run.close()
    run.close()
    with refused("is closed", InfrastructureError):
        run.add(record(case="a"))


INTERRUPTED = """
import sys
from contextlib import closing
from pathlib import Path
from conformance.runs.directory import RunDirectory
from support.records import record
run = RunDirectory.create(Path(sys.argv[1]))
for number in range(10**9):
    run.add(record(case=str(number)))
    if number == 100:
        print("running", flush=True)
"""


def test_an_interrupted_run_leaves_a_readable_file(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        assert process.stdout.readline() == b"running\n"
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
    records = read_records(tmp_path / "run")
    assert [item.case for item in records] == [str(number) for number in range(len(records))]
    assert len(records) > 100


# --- reading


def damage(path: Path, change: object) -> Path:
    file = path / RECORDS
    file.write_bytes(change(file.read_bytes()))
    return path


def test_no_run_is_an_error(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with refused("holds no run"):
            read_records(path)


@pytest.mark.parametrize("cut", [2, 10, 100])
def test_a_truncated_last_line_is_reported_with_its_number(tmp_path, cut):
    path = damage(a_run(tmp_path / "run"), lambda data: data[:-cut])
    with refused(r"records\.jsonl line 3 is truncated"):
        read_records(path)
    sentences: list[str] = []
    assert [item.case for item in read_records(path, on_truncated=sentences.append)] == ["a", "b"]
    assert len(sentences) == 1
    assert "line 3 is truncated" in sentences[0]


def test_a_last_line_that_lacks_only_its_newline_is_whole(tmp_path):
    assert len(read_records(damage(a_run(tmp_path / "run"), lambda data: data[:-1]))) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b'"case":"b"', b'"kase":"b"'),
        lambda data: data.replace(b'"case":"b"', b'"case":"b","more":1'),
        lambda data: data.replace(b'"case":"b",', b""),
        lambda data: data.replace(b'{"case":"b"', b'"case":"b"'),
        lambda data: data.replace(b'{"case":"b"', b'\n{"case":"b"'),
        lambda data: data.replace(b'"case":"b"', b'"case":"\xff"'),
    ],
)
def test_a_malformed_line_is_an_error_with_its_number_and_never_skipped(tmp_path, change):
    path = damage(a_run(tmp_path / "run"), change)
    with refused(r"records\.jsonl line 2 is malformed"):
        read_records(path, on_truncated=lambda _: None)


def test_a_malformed_last_line_with_its_newline_is_not_called_truncated(tmp_path):
    path = damage(a_run(tmp_path / "run"), lambda data: data[:-5] + b"\n")
    with refused("line 3 is malformed"):
        read_records(path, on_truncated=lambda _: None)


def test_a_case_that_occurs_twice_is_an_error_with_both_lines(tmp_path):
    path = damage(a_run(tmp_path / "run"), lambda data: data + encode_record(record(case="b")))
    with refused("line 4 records case b again, after line 2"):
        read_records(path)


# --- environment and names


def test_the_environment_is_written_replaced_and_read_back(tmp_path):
    with closing(RunDirectory.create(tmp_path / "run")) as run:
        for waivers in ([], ["w"]):
            environment = gather_environment(
                options={"seed": 1}, device={"kind": "cpu"}, waivers=waivers, now=NOW
            )
            run.write_environment(environment)
        assert read_environment(run.path) == environment
    assert sorted(path.name for path in run.path.iterdir()) == [ENVIRONMENT, RECORDS]


def test_an_environment_that_cannot_be_written_is_an_error(tmp_path):
    environment = gather_environment(options={}, device={}, waivers=[], now=NOW)
    with closing(RunDirectory.create(tmp_path / "run")) as run:
        (run.path / ENVIRONMENT).mkdir()
        with refused(r"environment\.json cannot be written", InfrastructureError):
            run.write_environment(environment)


@pytest.mark.parametrize("text", [None, "", "{}", '{"started": 1}'])
def test_a_missing_or_malformed_environment_is_an_error(tmp_path, text):
    if text is not None:
        (tmp_path / ENVIRONMENT).write_text(text)
    with pytest.raises(
        UsageError, match=r"environment.*environment\.json|holds no run \(environment\.json is missing"
    ):
        read_environment(tmp_path)


def test_the_default_path_says_when_what_and_where(tmp_path):
    path = default_run_path(tmp_path / "runs", "beautygan", "emulator", NOW)
    assert path == tmp_path / "runs/20300102-030405-beautygan-emulator"
    assert path.is_dir()


def test_the_default_path_has_no_separators_from_names(tmp_path):
    path = default_run_path(tmp_path, "../x", "package.module:factory", NOW)
    assert path == tmp_path / "20300102-030405-..-x-package.module-factory"


def test_runs_of_one_second_have_default_paths_of_their_own_even_at_once(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        paths = [*pool.map(lambda _: default_run_path(tmp_path, "n", "d", NOW), range(40))]
    assert {path.name for path in paths} == {
        "20300102-030405-n-d",
        *(f"20300102-030405-n-d-{number}" for number in range(2, 41)),
    }


def test_a_default_path_that_cannot_be_made_is_told_by_the_claim(tmp_path):
    (tmp_path / "runs").write_text("")
    path = default_run_path(tmp_path / "runs", "n", "d", NOW)
    with pytest.raises(UsageError, match="cannot be written"):
        RunDirectory.create(path)
