"""``.npy`` data is read where it is what its header says; memory is not taken for what is not there."""

import contextlib
import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conformance.npy import let_go, map_npy, mapped, npy_of, npz_of, write_npy

KINDS = st.sampled_from(["<f4", ">f8", "<f2", "<i8", "u1", "?", "<c8", "<U3"])


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def claiming(shape):
    """Return a file of one number that says to have another shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + b"\0\0\0\0"


@given(arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, min_side=0)), st.booleans())
def test_what_is_saved_is_read(array, across):
    array = array.T if across else array
    np.testing.assert_array_equal(npy_of(saved(array)), array, strict=True)


@pytest.mark.parametrize("shape", [(2,), (10**12,), (10**12, 10**12), (2**63, 2)])
def test_a_header_that_promises_more_than_there_is(shape):
    with pytest.raises(ValueError, match=r"it should hold [0-9]+ bytes of shape .*, but holds 4"):
        npy_of(claiming(shape))


@given(st.binary(max_size=300), st.integers(0, 200))
def test_damage_is_an_error_of_these_kinds(noise, at):
    data = saved(np.arange(6.0).reshape(2, 3))
    with pytest.raises((ValueError, EOFError)):
        npy_of(noise)
    damaged = data[:at] + noise + data[at + len(noise) :]
    with contextlib.suppress(ValueError, EOFError):
        npy_of(damaged)


def test_objects_are_not_unpickled():
    file = io.BytesIO()
    np.save(file, np.array([print], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        npy_of(file.getvalue())


@given(arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, min_side=0)), st.booleans())
def test_what_is_saved_is_mapped(tmp_path_factory, array, across):
    path = tmp_path_factory.getbasetemp() / "mapped.npy"
    path.write_bytes(saved(array.T if across else array))
    np.testing.assert_array_equal(map_npy(path), array.T if across else array, strict=True)


@pytest.mark.parametrize("data", [b"", b"golden", saved(np.arange(6.0))[:-1], saved(np.arange(6.0))[:100]])
def test_what_is_no_array_is_not_mapped(tmp_path, data):
    (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises((ValueError, EOFError)):
        map_npy(tmp_path / "x.npy")


def test_what_cannot_be_mapped_says_why(tmp_path):
    with pytest.raises(FileNotFoundError):
        map_npy(tmp_path / "x.npy")
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="No such device"):
        mapped(reading, 10)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3), (300, 400)])
def test_what_is_written_is_what_numpy_writes(shape):
    array, ours, theirs = np.random.default_rng(1).random(shape).astype("<f4"), io.BytesIO(), io.BytesIO()
    write_npy(ours, array)
    np.save(theirs, array)
    assert ours.getvalue() == theirs.getvalue()


def test_a_full_disk_is_called_so():
    with pytest.raises(OSError, match="No space left") as found, Path("/dev/full").open("wb") as file:
        write_npy(file, np.zeros(2**16))
    assert found.value.errno == errno.ENOSPC


def test_a_length_that_is_true_is_damage():
    data = claiming((1, 1)).replace(b"'shape': (1, 1), }   ", b"'shape': (True, 1), }")
    with pytest.raises(ValueError, match=r"shape \(True, 1\)"):
        npy_of(data)


def archived(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_arrays_of_an_archive():
    found = npz_of(archived(a=np.arange(3.0), b=np.float32(2)))
    assert {name: read().tolist() for name, read in found.items()} == {"a": [0, 1, 2], "b": 2}


@given(st.binary(max_size=40), st.integers(0, 300))
def test_a_damaged_archive_is_a_value_error(noise, at):
    data = archived(a=np.arange(40.0), b=np.zeros(3))
    with contextlib.suppress(ValueError):
        for read in npz_of(data[:at] + noise + data[at + len(noise) :]).values():
            read()


def test_an_archive_with_a_password_is_a_value_error():
    data = bytearray(archived(a=np.arange(3.0)))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    (read,) = npz_of(bytes(data)).values()
    with pytest.raises(ValueError, match="password"):
        read()


def resident_file_pages():
    """Return how many KiB of files this process has in memory."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssFile:")))


def test_what_was_let_go_is_out_of_memory_until_it_is_looked_at_again(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((16, 1 << 18), np.float32))
    array = map_npy(tmp_path / "x.npy")
    assert array.sum() == array.size
    held = resident_file_pages()
    let_go(array[3:].T)
    assert resident_file_pages() < held - array.nbytes // 1024 // 2
    assert array.sum() == array.size


@pytest.mark.parametrize(
    "array", [np.ones(3), np.ones((4, 1 << 16))[1:], np.frombuffer(b"abcd", np.uint8), np.float32(2)]
)
def test_nothing_is_let_go_of_an_array_that_lies_in_no_file(array):
    before = np.array(array)
    let_go(array)
    np.testing.assert_array_equal(array, before)
