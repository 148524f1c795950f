"""A dump on disk: whole or none, in a directory of its own, and read back only as it was written."""

import pytest
from dumps.made_dumps import PLAIN, VALUES, dump, edited
from support.refusals import refused

from conformance.dumps.manifest import FORMATS, read_manifest
from conformance.dumps.writing import DumpWriter
from conformance.errors import InfrastructureError
from conformance.files import sha256


@pytest.mark.parametrize(("form", "suffix"), [("npy", ".npy"), ("text", ".txt"), ("text5", ".txt")])
def test_the_manifest_says_what_is_there(tmp_path, form, suffix):
    made = dump(tmp_path / "dump", form=form)
    assert read_manifest(tmp_path / "dump") == made
    (file,) = made.files
    assert (file.node, file.sample, file.shape, file.format) == ("a/b", 0, [1, 2, 3], form)
    assert file.resolution == FORMATS[form].resolution
    assert file.file == f"ab0cpu{suffix}"
    assert file.sha256 == sha256((tmp_path / "dump" / file.file).read_bytes())
    assert sorted(path.name for path in (tmp_path / "dump").iterdir()) == sorted([file.file, "dump.json"])


def test_an_empty_directory_will_do_and_parents_are_made(tmp_path):
    (tmp_path / "there").mkdir()
    dump(tmp_path / "there")
    dump(tmp_path / "new/deep")
    assert read_manifest(tmp_path / "new/deep").files


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        ("dump.json", "already holds a dump; name a new or empty one, nothing was overwritten"),
        ("notes.txt", r"is not empty \(it holds notes.txt\); name a new or empty one"),
    ],
)
def test_a_directory_with_something_in_it_is_left_alone(tmp_path, present, sentence):
    (tmp_path / present).write_text("mine")
    with refused(sentence):
        dump(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [present]
    assert (tmp_path / present).read_text() == "mine"


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("mine")
    with refused("file is not a directory; name a new or empty one"):
        dump(tmp_path / "file")
    with refused(r"dump directory .*/file/below cannot be written \(Not a directory\)"):
        dump(tmp_path / "file/below")


def interrupted(directory, nodes, failing):
    """Dump these nodes, but do ``failing`` before the last of them."""
    with DumpWriter(directory, FORMATS["text"]) as writer:
        writer.expect([(node, 0) for node in nodes], "cpu")
        for node in nodes[:-1]:
            writer.add(node, 0, VALUES)
        failing(writer)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("new", [True, False])
def test_nothing_stays_of_a_dump_that_was_interrupted(tmp_path, error, new):
    def fail(_):
        raise error

    directory = tmp_path / "dump"
    if not new:
        directory.mkdir()
    with pytest.raises(error):
        interrupted(directory, ("a", "b"), fail)
    assert directory.exists() is not new
    assert list(tmp_path.rglob("*")) == ([] if new else [directory])


def test_a_file_of_somebody_else_is_neither_overwritten_nor_deleted(tmp_path):
    def come_between(writer):
        (writer.directory / "b0cpu.txt").write_text("theirs")
        writer.add("b", 0, VALUES)

    with refused(r"b0cpu.txt appeared while dumping"):
        interrupted(tmp_path / "dump", ("a", "b"), come_between)
    assert [path.name for path in (tmp_path / "dump").iterdir()] == ["b0cpu.txt"]
    assert (tmp_path / "dump/b0cpu.txt").read_text() == "theirs"


def test_a_tensor_that_cannot_be_written(tmp_path):
    with refused("cannot be written: File name too long", InfrastructureError):
        dump(tmp_path / "dump", nodes=("n" * 300,))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [(("a", "b"), "b was not dumped to"), (("a",), "a was not dumped"), ((), "nothing was")],
)
def test_a_dump_that_lacks_a_tensor_is_not_finished(tmp_path, nodes, sentence):
    with refused(sentence, InfrastructureError):
        interrupted(tmp_path / "dump", nodes, lambda writer: writer.finish(PLAIN))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content.update(files=[]), "lists no files, so there is nothing to compare"),
        (lambda content: content["files"].append(content["files"][0]), "lists node 'a/b', sample 0, 2 times"),
        (lambda content: content.pop("network"), "dump.json is malformed: Object missing required field"),
        (lambda content: content.update(colour=1), "dump.json is malformed: Object contains unknown field"),
        (lambda content: content["files"][0].update(file="../x"), "should be a name without a directory"),
        (lambda content: content["files"][0].update(format="png"), "dump.json is malformed: Invalid enum"),
    ],
)
def test_a_manifest_that_is_wrong(tmp_path, change, sentence):
    dump(tmp_path / "dump")
    edited(tmp_path / "dump", change)
    with refused(sentence):
        read_manifest(tmp_path / "dump")


def test_a_directory_without_a_manifest_is_no_dump(tmp_path):
    dump(tmp_path / "dump")
    (tmp_path / "dump/dump.json").unlink()
    with refused(r"is no dump, as dump.json is missing: dump again if that was"):
        read_manifest(tmp_path / "dump")
