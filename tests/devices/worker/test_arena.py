"""Tensors in shared files: what goes in comes out, and what a worker claims is checked."""

import gc
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conformance.devices.cambricon import worker
from conformance.devices.worker import arena as arena_module
from conformance.devices.worker.arena import ALIGNMENT, Arena, ArenaPool, SharedDirectory
from conformance.devices.worker.process import REFUSALS
from conformance.errors import DeviceError, SpaceError

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
DTYPES = st.sampled_from(["<f4", "<f8", "<f2", "<i4", "<i8", "|b1"])


@given(st.lists(arrays.arrays(DTYPES, SHAPES), min_size=1, max_size=4))
def test_what_is_placed_can_be_taken(values):
    directory = SharedDirectory()
    try:
        placed = {f"t{index}": value for index, value in enumerate(values)}
        arena = Arena(directory.path / "arena")
        entries = arena.place(placed)
        assert all(entry["offset"] % ALIGNMENT == 0 for entry in entries)
        taken = Arena(directory.path / "arena").take(entries)
        assert list(taken) == list(placed)
        for name, value in placed.items():
            assert taken[name].dtype == value.dtype
            assert taken[name].shape == value.shape
            assert taken[name].tobytes() == value.tobytes()
    finally:
        directory.close()


def test_a_second_place_may_be_larger(tmp_path):
    arena = Arena(tmp_path / "arena")
    assert arena.take(arena.place({"a": np.arange(4.0)}))["a"].tolist() == [0, 1, 2, 3]
    assert arena.take(arena.place({"a": np.ones(100_000)}))["a"].sum() == 100_000


def test_what_is_taken_lies_where_it_lay_and_keeps_its_memory(tmp_path):
    arena = Arena(tmp_path / "arena")
    entries = arena.place({"a": np.arange(4.0)})
    taken = arena.take(entries)["a"]
    Arena(tmp_path / "arena").place({"a": np.ones(4)})
    assert taken.tolist() == [1, 1, 1, 1]
    arena.close()
    (tmp_path / "arena").unlink()
    assert taken.tolist() == [1, 1, 1, 1]


def views(arrays):
    """Return views of arrays that hide where they come from, each its own way."""
    first, second, third = arrays
    return [first[1:2], second.reshape(2, 2).T, memoryview(third)]


def test_an_arena_is_free_once_no_view_of_any_tensor_is_left(tmp_path):
    arena = Arena(tmp_path / "arena")
    assert arena.free
    entries = arena.place({name: np.arange(4.0) for name in "abc"})
    assert arena.free  # what is placed is lent to nobody here
    kept = views(arena.take(entries).values())
    while kept:
        assert not arena.free
        kept.pop()
    assert arena.free


def test_a_pool_hands_out_arenas_that_are_free_and_makes_more_if_need_be(tmp_path):
    pool = ArenaPool(tmp_path / "results")
    first = pool.free()
    assert pool.free() is first
    taken = first.take(first.place({"a": np.zeros(4)}))
    second = pool.free()
    assert second is not first
    assert second.path != first.path
    del taken
    assert pool.free() is first
    pool.close()
    assert pool.free() not in (first, second)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a", "dtype": "<f4", "shape": [100], "offset": 0},
        {"name": "a", "dtype": "<f4", "shape": [2], "offset": 10_000},
        {"name": "a", "dtype": "<f4", "shape": [2], "offset": -8},
        {"name": "a", "dtype": "<f4", "shape": [-1], "offset": 0},
        {"name": "a", "dtype": "|O", "shape": [1], "offset": 0},
        {"name": "a", "dtype": "no dtype", "shape": [1], "offset": 0},
        {"name": "a", "dtype": "<f3", "shape": [1], "offset": 0},
        {"name": "a", "dtype": "<U0", "shape": [1], "offset": 0},
        {"name": "a", "dtype": "<f4,<i4", "shape": [1], "offset": 0},
        {"name": "a", "dtype": "<f4", "shape": [2**62, 2**62], "offset": 0},
        {"name": "a", "dtype": "<f4", "shape": [2**32, 2**32], "offset": 0},
        {"name": "a", "dtype": "<f4", "shape": [1], "offset": 10**30},
        {"name": "a", "dtype": "<f4", "shape": "1", "offset": 0},
        {"name": "a", "dtype": "<f4", "shape": [1.5], "offset": 0},
        {"name": None, "dtype": "<f4", "shape": [1], "offset": 0},
        {"name": "a", "shape": [1], "offset": 0},
        "a",
        None,
    ],
)
def test_a_tensor_that_does_not_lie_in_the_file_is_refused(tmp_path, entry):
    arena = Arena(tmp_path / "arena")
    arena.place({"a": np.zeros(16, np.float32)})
    with pytest.raises(DeviceError, match="the worker returned no tensor where it says that one lies"):
        arena.take([entry])
    assert arena.free


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = st.fixed_dictionaries(
    {
        "name": st.just("a") | JSON,
        "dtype": st.sampled_from(["<f4", "|V3", ">c8", "|S2", "<M8[ns]", "<m8", "|O"])
        | st.text(max_size=6)
        | JSON,
        "shape": st.lists(st.integers(-1, 4), max_size=3) | JSON,
        "offset": st.integers(-4, 70) | JSON,
    }
)


@given(st.lists(CLAIMS, max_size=3))
def test_whatever_is_claimed_is_a_tensor_within_the_file_or_refused(claims):
    directory = SharedDirectory()
    try:
        arena = Arena(directory.path / "arena")
        arena.place({"a": np.arange(16, dtype=np.float32)})
        try:
            taken = arena.take(claims)
        except DeviceError:
            return
        for claim in claims:
            assert list(taken[claim["name"]].shape) == claim["shape"] or len(claims) > 1
            assert claim["offset"] + taken[claim["name"]].nbytes <= 64 or len(claims) > 1
    finally:
        directory.close()


def test_what_has_no_room_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    arena = Arena(tmp_path / "arena")
    monkeypatch.setattr(os, "posix_fallocate", full)
    sentence = f"64 bytes of tensors cannot be shared in {tmp_path}: No space left on device; free some"
    with pytest.raises(SpaceError, match=sentence):
        arena.place({"a": np.zeros(16, np.float32)})


def test_a_worker_without_room_for_results_says_so_and_blames_nobody(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        worker.Refused, match=r"96 bytes of results cannot be shared in /d: No space .*; free"
    ) as told:
        worker._allocate(0, 96, "/d")
    assert told.value.kind == "space"
    assert REFUSALS["space"] is SpaceError


def test_a_directory_without_room_is_one_sentence(monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(SpaceError, match=r"a directory of tensors cannot be shared in /.*: No space left"):
        SharedDirectory()


def test_a_directory_goes_to_disk_where_shared_memory_is_small(tmp_path, monkeypatch):
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    memory.mkdir()
    disk.mkdir()
    monkeypatch.setattr(arena_module, "SHARED_MEMORY", memory)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    for room, place in ((1, memory), (2**62, disk)):
        monkeypatch.setattr(arena_module, "ROOM", room)
        directory = SharedDirectory()
        assert directory.path.parent == place
        directory.close()
    monkeypatch.setattr(arena_module, "SHARED_MEMORY", tmp_path / "none")
    assert SharedDirectory().path.parent == disk


def test_a_directory_that_is_forgotten_is_deleted():
    directory = SharedDirectory()
    path = directory.path
    assert path.is_dir()
    del directory
    gc.collect()
    assert not path.exists()


def test_a_closed_directory_is_gone():
    directory = SharedDirectory()
    (directory.path / "arena").write_bytes(b"x")
    directory.close()
    directory.close()
    assert not directory.path.exists()
