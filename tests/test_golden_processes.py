"""Goldens made by processes that meet, or that are interrupted in the middle of a file."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.small_goldens import ensure, make, opened, tensors

TESTS = Path(__file__).resolve().parent
CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs inherit that it is ignored
sys.path.insert(0, {tests!r})
from pathlib import Path
import numpy as np
from support.small_goldens import opened
from conformance import locations

if {installed}:
    locations.GOLDENS, locations.INSTALLED = Path({root!r}, "goldens"), True
store, made = opened(Path({root!r})), []
store.progress = lambda done, total, what: made.append(done if what == "making goldens of small" else 0)
names = [node.name for node in store.manifest.key]
store.network.graph
written, save = [], np.save

def save_slowly(file, value, **options):
    written.append(value)
    if {stuck} and len(written) == {stuck}:
        file.write(b"half of it")
        file.flush()
        print("half", flush=True)
        time.sleep(60)
    save(file, value, **options)

np.save = save_slowly
print("ready", flush=True)
sys.stdin.readline()
store.ensure(names)
print(len(written), max(made), flush=True)
"""


@pytest.fixture
def root(tmp_path):
    """The network with its manifest and no tensor made yet."""
    copy = make(tmp_path / "copy")
    shutil.rmtree(tensors(copy))
    return copy


def child(root, stuck=0, *, installed=False):
    """Start a process that waits for a line and then makes the goldens, stuck in the middle of a file.

    With ``installed`` the network's goldens are those of an installation.
    """
    code = CHILD.format(tests=str(TESTS), root=str(root), stuck=stuck, installed=installed)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def started(process):
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()


def together(*processes):
    """Let processes go on at the same time; return what they print, in alphabetic order."""
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(processes)
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return sorted(printed)


def test_two_processes_at_once_make_each_tensor_once(root):
    expected = 2 * len(opened(root).manifest.key)
    assert together(child(root), child(root)) == ["0 0\n", f"{expected} {expected}\n"]
    assert not ensure(root).notes
    assert len(list(tensors(root).iterdir())) == expected


def test_two_processes_of_an_installation_make_each_tensor_once_in_the_cache(root, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = sorted(root.rglob("*"))
    expected = 2 * len(opened(root).manifest.key)
    printed = together(child(root, installed=True), child(root, installed=True))
    assert printed == ["0 0\n", f"{expected} {expected}\n"]
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == expected
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_process_leaves_nothing_half_written_that_is_accepted(root, how):
    process = child(root, stuck=4)
    started(process)
    assert process.stdout.readline() == "half\n"
    process.send_signal(how)
    process.communicate(timeout=120)
    assert process.returncode != 0
    left = [path.name for path in tensors(root).iterdir()]
    assert len([name for name in left if name.endswith(".npy")]) == 3
    assert len([name for name in left if name.endswith(".part")]) == (1 if how == signal.SIGKILL else 0)
    store = ensure(root)
    assert not store.notes
    assert len(list(tensors(root).iterdir())) == 2 * len(store.manifest.key)


def test_the_lock_of_a_living_process_is_waited_for(root):
    process = child(root, stuck=2)
    started(process)
    assert process.stdout.readline() == "half\n"
    second = child(root)
    started(second)
    time.sleep(3)  # long enough to make all of them
    assert second.poll() is None
    assert len(list(tensors(root).glob("*.npy"))) == 1
    process.kill()
    process.communicate()
    expected = 2 * len(opened(root).manifest.key)
    printed = second.communicate(timeout=120)[0]
    assert printed.split()[0] == str(expected)
    ensure(root)


def test_who_waits_for_another_process_says_so(root):
    stuck = child(root, stuck=2)
    started(stuck)
    assert stuck.stdout.readline() == "half\n"
    store, said = opened(root), []

    def progress(done, _, what):
        if what.startswith("waiting") and not done:
            stuck.kill()
        said.append(what)

    store.progress = progress
    store.ensure([node.name for node in store.manifest.key])
    stuck.communicate(timeout=120)
    assert f"waiting for another process that makes goldens in {store.directory}" in said
