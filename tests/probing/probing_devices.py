"""Emulators that are probed, and what must come out."""

import dataclasses

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import ALTERNATIVES, read_profile
from conformance.precision import parse_precision
from conformance.probing.answers import answers
from conformance.probing.measuring import measured
from conformance.probing.questions import EXPERIMENTS

BASE = read_profile("mlu270", locations.DEVICES)
FEW = [parse_precision(name) for name in ("int8-fp16", "int16-fp32")]
"""Between them, these two show every switch."""


def emulator_of(values):
    """Return an emulator whose switches have these values, others those of mlu270."""
    return EmulatorDevice(dataclasses.replace(BASE, **values))


def read_back(values, precisions=FEW):
    """Return the switches that a probe reads otherwise than they are: their values, and what was read."""
    device = emulator_of(values)
    found = answers([measured(device, precision, EXPERIMENTS) for precision in precisions])
    whole = {switch: getattr(BASE, switch) for switch in ALTERNATIVES} | values
    return {
        answer.switch: (whole[answer.switch], answer.values)
        for answer in found
        if answer.values != alike(answer.switch, whole)
    }


def alike(switch, values):
    """Return the values of a switch with which every device gives the same results, in their order."""
    if switch == "half_products" and values["half_rounding"] == "toward-zero":
        return list(ALTERNATIVES[switch])
    return [values[switch]]
