"""A network without fixed point: timed inputs that grow a little are no deviation, and a wrong output is."""

import pytest
from support.emulation import placeholder
from support.suite_run import run_suite
from support.toy_network import prepared, uniform, write_toy

SHAPE = (1, 64)


def plain(tf):
    x = placeholder(tf, "x", SHAPE)
    tf.tanh(tf.tanh(x) * 1.7 + 0.1, name="out")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    inputs = uniform(5, SHAPE, "x")
    return prepared(
        tmp_path_factory.mktemp("floats"), lambda folder: write_toy(folder, plain, inputs), scales=False
    )


@pytest.mark.parametrize("floats", ["fp16", "fp32"])
def test_a_right_device_conforms_however_often_it_is_timed(network, tmp_path, floats):
    result = run_suite(
        tmp_path / "run",
        "--profile=ideal",
        "--rounds=20",
        network=network,
        markers=f"mlu and fused and {floats}",
    )
    assert result.code == 0
