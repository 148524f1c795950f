"""The environment is gathered anywhere: without git, without /proc, without importing TensorFlow."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import platform
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support.fresh_python import without_tensorflow

from conformance.machine import cpu_model, installed_version, usable_cores
from conformance.runs import environment as module
from conformance.runs.environment import Commit, Environment, gather_environment, git_commit

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)


@dataclasses.dataclass
class Information:
    kind: str
    simulated: bool


def gather(**changes: object) -> Environment:
    plain = {"options": {}, "device": {}, "waivers": [], "now": NOW}
    return gather_environment(**(plain | changes))


@pytest.fixture(autouse=True)
def _no_git_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def checkout(tmp_path):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    (tmp_path / "file").write_text("a")
    for command in (["init", "-q"], ["add", "file"], [*identity, "commit", "-q", "-m", "m"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_it_survives_json():
    gathered = gather(options={"seed": 1, "nodes": ["a"]}, device={"kind": "cpu"}, waivers=["w"])
    assert msgspec.json.decode(msgspec.json.encode(gathered), type=Environment) == gathered


def test_a_moment_without_its_time_zone_is_refused():
    written = msgspec.json.encode(gather()).replace(b"03:04:05Z", b"03:04:05")
    with pytest.raises(msgspec.ValidationError, match=r"timezone component - at `\$.started`"):
        msgspec.json.decode(written, type=Environment)


def test_it_says_what_is_installed():
    gathered = gather()
    assert gathered.python == platform.python_version()
    assert gathered.packages["numpy"] == np.__version__
    assert gathered.packages["pytest"] == pytest.__version__
    assert gathered.packages["tensorflow"] is not None


def test_a_package_that_is_not_installed_has_no_version():
    assert installed_version("no-such-package-at-all") is None
    assert installed_version("no-such-package-at-all", "pytest") == pytest.__version__


def test_tensorflow_is_not_imported():
    without_tensorflow(
        "import datetime; from conformance.runs.environment import gather_environment as g;"
        "g(options={}, device={}, waivers=[], now=datetime.datetime.now());"
        "from conformance.runs import directory"
    )


def test_the_cpu_is_named_as_the_system_names_it(tmp_path):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: Some: CPU @ 1 GHz\nmodel name\t: other\n"
    )
    assert cpu_model(tmp_path / "cpuinfo") == "Some: CPU @ 1 GHz"


@pytest.mark.parametrize("text", [None, "", "Hardware : board\n", "model name :\n"])
def test_a_cpu_that_the_system_does_not_name_still_has_a_name(tmp_path, text):
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert cpu_model(tmp_path / "cpuinfo")


def test_cores_are_those_that_may_be_used(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5}, raising=False)
    assert usable_cores() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_a_clean_checkout_has_its_commit(checkout):
    head = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert git_commit(checkout) == Commit(sha=head, dirty=False)


def test_a_changed_file_makes_it_dirty_and_a_new_one_does_not(checkout):
    (checkout / "new").write_text("b")
    assert git_commit(checkout).dirty is False
    (checkout / "file").write_text("b")
    assert git_commit(checkout).dirty is True
    assert gather(directory=checkout).commit.dirty is True


def test_outside_of_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) is None
    assert git_commit(tmp_path / "none") is None


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_a_working_git_there_is_no_commit(monkeypatch, tmp_path, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module.subprocess, "run", fail)
    assert git_commit(tmp_path) is None


def test_options_that_json_does_not_know_are_written_as_text():
    gathered = gather(
        options={"run_dir": Path("runs/a"), "waivers": True, "profile": None, "precision": 1 + 2j}
    )
    assert gathered.options == {"run_dir": "runs/a", "waivers": True, "profile": None, "precision": "(1+2j)"}


def test_the_device_is_any_thing_with_named_values():
    assert gather(device=Information("cpu", simulated=False)).device == {"kind": "cpu", "simulated": False}
    with pytest.raises(TypeError, match="device is 'cpu'"):
        gather(device="cpu")
