"""Whatever the user gives for a checkpoint finds it, or says in one sentence why not."""

import shutil
from pathlib import Path

import pytest
from support.refusals import refused
from support.saved_checkpoints import save, variable

from conformance.freezing.finding import find_checkpoint, is_saved_model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    save(directory, lambda _: variable("w", (2,)), names=("model.ckpt-100", "model.ckpt-200"))
    return directory


@pytest.fixture
def directory(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "copy")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "checkpoint",
        "model.ckpt-200",
        "model.ckpt-200.index",
        "model.ckpt-200.meta",
        "model.ckpt-200.data-00000-of-00001",
    ],
)
def test_what_finds_the_newest(directory, given):
    assert find_checkpoint(directory / given) == directory / "model.ckpt-200"


def test_an_older_one_by_its_prefix(directory):
    assert find_checkpoint(directory / "model.ckpt-100") == directory / "model.ckpt-100"


@pytest.mark.parametrize("named", ["/elsewhere/training/model.ckpt-100", "model.ckpt-100"])
def test_a_directory_that_was_moved(directory, named):
    (directory / "checkpoint").write_text(f'model_checkpoint_path: "{named}"\n')
    assert find_checkpoint(directory) == directory / "model.ckpt-100"


def test_a_checkpoint_file_that_names_one_in_another_directory(directory, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/checkpoint").write_text('model_checkpoint_path: "../copy/model.ckpt-100"\n')
    found = find_checkpoint(tmp_path / "state")
    assert found.resolve() == (directory / "model.ckpt-100").resolve()


def test_names_are_written_with_escapes(directory):
    for path in directory.glob("model.ckpt-100*"):
        path.rename(directory / path.name.replace("model.ckpt-100", "größe"))
    (directory / "checkpoint").write_text('model_checkpoint_path: "gr\\303\\266\\303\\237e"\n')
    assert find_checkpoint(directory) == directory / "größe"


def test_the_only_one_needs_no_checkpoint_file(directory):
    (directory / "checkpoint").unlink()
    for path in directory.glob("model.ckpt-100*"):
        path.unlink()
    assert find_checkpoint(directory) == directory / "model.ckpt-200"


def test_a_saved_model_has_its_checkpoint_inside(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert is_saved_model(tmp_path)
    assert find_checkpoint(tmp_path) == tmp_path / "variables/variables"


def test_an_absolute_path_elsewhere_is_not_followed(directory, trained):
    (directory / "checkpoint").write_text(f'model_checkpoint_path: "{trained}/model.ckpt-100"\n')
    (directory / "model.ckpt-100.index").unlink()
    with refused(rf"names '{trained}/model.ckpt-100', but {directory}\S+ is missing"):
        find_checkpoint(directory)


def spoilt(directory, change):
    """Return what is given after a change to the directory."""
    return change(directory) or directory


def several(directory):
    (directory / "checkpoint").unlink()


def stale(directory):
    (directory / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-300"\n')


def nameless(directory):
    (directory / "checkpoint").write_text("nothing\n")


def without_index(directory):
    (directory / "model.ckpt-200.index").unlink()
    return directory / "model.ckpt-200"


def only_data(directory):
    for path in directory.iterdir():
        if not path.name.startswith("model.ckpt-200.data"):
            path.unlink()


def empty(directory):
    for path in directory.iterdir():
        path.unlink()


def pictures(directory):
    empty(directory)
    for number in range(5):
        (directory / f"{number}.png").write_bytes(b"")


def keras_inside(directory):
    empty(directory)
    (directory / "weights.h5").write_bytes(b"")


def keras_file(directory):
    (directory / "model.keras").write_bytes(b"")
    return directory / "model.keras"


def one_file(directory):
    (directory / "old.ckpt").write_bytes(b"a checkpoint of version 1 was one file")
    return directory / "old.ckpt"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (several, r"holds 2 checkpoints and no file `checkpoint` .* give one of \S+-100, \S+-200"),
        (stale, r"names 'model.ckpt-300', but .*-300.index is missing \(near names: model.ckpt-"),
        (nameless, r"checkpoint does not name a checkpoint; give a prefix"),
        (without_index, r"lacks model.ckpt-200.index; copy it beside the data file"),
        (only_data, r"model.ckpt-200.data-00000-of-00001, but not model.ckpt-200.index; copy that, too"),
        (empty, r"copy is empty; give a directory with"),
        (pictures, r"holds 0.png, 1.png, 2.png, …, but no checkpoint; give a directory with"),
        (keras_inside, r"Keras file .*weights.h5 is no checkpoint; .* write a SavedModel"),
        (keras_file, r"Keras file .*model.keras is no checkpoint; .* write a SavedModel"),
        (one_file, r"old.ckpt is one file, .* give the prefix of .index and .data files"),
        (lambda d: d / "model.ckpt-201", r"there is no checkpoint .*-201: .* \(near names: model.ckpt-2"),
        (
            lambda d: d / "no/such/model",
            r"there is no checkpoint .*no/such/model: \S+model.index is missing$",
        ),
    ],
)
def test_what_is_no_checkpoint(directory, change, said):
    with refused(said):
        find_checkpoint(spoilt(directory, change))


def test_a_relative_path(directory, monkeypatch):
    monkeypatch.chdir(directory)
    assert find_checkpoint(Path()) == Path("model.ckpt-200")
    assert find_checkpoint(Path("model.ckpt-100")) == Path("model.ckpt-100")
    assert find_checkpoint(Path("checkpoint")) == Path("model.ckpt-200")
