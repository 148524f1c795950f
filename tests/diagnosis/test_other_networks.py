"""Networks of other shapes: one input, one sample, no fixed-point operator, three branches."""

import functools

import pytest
from diagnosis.diagnosing import diagnosed, report
from diagnosis.right_device import RightDevice, at
from support.emulation import placeholder
from support.toy_network import prepared, uniform, write_toy

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device

SHAPE = (1, 6, 6, 4)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a function that makes a network with its goldens, once per set of arguments."""

    @functools.cache
    def make(build, names, psnr=40.0, samples=1):
        inputs = uniform(5, SHAPE, *names, samples=samples)
        write = functools.partial(write_toy, build=build, inputs=inputs, psnr=psnr)
        return prepared(tmp_path_factory.mktemp(build.__name__), write, scales=False).store

    return make


def plain(tf):
    """No fixed-point operator, one input."""
    x = placeholder(tf, "x", SHAPE)
    centred = tf.subtract(x, tf.reduce_mean(x, [1, 2], keepdims=True, name="mean"), name="centred")
    tf.tanh(tf.nn.relu(centred, name="relu"), name="out")


def three(tf):
    """Three branches alike, and one join."""
    parts = [tf.tanh(placeholder(tf, name, SHAPE), name=f"{name}_tanh") for name in "xyz"]
    tf.tanh(tf.add_n([tf.reduce_mean(part, 3, keepdims=True) for part in parts], name="joined"), name="out")


def test_a_network_of_one_input_without_fixed_point_and_one_sample(made):
    store = made(plain, "x")
    diagnosis = diagnosed(open_device(DeviceRequest("emulator", "ideal")), "int8-fp16", store)
    assert diagnosis.culprits == []
    assert diagnosis.quality.accepted
    assert diagnosis.forwards == 6
    text = report(diagnosis, store)
    assert "Nothing needs repair" in text
    assert {item.branch for item in diagnosis.errors} == {"x"}


def test_a_fault_in_it_is_named(made):
    store = made(plain, "x")
    diagnosis = diagnosed(RightDevice(store, at("mean", lambda golden: golden + 0.5)), "int8-fp32", store)
    assert diagnosis.culprits[0].what == "mean"


def test_the_float_type_is_to_blame_where_float32_is_accepted(made):
    store = made(plain, "x", psnr=90.0)
    diagnosis = diagnosed(open_device(DeviceRequest("emulator", "ideal")), "int16-fp16", store)
    (culprit,) = diagnosis.culprits
    assert culprit.kind == "precision"
    assert "Conv2D" not in culprit.what
    assert diagnosis.choices[diagnosis.recommended].precision.endswith("fp32")
    text = report(diagnosis, store)
    assert "the precision itself" in text
    assert "No node adds more than it may." in text


def test_three_branches_stand_below_each_other(made):
    store = made(three, "xyz", samples=2)
    diagnosis = diagnosed(RightDevice(store), "int16-fp32", store)
    names = [item.node for item in diagnosis.errors]
    table = report(diagnosis, store).partition("Error along the network")[2]
    for name in names:
        assert sum(line.split()[:1] == [name] for line in table.splitlines()) == 1
    assert [item.branch for item in diagnosis.errors] == ["x", "y", "z", "x+y+z", "x+y+z"]
