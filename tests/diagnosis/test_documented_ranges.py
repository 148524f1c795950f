"""A Mean beyond what the vendor documents: the diagnosis cites it, and measures other ways to write it."""

import numpy as np
import pytest
from diagnosis.diagnosing import diagnosed, report
from support.emulation import placeholder
from support.toy_network import prepared, write_toy

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.diagnosis.repairs import settings
from conformance.graph.means import DIVIDED_FIRST, IN_TURN

SHAPE = (1, 128, 128, 2)
ONE_COLUMN = 1000.0


def columns(tf):
    """The sum of one column passes 65504, and no other sum does."""
    x = placeholder(tf, "x", SHAPE)
    mean = tf.reduce_mean(x, [1, 2], keepdims=True, name="mean")
    tf.tanh(tf.multiply(mean, 0.05, name="scaled"), name="out")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    x = np.zeros(SHAPE, np.float32)
    x[:, :, 5] = ONE_COLUMN

    def write(directory):
        return write_toy(directory, columns, {"x": [x]}, psnr=40.0, cosine=0.9)

    return prepared(tmp_path_factory.mktemp("columns"), write, scales=False).store


@pytest.fixture(scope="module")
def diagnosis(store):
    return diagnosed(open_device(DeviceRequest("emulator", "mlu270")), "int8-fp16", store)


def test_the_documented_range_is_cited_first(diagnosis, store):
    (culprit,) = diagnosis.culprits
    assert culprit.what == "mean"
    first = culprit.reasons[0]
    assert first.kind == "documented range"
    assert first.figures["elements"] == 128 * 128
    assert "mean is outside of the vendor's documented range: 16,384 elements" in first.sentence
    assert "(cnml.h 7.2.1, cnmlCreateReduceMeanOp)." in first.sentence
    assert "along axis 1 reaches 1.28e+05" in report(diagnosis, store)


def test_other_ways_to_write_it_are_measured(diagnosis, store):
    written = {choice.rewrite: choice for choice in diagnosis.choices if choice.rewrite}
    assert set(written) == {f"Mean: {IN_TURN}", f"Mean: {DIVIDED_FIRST}"}
    assert all(choice.quality.accepted and choice.precision == "int8-fp16" for choice in written.values())
    text = report(diagnosis, store)
    assert "written otherwise" in text
    assert f"Mean: {IN_TURN}" in text
    chosen = diagnosis.choices[diagnosis.recommended]
    assert (chosen.precision, chosen.rewrite) == ("int8-fp32", ""), "the network as it is comes first"
    (choice,) = (item for item in written.values() if IN_TURN in item.rewrite)
    assert settings(choice)[-1] == f"# in the network: Mean: {IN_TURN}"


def test_a_device_of_which_nothing_is_documented_has_no_such_reason(store):
    diagnosis = diagnosed(open_device(DeviceRequest("emulator", "ideal")), "int8-fp16", store)
    assert diagnosis.quality.accepted
    assert not any(choice.rewrite for choice in diagnosis.choices)
    assert "documented" not in report(diagnosis, store)
