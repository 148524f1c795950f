"""Fingerprints tell equal tensors, tensors that differ in last bits, and others apart."""

import hashlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import refused

from conformance.errors import EXIT_INFRASTRUCTURE, GoldenError
from conformance.fingerprints import (
    Fingerprint,
    alike,
    fingerprint,
    last_bits_differ,
    mismatch,
    tensor_sha256,
)

VALUE = np.random.default_rng(1).standard_normal((3, 5, 4)).astype(np.float32)


def test_what_is_kept():
    print_ = fingerprint(VALUE)
    flat = VALUE.ravel()
    assert print_.shape == [3, 5, 4]
    assert print_.dtype == "float32"
    assert print_.sha256 == hashlib.sha256(flat.astype("<f4").tobytes()).hexdigest() == tensor_sha256(VALUE)
    assert print_.norm == pytest.approx(np.sqrt((VALUE.astype(float) ** 2).sum()), rel=1e-12)
    assert print_.positions[0] == 0
    assert print_.positions[-1] == 59
    assert print_.values == [float(flat[position]) for position in print_.positions]


def test_it_survives_json():
    print_ = fingerprint(VALUE)
    assert msgspec.json.decode(msgspec.json.encode(print_), type=Fingerprint) == print_


@pytest.mark.parametrize("shape", [(), (1,), (2,), (1, 1, 7)])
def test_small_shapes(shape):
    value = np.full(shape, 1.5, np.float32)
    print_ = fingerprint(value)
    assert print_.shape == list(shape)
    assert not last_bits_differ(value, print_, "f")


def test_the_order_in_memory_does_not_matter():
    assert fingerprint(np.asfortranarray(VALUE)) == fingerprint(VALUE)
    assert fingerprint(VALUE[::-1][::-1]) == fingerprint(VALUE)


@pytest.mark.parametrize("bad", [np.array([1, np.nan]), np.array([np.inf])])
def test_what_is_no_golden(bad):
    with refused("the golden of 'n' holds NaN or Inf: the network itself is wrong", GoldenError):
        fingerprint(bad.astype(np.float32), "the golden of 'n'")


def test_a_node_that_finds_nothing_has_no_golden():
    """As where a network detects things, and there is none in the picture."""
    with refused(r"the golden of 'n' is empty \(shape 0x3\): the network finds nothing there", GoldenError):
        fingerprint(np.zeros((0, 3), np.float32), "the golden of 'n'")


def nudged(steps, at=slice(None)):
    """Return the tensor with some values moved by float32 steps."""
    value = VALUE.copy()
    for _ in range(abs(steps)):
        value.reshape(-1)[at] = np.nextafter(value.reshape(-1)[at], np.float32(np.inf * steps))
    return value


@pytest.mark.parametrize("steps", [1, -1])
def test_one_step_in_every_value_is_accepted(steps):
    assert last_bits_differ(nudged(steps), fingerprint(VALUE), "f")


def test_equal_bits_do_not_differ():
    assert not last_bits_differ(VALUE, fingerprint(VALUE), "f")


@given(position=st.sampled_from(fingerprint(VALUE).positions), steps=st.sampled_from([-3, -2, 2, 3]))
def test_two_steps_in_a_sampled_value_are_not(position, steps):
    with refused("golden f is not what the manifest says", GoldenError):
        last_bits_differ(nudged(steps, position), fingerprint(VALUE), "f")


def test_a_larger_difference_between_the_samples_is_seen_in_the_norm():
    value = VALUE.copy()
    value[1, 1, 1] *= 1.001
    with refused("norm", GoldenError):
        last_bits_differ(value, fingerprint(VALUE), "f")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_inf_are_never_accepted(bad):
    for position in (0, 17):
        value = VALUE.copy()
        value.reshape(-1)[position] = bad
        with refused(f"golden f is not .* norm {bad}, expected", GoldenError):
            last_bits_differ(value, fingerprint(VALUE), "f")


def test_a_golden_of_zeros():
    zeros = np.zeros(5, np.float32)
    assert last_bits_differ(-zeros, fingerprint(zeros), "f")  # other bits, equal values
    with pytest.raises(GoldenError):
        last_bits_differ(zeros + np.float32(1e-30), fingerprint(zeros), "f")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (VALUE.astype(np.float64), "dtype float64, expected float32"),
        (VALUE.astype(">f4"), "dtype >f4, expected float32"),
        (VALUE.reshape(5, 3, 4), r"shape \[5, 3, 4\], expected \[3, 5, 4\]"),
        (VALUE.astype("U4"), "dtype <U4, expected float32"),
        (VALUE.view("f4,f4"), "dtype .*f0.*, expected float32; shape"),
        (VALUE * 2, "sha256 [0-9a-f]{64}, expected [0-9a-f]{64}; norm .*, expected .*; values .*, expected"),
    ],
)
def test_other_tensors(value, said):
    expected = fingerprint(VALUE)
    error = mismatch(value, expected, "dir/n.0.npy")
    assert error.exit_code == EXIT_INFRASTRUCTURE
    with refused(f"golden dir/n.0.npy is not what the manifest says: .*{said}.*delete it", GoldenError):
        last_bits_differ(value, expected, "dir/n.0.npy")
    assert alike(value, expected) == (value.dtype == np.float32 and value.shape == VALUE.shape)
