"""The run directory: what is in it, when it is refused, and what an interrupted run leaves."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from support.suite_run import ROOT, run_suite

from conformance.runs.directory import read_environment, read_records


def test_it_says_what_ran_on_what_with_which_options(network, tmp_path):
    result = run_suite(
        tmp_path / "run", "--nodes=joined", "--profile=mlu270,tanh=table-256", network=network, markers="mlu"
    )
    environment = read_environment(result.directory)
    assert environment.device["kind"] == "emulator"
    assert environment.device["profile"] == "mlu270,tanh=table-256"
    assert environment.device["simulated"] is True
    assert environment.options["nodes"] == "joined"
    assert environment.options["network_path"] == [str(network.directory)]
    assert environment.options["run_dir"] == str(result.directory)
    assert environment.options["no_waivers"] is False
    assert {"margins", "waivers", "bounds of small", "int8 scales of small"} <= set(environment.held_to)
    assert (environment.ended.cut_short, environment.ended.records) == ("", len(result.records))
    assert set(environment.ended.sha256) == {"records.jsonl", "benchmark.json"}
    assert environment.packages["tensorflow"]
    assert environment.packages["numpy"] == np.__version__
    assert sorted(path.name for path in result.directory.iterdir()) == [
        "benchmark.json",
        "environment.json",
        "outputs",
        "pictures",
        "records.jsonl",
    ]


def _file(path):
    path.write_text("mine")


def _full(path):
    path.mkdir()
    (path / "mine").write_text("mine")


@pytest.mark.parametrize(
    ("prepare", "sentence"), [(_full, "is not empty (it holds mine)"), (_file, "is not a directory")]
)
def test_a_directory_that_is_taken_is_refused_and_kept(network, tmp_path, prepare, sentence):
    taken = tmp_path / "taken"
    prepare(taken)
    result = run_suite(taken, "--profile=ideal", network=network)
    assert (result.code, result.outcomes) == (4, {})
    assert f"run directory {taken} {sentence}" in result.text
    kept = taken / "mine" if taken.is_dir() else taken
    assert kept.read_text() == "mine"
    assert not taken.is_dir() or list(taken.iterdir()) == [kept]


def test_a_directory_below_a_file_cannot_be_written(network, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = run_suite(tmp_path / "file/run", "--profile=ideal", network=network)
    assert result.code == 4
    assert f"run directory {tmp_path / 'file/run'} cannot be written" in result.text


@pytest.mark.parametrize("asked", ["tests/test_errors.py", "conformance/suite"])
def test_workers_without_a_run_leave_no_directory(tmp_path, asked):
    """Other tests, or a start that is refused: a run directory is named before that is known."""
    line = [sys.executable, "-m", "pytest", f"--config-file={ROOT / 'pytest.ini'}", f"{ROOT / asked}"]
    options = ["-mmlu", "--nodes=nonsense"] if asked == "conformance/suite" else []
    ended = subprocess.run(
        [*line, *options, "-n1", "-q", "-pno:cacheprovider"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == (4 if options else 0), ended.stdout + ended.stderr
    assert not [*(tmp_path / "runs").glob("*")]


def test_two_runs_do_not_share_a_directory(network, tmp_path):
    first = run_suite(tmp_path / "run", "--profile=ideal", network=network)
    before = (first.directory / "records.jsonl").read_bytes()
    second = run_suite(tmp_path / "run", "--profile=ideal", network=network)
    assert (first.code, second.code) == (0, 4)
    assert "already holds a run; name a new or empty one, nothing was overwritten" in second.text
    assert (first.directory / "records.jsonl").read_bytes() == before


def test_a_refused_run_can_be_repeated_in_the_same_directory(network, tmp_path):
    copy = network.copied(tmp_path)
    shutil.rmtree(copy.goldens)
    assert run_suite(tmp_path / "run", "--profile=ideal", network=copy).code == 3
    shutil.copytree(network.goldens, copy.goldens)
    assert run_suite(tmp_path / "run", "--profile=ideal", network=copy).code == 0


def test_without_a_name_it_is_named_after_time_network_and_device(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [f"--config-file={ROOT / 'pytest.ini'}", str(ROOT / "conformance/suite"), "-m", "mlu and own"]
    options = [f"--network-path={network.directory}", f"--golden-dir={network.goldens}", "--nodes=joined"]
    assert pytest.main([*arguments, *options, "--profile=ideal", "-pno:cacheprovider"]) == 0
    (directory,) = (tmp_path / "runs").iterdir()
    assert directory.name.endswith("-small-emulator")
    assert len(read_records(directory)) == 4


def test_two_runs_of_one_device_record_the_same_but_for_times(network, tmp_path):
    runs = [run_suite(tmp_path / name, network=network).records for name in "ab"]
    first, second = ([(record.case, record.outcome, record.sha256) for record in run] for run in runs)
    assert first == second


SLOW = """
import time
from suite.faulty_devices import FaultyDevice

def slow(results):
    print("running", flush=True)
    time.sleep(0.3)
    return results

def factory():
    return FaultyDevice(slow)
"""


@pytest.fixture
def interrupted(request, network, tmp_path):
    """Start the suite in another process and interrupt it in the middle of the third device run.

    Its parameter says which tests are run.
    """
    (tmp_path / "slow_device.py").write_text(SLOW)
    shutil.rmtree((copy := network.copied(tmp_path)).goldens / "small/tensors")
    command = [
        sys.executable,
        "-m",
        "pytest",
        f"-c{ROOT / 'pytest.ini'}",
        "--capture=no",
        "-pno:cacheprovider",
    ]
    options = [
        f"--network-path={copy.directory}",
        f"--golden-dir={copy.goldens}",
        f"--run-dir={tmp_path / 'run'}",
    ]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT / 'tests'}"}
    with subprocess.Popen(
        [
            *command,
            str(ROOT / "conformance/suite"),
            f"-m{request.param}",
            *options,
            "--device=slow_device:factory",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=ROOT,
    ) as process:
        for _ in range(3):
            while "running" not in process.stdout.readline():
                assert process.poll() is None, "the suite ended before it was interrupted"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
    return copy, tmp_path / "run", process.returncode, text


@pytest.mark.parametrize("interrupted", ["mlu"], indirect=True)
def test_ctrl_c_leaves_valid_goldens_and_a_readable_run(interrupted, tmp_path):
    network, directory, code, text = interrupted
    assert code == 2
    assert "KeyboardInterrupt" in text
    assert "conformance" in text
    records = read_records(directory)
    assert records
    assert {record.precision for record in records} == {"int8-fp16"}
    assert not (directory / "pictures").exists()
    assert "it has no pictures" not in text, "nothing was judged that can be drawn"
    assert read_environment(directory).device["kind"] == "faulty"
    assert run_suite(tmp_path / "again", "--profile=ideal", network=network).code == 0
    assert not list(network.goldens.rglob("*.part"))


@pytest.mark.parametrize("interrupted", ["mlu and fused and not benchmark"], indirect=True)
def test_pictures_of_a_run_that_was_cut_off_can_be_drawn_as_it_says(interrupted, said):
    _, directory, code, text = interrupted
    assert (code, (directory / "pictures").exists()) == (2, False), text
    show = f"mlu-conformance show --from-run {directory}"
    assert f"the run was cut off, so it has no pictures; `{show}` draws them" in text
    assert said(*show.split()[1:])[0] == 0
    assert (directory / "pictures/small.png").is_file()


def test_records_are_whole_lines_of_json(network, tmp_path):
    result = run_suite(tmp_path / "run", "--profile=ideal", network=network)
    lines = (result.directory / "records.jsonl").read_text().splitlines()
    assert len(lines) == len(result.outcomes)
    assert all(json.loads(line)["simulated"] is True for line in lines)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        (b"run-\xff", {}),
        ("run-größe".encode(), {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
    ],
)
def test_a_name_that_is_no_text_is_one_sentence(network, tmp_path, name, variables):
    command = [*(sys.executable, "-m", "pytest", "conformance/suite", "-m", "mlu and own", "--device=cpu")]
    command += [
        f"--network-path={network.directory}",
        f"--golden-dir={network.goldens}",
        "-pno:cacheprovider",
    ]
    given = [*command, b"--run-dir=" + os.fsencode(tmp_path) + b"/" + name]
    done = subprocess.run(given, cwd=ROOT, capture_output=True, env=os.environ | variables, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 4, text
    assert re.search(r"^ERROR: --run-dir .*run-\S+ is not UTF-8, or the locale", text, re.MULTILINE)
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_never_began_leaves_nothing(network, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device", "environment.json")

    monkeypatch.setattr("conformance.runs.journal.gather_environment", fail)
    result = run_suite(tmp_path / "run", "--device=cpu", network=network)
    assert (result.code, result.outcomes) == (3, {})
    assert list(tmp_path.iterdir()) == []
