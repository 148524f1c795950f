"""The index: read once, read again where something changed, and never believed when in doubt."""

import os
import shutil
import sqlite3

import pytest
from support.histories import write_history, write_run

from conformance.history import run_index
from conformance.history.index_file import FORMAT
from conformance.history.run_index import INDEX
from conformance.history.tracking import read_runs


@pytest.fixture
def root(tmp_path):
    write_history(tmp_path / "runs", [0.01, 0.011, 0.012])
    return tmp_path / "runs"


@pytest.fixture
def reads(monkeypatch):
    """Count which runs are read from their files."""
    names, original = [], run_index.read_figures

    def count(path):
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(run_index, "read_figures", count)
    return names


def read(*roots, keep=True, said=None):
    notes = []
    found = read_runs(list(roots), keep=keep, progress=lambda *_: None, note=notes.append)
    assert [said in note for note in notes] == [True] * (said is not None)
    return found


def seconds(runs):
    return [value for run in runs for key, value in run.values if key.figure == "seconds"]


def test_runs_are_read_once(root, reads):
    first = read(root)
    assert reads == ["00000", "00001", "00002"]
    assert seconds(first[0]) == [0.01, 0.011, 0.012]
    assert read(root) == first
    assert len(reads) == 3


def test_a_new_run_alone_is_read(root, reads):
    read(root)
    write_run(root / "00003", 3, 0.013)
    assert seconds(read(root)[0]) == [0.01, 0.011, 0.012, 0.013]
    assert reads == ["00000", "00001", "00002", "00003"]


def test_a_changed_run_is_read_again_and_a_deleted_one_forgotten(root, reads):
    read(root)
    shutil.rmtree(root / "00001")
    write_run(root / "00001", 1, 0.02)
    shutil.rmtree(root / "00000")
    assert seconds(read(root)[0]) == [0.02, 0.012]
    assert reads[3:] == ["00001"]


def test_a_history_that_moves_keeps_its_index(root, reads, tmp_path):
    read(root)
    root.rename(tmp_path / "moved")
    runs, _ = read(tmp_path / "moved")
    assert [run.path for run in runs] == [str(tmp_path / "moved" / f"0000{number}") for number in range(3)]
    assert len(reads) == 3


def damage(file):
    file.write_bytes(file.read_bytes()[:4096] + os.urandom(8192))


def empty(file):
    file.write_bytes(b"")


def foreign(file):
    file.write_text("notes, not a database, and long enough to be looked at as one" * 10)


def of_another_version(file):
    with sqlite3.connect(file) as connection:
        connection.execute(f"pragma user_version = {FORMAT + 1}")


@pytest.mark.parametrize("spoil", [damage, empty, foreign, of_another_version, os.remove])
def test_an_index_that_cannot_be_believed_is_made_again(root, reads, spoil):
    first = read(root)
    spoil(root / INDEX)
    assert read(root) == first
    assert len(reads) == 6
    assert read(root) == first
    assert len(reads) == 6


def test_an_index_in_use_costs_time_alone(root, reads, monkeypatch):
    first = read(root)
    monkeypatch.setattr("conformance.history.index_file.WAIT", 0)
    with sqlite3.connect(root / INDEX) as connection:
        connection.execute("begin immediate")
        assert read(root, said="is locked), so every run is read") == first
    assert len(reads) == 6


def test_an_index_that_cannot_be_written_costs_time_alone(root, reads):
    (root / INDEX).mkdir()
    assert len(read(root, said="cannot be used")[0]) == 3
    assert len(reads) == 3


def test_an_index_that_fails_midway_is_done_without(root, monkeypatch):
    """As on a disk that is full; what had been written of the index is not kept."""
    original = run_index.RunIndex.update

    def fail(self, paths, progress):
        original(self, paths, progress)
        if next(self._connection.execute("pragma database_list"))[2]:
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(run_index.RunIndex, "update", fail)
    assert len(read(root, said="failed (database or disk is full), so every run is read")[0]) == 3
    monkeypatch.undo()
    assert len(read(root)[0]) == 3


def test_no_index_is_written_if_the_user_says_so_or_names_a_run(root):
    read(root, keep=False)
    read(root / "00000")
    assert not list(root.rglob(INDEX))


def test_runs_of_several_directories_are_one_history(root, tmp_path):
    write_history(tmp_path / "more", [0.02] * 5)
    shutil.rmtree(tmp_path / "more/00000")
    shutil.rmtree(tmp_path / "more/00001")
    shutil.rmtree(tmp_path / "more/00002")
    runs, broken = read(tmp_path / "more", root)
    assert (seconds(runs), broken) == ([0.01, 0.011, 0.012, 0.02, 0.02], [])
    assert len({id(run.environment) for run in runs}) == 1


def test_a_run_counts_once_however_often_it_is_there(root):
    shutil.copytree(root / "00001", root / "copy")
    runs, ((path, reason),) = read(root, root / "00000", root)
    assert seconds(runs) == [0.01, 0.011, 0.012]
    assert path == str(root / "copy")
    assert reason.startswith(f"run {root / 'copy'} is {root / '00001'} again: ")
