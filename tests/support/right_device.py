"""A device that conforms at every precision."""

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile


def right_device(switches=""):
    """Return the ideal device, which with switches is right by another way."""
    return EmulatorDevice(read_profile(f"{locations.IDEAL}{switches}", locations.DEVICES))
