"""From a run that probes its device to a diagnosis: what it otherwise supposes is stated as measured."""

import functools

import numpy as np
import pytest
from support.suite_run import run_suite
from support.toy_network import prepared, write_toy

from conformance import cli

SUPPOSED, MEASURED = "if the sum is kept in half", "the device keeps the sum in half, as a probe of "
PRECISION = "--precision=int8-fp16"
VALUES, MEAN = 40.0, "power/mean"


def power(tf):
    """Divide by the root of the mean of squares, whose sum passes what a half can hold."""
    x = tf.compat.v1.placeholder(tf.float32, (1, 96, 2), name="X")
    squares = tf.square(x, name="power/squares")
    mean = tf.reduce_mean(squares, 1, keepdims=True, name=MEAN)
    tf.multiply(x, tf.math.rsqrt(mean, name="power/rsqrt"), name="out")


def write(directory):
    values = np.random.default_rng(2).uniform(-VALUES, VALUES, (1, 96, 2)).astype(np.float32)
    write_toy(directory, power, {"X": [values + np.float32(VALUES)]}, name="power", high=4.0)


@pytest.fixture(scope="module")
def power_network(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("power"), write, scales=False)


@pytest.fixture(scope="module")
def probed(power_network, tmp_path_factory):
    """Return a function that runs the suite with ``--probe`` on an emulator of a profile, once for each."""
    root = tmp_path_factory.mktemp("probed")

    @functools.cache
    def run(profile):
        options = ["--device=emulator", f"--profile={profile}", "--probe", "--no-waivers"]
        found = run_suite(
            root / profile, *options, network=power_network, markers="mlu and fp16 and not benchmark"
        )
        assert found.directory.is_dir(), found.text
        return found.directory

    return run


@pytest.fixture
def diagnosed(power_network, capsys, tmp_path):
    """Return a function that diagnoses the network on an emulator, or a run, and what is said in one line."""

    def said(*arguments, run=None):
        capsys.readouterr()
        where = [f"--from-run={run}"] if run else ["--device=emulator", str(power_network.directory)]
        options = [f"--golden-dir={power_network.goldens}", f"--output={tmp_path / 'out'}", PRECISION]
        assert cli.main(["diagnose", *where, *options, *arguments]) == 0
        return " ".join(capsys.readouterr().out.split())

    return said


def test_a_diagnosis_of_a_run_states_what_its_probe_measured(probed, diagnosed):
    said = diagnosed(run=probed("mlu270"))
    assert f"Culprit 1: {MEAN}" in said
    assert MEASURED in said
    assert SUPPOSED not in said


def test_without_the_probe_it_is_supposed(diagnosed):
    said = diagnosed()
    assert SUPPOSED in said
    assert "a probe of" not in said


@pytest.mark.parametrize("of", ["probe.json", ""], ids=["the file", "the run"])
def test_a_diagnosis_on_a_device_takes_the_probe_of_a_run(probed, diagnosed, of):
    said = diagnosed(f"--with-probe={probed('mlu270') / of}")
    assert MEASURED in said
    assert SUPPOSED not in said


def test_what_was_measured_is_believed_where_it_is_not_what_was_supposed(probed, diagnosed):
    said = diagnosed(f"--with-probe={probed('mlu270,reduction_sum=fp32')}")
    assert (
        "A running sum in half is not the cause: Mean is summed one after the other, kept in float32" in said
    )
    assert SUPPOSED not in said
