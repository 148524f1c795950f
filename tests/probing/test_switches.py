"""What a probe reads of an emulator is its profile, switch by switch; each value in test_every_profile.py."""

import pytest
from probing.probing_devices import read_back

from conformance.devices.emulator.profile import ALTERNATIVES
from conformance.probing.questions import QUESTIONS


def test_every_switch_has_a_question():
    assert sorted(question.switch for question in QUESTIONS) == sorted(ALTERNATIVES)


@pytest.mark.parametrize("which", [0, -1], ids=["the first values", "the last values"])
def test_all_switches_are_read_back_at_once(which):
    values = {switch: values[which] for switch, values in ALTERNATIVES.items()}
    assert read_back(values) == {}
