"""Tensors in shared files: what goes in comes out, and what a worker claims is checked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conformance.devices.arena import ALIGNMENT, Arena, SharedDirectory
from conformance.errors import DeviceError

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


def test_a_second_place_may_be_larger_and_taken_arrays_are_copies(tmp_path):
    arena = Arena(tmp_path / "arena")
    first = arena.take(arena.place({"a": np.arange(4.0)}))["a"]
    second = arena.take(arena.place({"a": np.ones(100_000)}))["a"]
    assert first.tolist() == [0, 1, 2, 3]
    assert second.sum() == 100_000


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a", "dtype": "<f4", "shape": [100], "offset": 0},
        {"name": "a", "dtype": "<f4", "shape": [2], "offset": 10_000},
        {"name": "a", "dtype": "<f4", "shape": [2], "offset": -8},
        {"name": "a", "dtype": "<f4", "shape": [-1], "offset": 0},
        {"name": "a", "dtype": "|O", "shape": [1], "offset": 0},
        {"name": "a", "dtype": "no dtype", "shape": [1], "offset": 0},
        {"name": "a", "shape": [1], "offset": 0},
    ],
)
def test_a_tensor_that_does_not_lie_in_the_file_is_refused(tmp_path, entry):
    arena = Arena(tmp_path / "arena")
    arena.place({"a": np.zeros(16, np.float32)})
    with pytest.raises(DeviceError, match="the worker returned no tensor where it says that one lies"):
        arena.take([entry])


def test_a_closed_directory_is_gone():
    directory = SharedDirectory()
    (directory.path / "arena").write_bytes(b"x")
    directory.close()
    directory.close()
    assert not directory.path.exists()
