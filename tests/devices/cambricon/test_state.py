"""Clock, temperature and power of a card: read where a source tells them, left out where none does."""

import pytest
from devices.cambricon.test_cards import BUS, CNMON_4_9, CNMON_4_20, CNMON_INFO_5_10, PROC_4_9, Machine
from hypothesis import given
from hypothesis import strategies as st

from conformance.devices.cambricon.cards import Card
from conformance.devices.cambricon.state import card_state
from conformance.devices.cambricon.versions import cnmon_state


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "root")


def state(machine, index=0, bus=BUS[0]):
    return card_state(Card(index, None, bus=bus), machine.root, machine.run)


def test_driver_and_cnmon_tell_what_each_knows(machine):
    machine.add_card(0, BUS[0])
    machine.answers = {"cnmon": CNMON_4_9}
    assert state(machine) == {"clock_megahertz": 1000.0, "temperature_celsius": 41.0, "power_watts": 26.0}


def test_what_no_one_tells_is_left_out(machine):
    assert state(machine) == {}
    machine.add_card(0, BUS[0], PROC_4_9)
    assert state(machine) == {}
    assert state(machine, bus="") == {}
    machine.answers = {"cnmon": CNMON_INFO_5_10}
    assert state(machine) == {}


def test_every_card_has_its_own_line():
    assert cnmon_state(CNMON_4_20) == {0: {"temperature_celsius": 32.0, "power_watts": 30.0}}
    assert set(cnmon_state(CNMON_4_9)) == {0, 1}


@given(st.text())
def test_whatever_cnmon_prints_gives_figures_or_nothing(text):
    for figures in cnmon_state(text).values():
        assert all(isinstance(value, float) for value in figures.values())
