"""The contract's network: what TensorFlow 1 runs, what faulty devices need, bounds that let nothing by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from suite.faulty_devices import NODE, OTHER

from conformance.devices.contract.network import INNER, SAMPLES, contract_network
from conformance.devices.contract.trial import Run, Trial
from conformance.devices.cpu import CpuDevice
from conformance.precision import PRECISIONS


@pytest.fixture(scope="module", autouse=True)
def _bounds():
    """Make the bounds before any test, so that none takes the time for it."""
    network = contract_network()
    for precision in PRECISIONS:
        network.limits(network.cut, precision)
        network.limits(network.whole, precision)


def test_the_network_holds_only_what_tensorflow_1_knows():
    nodes = contract_network().whole.graph.copied_graph_def().node
    assert {node.op for node in nodes} == {
        *("Placeholder", "Const", "Conv2D", "Relu", "ConcatV2", "BiasAdd", "Mul", "Tanh", "Max", "MatMul")
    }
    known = {"T", "Tidx", "N", "dtype", "value", "shape", "strides", "padding"}
    assert {key for node in nodes for key in node.attr} <= known
    assert contract_network().cut.graph.versions.producer == 27


def test_the_network_is_what_faulty_devices_need():
    goldens = contract_network().goldens
    assert set(INNER) == {NODE, OTHER}
    assert {goldens[name][0].shape for name in INNER} == {(1, 8, 6, 256)}
    assert all(np.isfinite(value).all() and value.any() for values in goldens.values() for value in values)


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_no_result_passes_for_another_sample_or_for_zeros(precision):
    network = contract_network()
    for program in (network.cut, network.whole):
        trial = Trial(CpuDevice, network, PRECISIONS)
        for name in program.fetches:
            other, zeros = network.goldens[name][1], np.zeros_like(network.goldens[name][0])
            assert list(trial.wrong_values(returned({name: other}), program, precision, [name]))
            assert list(trial.wrong_values(returned({name: zeros}), program, precision, [name]))


def returned(results, samples=(0,)):
    return Run(samples, results, results, 1.0, {}, (), ())


@given(st.data())
def test_goldens_pass_and_one_value_out_of_bounds_never_does(data):
    network = contract_network()
    trial = Trial(CpuDevice, network, PRECISIONS)
    program = data.draw(st.sampled_from([network.cut, network.whole]))
    precision = data.draw(st.sampled_from(PRECISIONS))
    sample = data.draw(st.sampled_from(SAMPLES))
    results = {name: network.goldens[name][sample].astype(np.float64) for name in program.fetches}
    assert not list(trial.judged(returned(results, (sample,)), program, precision, program.fetches))
    name = data.draw(st.sampled_from(program.fetches))
    index = data.draw(st.integers(0, results[name].size - 1))
    limit = network.limits(program, precision)[name].max_abs
    results[name].flat[index] += data.draw(st.sampled_from([-1, 1])) * (1.01 * limit + 1e-12)
    found = list(trial.judged(returned(results, (sample,)), program, precision, program.fetches))
    assert found
    assert all(name in sentence for sentence in found)
