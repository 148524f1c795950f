"""A download of the published checkpoint is recognised, by every byte; damage names the variable."""

import itertools
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support.damage import flip
from support.saved_checkpoints import published_of, save, save_values, variable

from conformance import locations
from conformance.errors import UsageError
from conformance.freezing.checkpoint import Checkpoint
from conformance.freezing.freeze import Request, freeze
from conformance.freezing.published import read_published, recognised, recognised_networks

NAMES = ("g/kernel", "g/gamma", "g/beta")


def build(tf):
    x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
    kernel, gamma, beta = (
        variable(name, shape) for name, shape in zip(NAMES, ((4, 4), (4,), (4,)), strict=True)
    )
    variable("d/kernel", (4,))
    tf.add(tf.linalg.matmul(x, kernel) * gamma, beta, name="g/out")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("saved"), build)


@pytest.fixture(scope="module")
def published(saved):
    """What would have been published of the checkpoint, whose file also has variables of training."""
    return published_of(saved.prefix, NAMES)


@pytest.fixture
def copy(saved, tmp_path):
    for path in (saved.index, saved.data, saved.meta):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / saved.prefix.name


def test_the_published_one_is_recognised(copy, published):
    found = recognised(Checkpoint(copy), published)
    assert found.is_published
    assert str(found) == "all 3 variables have the published names, shapes and CRC-32C"


def test_one_that_was_saved_again_elsewhere_in_its_file_is_the_same(saved, published, tmp_path):
    values = {"a/first": np.ones(9, np.float32), **{name: saved.values[name] for name in NAMES}}
    save_values(tmp_path / "again", values)
    again = Checkpoint(tmp_path / "again")
    assert again.variables["g/beta"].offset != published.checkpoint["g/beta"].offset
    assert recognised(again, published).is_published


@pytest.mark.parametrize("name", NAMES)
def test_a_byte_that_differs_names_its_variable(copy, published, name):
    entry = Checkpoint(copy).variables[name]
    flip(Path(f"{copy}.data-00000-of-00001"), entry.offset + entry.size // 2)
    with pytest.raises(UsageError, match=f"variable '{name}' of checkpoint .* is damaged"):
        recognised(Checkpoint(copy), published)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_that_differs_with_its_checksum_names_its_variable(saved, published, tmp_path, name):
    values = {key: saved.values[key] + (key == name) for key in NAMES}
    save_values(tmp_path / "changed", values)
    found = recognised(Checkpoint(tmp_path / "changed"), published)
    assert not found.is_published
    assert str(found) == f"{name!r} of 3 variables has not the published CRC-32C"


def changed(published, **fields):
    variables = {
        name: msgspec.structs.replace(entry, **{key: change(entry) for key, change in fields.items()})
        for name, entry in published.checkpoint.items()
    }
    return msgspec.structs.replace(published, checkpoint=variables)


def test_another_training_of_the_same_network_is_not_the_published_one(copy, published):
    found = recognised(Checkpoint(copy), changed(published, crc32c=lambda entry: entry.crc32c ^ 1))
    assert not found.is_published
    assert str(found) == "'g/kernel' and 2 more of 3 variables have not the published CRC-32C"


def test_other_shapes_and_other_names_are_not_the_published_one(copy, published):
    assert recognised(Checkpoint(copy), changed(published, shape=lambda entry: [*entry.shape, 1])) is None
    more = {**published.checkpoint, "g/missing": published.checkpoint["g/beta"]}
    assert recognised(Checkpoint(copy), msgspec.structs.replace(published, checkpoint=more)) is None


def test_networks_are_found_by_their_list(copy, published, tmp_path):
    for name, content in (("this", published), ("other", changed(published, shape=lambda _: [1]))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "published.json").write_bytes(msgspec.json.encode(content))
    (tmp_path / "none").mkdir()
    found = recognised_networks(Checkpoint(copy), tmp_path)
    assert list(found) == ["this"]
    assert found["this"].is_published


def test_freezing_says_that_it_is_the_published_one(copy, published, tmp_path, monkeypatch):
    (tmp_path / "networks/small").mkdir(parents=True)
    (tmp_path / "networks/small/published.json").write_bytes(msgspec.json.encode(published))
    assert freeze(copy, Request(["g/out"])).remarks == []
    monkeypatch.setattr(locations, "NETWORKS", tmp_path / "networks")
    frozen = freeze(copy, Request(["g/out"]))
    assert frozen.remarks == ["small: all 3 variables have the published names, shapes and CRC-32C"]


def test_a_list_that_is_malformed(tmp_path):
    (tmp_path / "published.json").write_text('{"about": "nothing else"}')
    with pytest.raises(UsageError, match=r"published variables .*published.json is malformed"):
        read_published(tmp_path)
    assert read_published(tmp_path / "nowhere") is None


def test_the_list_of_beautygan_is_whole():
    """Its 68 variables are as large as their shapes say, and none lies over another."""
    published = read_published(locations.NETWORKS / "beautygan")
    entries = published.checkpoint
    assert len(entries) == 68
    assert sum(int(np.prod(entry.shape)) for entry in entries.values()) == 7_620_224
    assert {name: entries[name].shape for name in published.variables} == published.variables
    assert all(entry.size == 4 * int(np.prod(entry.shape)) for entry in entries.values())
    assert len({entry.crc32c for entry in entries.values()}) == 68
    ends = [(entry.offset, entry.offset + entry.size) for entry in entries.values()]
    ends.sort()
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))


def test_an_untrained_beautygan_is_not_the_published_one(tmp_path):
    published = read_published(locations.NETWORKS / "beautygan")
    zeros = {name: np.zeros(entry.shape, np.float32) for name, entry in published.checkpoint.items()}
    save_values(tmp_path / "own", zeros)
    found = recognised_networks(Checkpoint(tmp_path / "own"))["beautygan"]
    assert len(found.differing) == 68
