"""Cost of a diagnosis: BeautyGAN at two precisions on the default emulator, goldens made before.

    pytest benchmarks/test_diagnosis_speed.py

The aim is a minute on two cores. What is asserted is a ratio, which means the same on any machine: the whole
diagnosis against the wall time inside the device's runs, of which it may add little.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from conformance import locations
from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.diagnosis.engine import MOST_PASSES, Diagnosing
from conformance.diagnosis.forward_passes import ForwardPasses
from conformance.expected.expectations import Expectations
from conformance.goldens import GoldenStore
from conformance.judging.bounds import read_margins
from conformance.precision import parse_precision

if TYPE_CHECKING:
    from figures import Figures

    from conformance.networks import Network

LIMIT = 2.5
"""The most that a diagnosis may take, as a multiple of the time inside its device runs."""


@pytest.mark.parametrize("name", ["int8-fp16", "int16-fp32"])
def test_diagnosis_against_its_device_runs(network: Network, figures: Figures, name: str) -> None:
    """Compiling, comparing, evidence and tables take at most one and a half times the device's time again."""
    store = GoldenStore(network, locations.GOLDENS)
    store.ensure(node.name for node in store.manifest.key)
    device = open_device(DeviceRequest("emulator"))
    passes = ForwardPasses(device, Expectations(store, read_margins(locations.MARGINS)), 0)
    started = time.perf_counter()
    diagnosis = Diagnosing(passes, parse_precision(name)).result()
    seconds = time.perf_counter() - started
    device.close()
    # each choice may be looked at once more
    assert 1 <= diagnosis.forwards <= MOST_PASSES + len(diagnosis.choices)
    inside = {"forward passes": diagnosis.forwards, "seconds": seconds, "seconds inside them": passes.seconds}
    figures.add(name, inside)
    figures.at_most(name, "times the passes", seconds / passes.seconds, LIMIT)
