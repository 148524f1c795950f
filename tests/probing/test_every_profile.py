"""Every value of every switch, and random combinations of all, are read back by a probe.

How many combinations there are says PROBE_COMBINATIONS; ``tox run -e probe`` takes 200.
"""

import multiprocessing
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.devices.emulator.profile import ALTERNATIVES

COMBINATIONS = int(os.environ.get("PROBE_COMBINATIONS", "3"))
AT_ONCE = 25
"""What XLA has compiled for a profile stays in a process: after so many, the next one takes over."""

SINGLE = [
    (switch, value)
    for switch, values in ALTERNATIVES.items()
    for value in (values if os.environ.get("PROBE_COMBINATIONS") else values[1:2])
]


@pytest.fixture(scope="module")
def process():
    """A process that probes, and hands over to a fresh one now and then."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=AT_ONCE) as pool:
        yield pool


def _read_back(values):
    from probing.probing_devices import read_back

    return read_back(values)


@pytest.mark.skipif(COMBINATIONS < 10, reason="tox run -e probe")
@pytest.mark.parametrize(("switch", "value"), SINGLE)
def test_a_value_is_read_back(process, switch, value):
    assert process.apply(_read_back, [{switch: value}]) == {}


@settings(max_examples=COMBINATIONS, suppress_health_check=list(HealthCheck))
@given(values=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ALTERNATIVES.items()}))
def test_a_combination_is_read_back(process, values):
    assert process.apply(_read_back, [values]) == {}
