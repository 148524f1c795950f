"""Outputs that a run keeps: which, whole, and only as they were judged."""

import numpy as np
import pytest
from support import records

from conformance.evaluation.device_runs import sha256_of
from conformance.runs.outputs import OutputKeeper, kept_output, output_path

NAME = "a/b c"


def case(**changes):
    return records.case(**({"node": NAME, "mode": "fused"} | changes))


def record(*values, **changes):
    hashes = [text for value in values for text in sha256_of(value)]
    return records.record(node=NAME, mode="fused", sha256=hashes, **changes)


@pytest.fixture
def keeper(tmp_path):
    return OutputKeeper(tmp_path, {"n": [NAME]})


@pytest.fixture
def value():
    return np.random.default_rng(1).standard_normal((1, 8, 8, 3)).astype(np.float32)


def files(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def test_a_fused_output_is_kept_bit_for_bit_under_a_name_that_a_file_can_have(keeper, tmp_path, value):
    keeper.watch(case(), 1, value)
    assert files(tmp_path) == ["outputs/n/int8-fp16/a%2Fb%20c.1.npy"]
    other = record(np.zeros(3), value)
    assert np.array_equal(kept_output(tmp_path, other, 1), value)
    assert keeper.notes == []


@pytest.mark.parametrize("changes", [{"mode": "own"}, {"mode": "chained"}, {"node": "c"}, {"network": "m"}])
def test_nothing_else_is_kept(keeper, tmp_path, value, changes):
    keeper.watch(case(**changes), 0, value)
    assert files(tmp_path) == []


@pytest.mark.parametrize("result", [None, [1.0], 3.0, np.zeros(3, np.int32), np.array([object()])])
def test_what_is_no_array_of_floats_is_not_kept(keeper, tmp_path, result):
    keeper.watch(case(), 0, result)
    assert (files(tmp_path), keeper.notes) == ([], [])


@pytest.mark.parametrize("stray", [np.nan, np.inf])
def test_what_is_not_finite_is_kept_as_it_is(keeper, tmp_path, value, stray):
    value[0, 1, 2, 0] = stray
    keeper.watch(case(), 0, value)
    assert np.array_equal(kept_output(tmp_path, record(value), 0), value, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_kept_as_float32(keeper, tmp_path, value, dtype):
    returned = value.astype(np.float16).astype(dtype)
    keeper.watch(case(), 0, returned)
    found = kept_output(tmp_path, record(returned), 0)
    assert found.dtype == np.float32
    assert np.array_equal(found, returned)


def test_an_output_that_was_not_judged_so_is_not_shown(keeper, tmp_path, value):
    keeper.watch(case(), 0, value)
    assert kept_output(tmp_path, record(value + 1), 0) is None
    assert kept_output(tmp_path, record(), 0) is None
    assert kept_output(tmp_path, record(value), 1) is None
    assert kept_output(tmp_path, record(value, precision="int8-fp32"), 0) is None


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array"])
def test_a_damaged_file_counts_as_none(keeper, tmp_path, value, content):
    keeper.watch(case(), 0, value)
    output_path(tmp_path, "n", "int8-fp16", NAME, 0).write_bytes(content)
    assert kept_output(tmp_path, record(value), 0) is None


def test_a_pickle_is_not_read(tmp_path, value):
    path = output_path(tmp_path, "n", "int8-fp16", NAME, 0)
    path.parent.mkdir(parents=True)
    np.save(path, np.array([{}]), allow_pickle=True)
    assert kept_output(tmp_path, record(value), 0) is None


def test_what_cannot_be_written_is_a_note(tmp_path, value):
    (tmp_path / "outputs").touch()
    keeper = OutputKeeper(tmp_path, {"n": [NAME]})
    keeper.watch(case(), 0, value)
    (note,) = keeper.notes
    assert "could not be written" in note
    assert files(tmp_path) == ["outputs"]
