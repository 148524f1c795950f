"""Which nodes add most where no operator is wrong, and whose scale is stretched by which channel."""

import functools

import numpy as np
import pytest
from diagnosis.diagnosing import diagnosed, report
from diagnosis.right_device import RightDevice, at
from support.emulation import placeholder
from support.toy_network import prepared, write_toy

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device

SHAPE = (1, 12, 12, 16)
STRETCHED = 5
"""The channel whose filter is far larger than all others, as a batch norm of little variance makes it."""


def filters(*shape, seed, widest=1.0):
    values = np.random.default_rng(seed).uniform(0.2, 1.0, shape).astype(np.float32)
    if widest != 1.0:
        values[..., STRETCHED] *= widest
    return values


def convolved(tf, widest):
    """A convolution, whose filter may be stretched, between two pointwise ones."""
    x = placeholder(tf, "x", SHAPE)
    mixed = tf.nn.conv2d(x, filters(1, 1, 16, 16, seed=1) / 16, 1, "SAME", name="mixed")
    stretched = filters(3, 3, 16, 16, seed=2, widest=widest) / 16
    first = tf.nn.conv2d(tf.nn.relu6(mixed), stretched, 1, "SAME", name="stretched")
    second = tf.nn.conv2d(tf.nn.relu6(first), filters(1, 1, 16, 4, seed=3) / 16, 1, "SAME", name="pointwise")
    tf.identity(tf.nn.relu6(second), name="out")


def uneven(tf):
    convolved(tf, widest=60.0)


def even(tf):
    convolved(tf, widest=1.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    @functools.cache
    def make(build, psnr):
        x = np.random.default_rng(5).uniform(0.1, 1, SHAPE).astype(np.float32)
        fields = {"low": 0.0, "high": 6.0, "cosine": 0.5, "psnr": psnr}
        write = functools.partial(write_toy, build=build, inputs={"x": [x]}, **fields)
        return prepared(tmp_path_factory.mktemp(build.__name__), write).store

    return make


def found(store, precision="int8-fp32"):
    return diagnosed(open_device(DeviceRequest("emulator", "mlu270")), precision, store)


def kinds(contributor):
    return {(reason.kind, reason.figures.get("tensor")) for reason in contributor.reasons}


def test_where_the_precision_is_to_blame_the_stretched_filter_is_named(made):
    store = made(uneven, 80.0)
    diagnosis = found(store)
    assert [culprit.kind for culprit in diagnosis.culprits] == ["precision"]
    first = diagnosis.contributors[0]
    assert (first.node, first.op) == ("stretched", "Conv2D")
    assert ("uneven channels", "filter") in kinds(first)
    assert first.share > 0.5
    text = report(diagnosis, store)
    assert "What adds most" in text
    assert f"Channel {STRETCHED} of the filter of stretched" in text
    assert diagnosis.choices[diagnosis.recommended].precision.startswith("int16")


def test_an_output_that_is_accepted_has_contributors_too(made):
    diagnosis = found(made(uneven, 5.0))
    assert diagnosis.culprits == []
    assert diagnosis.contributors[0].node == "stretched"


def test_even_filters_are_not_said_to_be_stretched(made):
    diagnosis = found(made(even, 80.0))
    assert diagnosis.contributors
    assert not any(("uneven channels", "filter") in kinds(item) for item in diagnosis.contributors)


def test_shares_are_of_all_squares_and_fall(made):
    diagnosis = found(made(uneven, 5.0))
    squares = {item.node: (item.own or 0.0) ** 2 for item in diagnosis.errors}
    for item in diagnosis.contributors:
        assert item.share == pytest.approx(squares[item.node] / sum(squares.values()))
    shares = [item.share for item in diagnosis.contributors]
    assert shares == sorted(shares, reverse=True)


def test_where_a_culprit_adds_more_than_all_others_they_are_not_named(made):
    store = made(uneven, 5.0)
    diagnosis = diagnosed(RightDevice(store, at("mixed", lambda golden: golden + 0.5)), "int8-fp32", store)
    assert diagnosis.culprits[0].what == "mixed"
    assert diagnosis.contributors == []
    assert "What adds most" not in report(diagnosis, store)
