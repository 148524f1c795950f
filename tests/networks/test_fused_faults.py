"""Faults of the whole network that right answers hide: held to what right devices reach, they are caught."""

import functools

import numpy as np
import pytest
from suite.faulty_devices import FaultyDevice

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.evaluation.evaluation import Evaluation
from conformance.evaluation.timing import time_fused
from conformance.expected.expectations import Expectations
from conformance.goldens import GoldenStore
from conformance.judging.bounds import read_margins
from conformance.networks import find_network
from conformance.precision import parse_precision

INT16 = parse_precision("int16-fp32")
NETWORKS = ("mobilenet", "lstm")


@functools.cache
def expectations(name):
    store = GoldenStore(find_network(name, locations.NETWORKS), locations.GOLDENS)
    return Expectations(store, read_margins(locations.MARGINS))


def evaluation(name, device, **options):
    return Evaluation(device, expectations(name), [], **options)


def default():
    return EmulatorDevice(read_profile("mlu270", locations.DEVICES))


def of_outputs(change):
    """Return a device that changes every output, on the default emulator."""
    return FaultyDevice(
        lambda results: {name: change(np.array(value)) for name, value in results.items()}, inner=default
    )


def tile_of_zeros(value):
    value[: max(len(value) // 10, 1)] = 0
    return value


FAULTS = {
    "1 % off": lambda value: value * np.float32(1.01),
    "flattened": lambda value: np.full_like(value, value.mean()),
    "a tile of zeros": tile_of_zeros,
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fused_outputs_with_a_fault_deviate(network, fault):
    found = evaluation(network, of_outputs(FAULTS[fault])).fused(INT16)
    assert {item.outcome for item in found.values()} == {"deviates"}
    for item in found.values():
        assert "along the whole network; at most" in "; ".join(item.verdict.reasons)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", ["int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32"])
def test_the_default_emulator_is_as_near_as_right_devices_are(network, precision):
    for item in evaluation(network, default()).fused(parse_precision(precision)).values():
        assert "along the whole network" not in "; ".join(item.verdict.reasons)


class Counting(FaultyDevice):
    """Changes some of a session's results by their number, from 1."""

    def __init__(self, wrong):
        self._wrong = wrong
        super().__init__(self.changed, inner=default)

    def open(self, *arguments, **options):
        self.runs = 0
        return super().open(*arguments, **options)

    def changed(self, results):
        self.runs += 1
        return {
            name: np.array(value) * np.float32(1.5 if self._wrong(self.runs) else 1)
            for name, value in results.items()
        }


@pytest.mark.parametrize("network", NETWORKS)
def test_a_wrong_warm_up_deviates(network):
    with time_fused(evaluation(network, Counting(lambda run: run == 1)), INT16) as timed:
        timed.run()
    assert {item.outcome for item in timed.findings()} == {"deviates"}
    assert all("warm-up" in "; ".join(item.verdict.reasons) for item in timed.findings())


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_wrong_every_tenth_time_is_unstable_in_20_runs(network):
    found = evaluation(network, Counting(lambda run: run % 10 == 0), repeat=20).fused(INT16)
    for item in found.values():
        assert item.outcome == "deviates"
        assert "is unstable: run 10 of 20 gave other bits" in "; ".join(item.verdict.reasons)


class Remembering(FaultyDevice):
    """Computes once per input, and answers what it has seen before from memory, without a card."""

    def __init__(self):
        super().__init__(inner=default)
        self.computed = 0

    def open(self, *arguments, **options):
        session, memory = super().open(*arguments, **options), {}
        compute = session.run

        def run(feeds):
            key = b"".join(np.asarray(value).tobytes() for value in feeds.values())
            if key not in memory:
                self.computed += 1
                memory[key] = compute(feeds)
            return memory[key]

        session.run = run
        return session


@pytest.mark.parametrize("network", NETWORKS)
def test_nothing_that_is_timed_can_come_from_memory(network):
    device = Remembering()
    with time_fused(evaluation(network, device), INT16) as timed:
        for _ in range(4):
            timed.run()
    assert device.computed == 5
    assert {item.outcome for item in timed.findings()} == {"conforms"}
