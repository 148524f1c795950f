"""Directories are claimed only when empty; tables have one entry per line, and are read back as they were."""

import fcntl
import json
import os
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.errors import UsageError
from conformance.files import (
    claim_directory,
    read_json,
    write_all,
    write_atomically,
    write_json_table_atomically,
    write_text_atomically,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=VALUES)
def test_it_is_read_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("files") / "table.json"
    write_json_table_atomically(path, value)
    text = path.read_text("utf-8")
    assert json.loads(text) == value
    assert read_json(path, object, "table") == value
    assert text.endswith("\n")


def test_every_entry_of_a_table_has_its_line(tmp_path):
    path = tmp_path / "table.json"
    value = {
        "name": "n",
        "nodes": [{"a": 1, "b": [1, 2]}, {"a": 2, "b": []}],
        "scales": {"x": {"y": 0.5}},
        "none": [],
    }
    write_json_table_atomically(path, value)
    assert path.read_text("utf-8").splitlines() == [
        "{",
        '"name":"n",',
        '"nodes":[',
        '{"a":1,"b":[1,2]},',
        '{"a":2,"b":[]}',
        "],",
        '"scales":{',
        '"x":{"y":0.5}',
        "},",
        '"none":[]',
        "}",
    ]


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json_table_atomically(tmp_path / "table.json", {"a": object()})
    assert not list(tmp_path.iterdir())


def failing(file):
    file.write(b"half")
    raise ValueError("half way")


def test_several_files_are_written_in_order(tmp_path):
    paths = [tmp_path / name for name in ("new/deep/b", "a", "new/c")]
    seen = []

    def write(file):
        seen.append([path.exists() for path in paths])
        file.write(b"content")

    write_all(dict.fromkeys(paths, write))
    assert seen == [[False] * 3, [True, False, False], [True, True, False]]
    assert [path.read_bytes() for path in paths] == [b"content"] * 3


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_several_files_of_which_one_fails_leave_what_was_there(tmp_path, failed):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/old").write_bytes(b"older")
    names = ["new/deep/b", "kept/c", "new/c"]
    contents = {tmp_path / name: failing if names.index(name) == failed else lambda _: None for name in names}
    with pytest.raises(ValueError, match="half way"):
        write_all(contents | {tmp_path / "kept/old": failing})
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "kept", tmp_path / "kept/old"]
    assert (tmp_path / "kept/old").read_bytes() == b"older"


@pytest.mark.parametrize("present", [True, False])
def test_a_new_or_empty_directory_is_claimed(tmp_path, present):
    path = tmp_path / "deep/one"
    if present:
        path.mkdir(parents=True)
    claim_directory(path, "result", ["mark.json"])
    assert list(path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("mark.json", "already holds a result"), ("notes.txt", "is not empty (it holds notes.txt)")],
)
def test_a_directory_with_anything_in_it_is_refused_and_kept(tmp_path, name, sentence):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError) as error:
        claim_directory(tmp_path, "result", ["mark.json"])
    assert str(error.value) == (
        f"result directory {tmp_path} {sentence}; name a new or empty one, nothing was overwritten"
    )
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_in_the_way_is_refused_and_kept(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"result directory .*file is not a directory; name a new or empty"):
        claim_directory(tmp_path / "file", "result")
    with pytest.raises(UsageError, match=r"file/below cannot be written \(Not a directory\); name another"):
        claim_directory(tmp_path / "file/below", "result")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_a_file_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_text_atomically(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode


def test_what_a_killed_process_left_half_written_goes_with_the_next_write(tmp_path):
    path, other = tmp_path / "table.json", tmp_path / ".other.json.part"
    for left in (tmp_path / ".table.json.part", other):
        left.write_text("half of it")
    write_text_atomically(path, "whole")
    assert {found.name for found in tmp_path.iterdir()} == {path.name, other.name}
    assert path.read_text() == "whole"


def test_a_write_deletes_what_a_process_left_that_was_still_dying_when_it_began(tmp_path):
    path, left = tmp_path / "table.json", tmp_path / ".table.json.part"
    with left.open("w") as dying:
        fcntl.flock(dying, fcntl.LOCK_EX)

        def meanwhile(file):
            file.write(b"whole")
            dying.close()

        write_atomically(path, meanwhile)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_write_leaves_alone_what_another_one_has_half_written(tmp_path):
    path = tmp_path / "table.json"

    def slowly(file):
        file.write(b"slow")
        write_text_atomically(path, "quick")
        assert path.read_text() == "quick"

    write_atomically(path, slowly)
    assert path.read_text() == "slow"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_writers_of_one_file_do_not_get_into_each_others_way(tmp_path):
    path, errors = tmp_path / "table.json", []

    def write(word):
        try:
            for _ in range(40):
                write_text_atomically(path, word * 5000)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(word,)) for word in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(set(path.read_text())) == 1
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
