"""Devices that only workers may open, for ``--device suite.devices_of_workers:FACTORY``."""

import functools
import os

from suite.faulty_devices import FaultyDevice

from conformance import locations
from conformance.devices.base import DeviceInfo, DeviceLost
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile


def worker():
    """Return the worker's name; a controller has none, so it cannot open these devices."""
    return os.environ["PYTEST_XDIST_WORKER"]


class CardOfAWorker(FaultyDevice):
    """A card per worker, each with a serial number, a log, and ``firmware`` of its own."""

    def __init__(self, firmware="1.1.4", **options):
        super().__init__(**options)
        self._name, self._firmware = worker(), firmware

    def info(self):
        return DeviceInfo(
            kind="card", model="MLU270", simulated=True, firmware=self._firmware, serial=f"SN-{self._name}"
        )

    def keep_logs(self, directory):
        directory.mkdir(parents=True)
        (directory / "driver.log").write_text(f"log of {self._name}\n")


class UnlikeCard(CardOfAWorker):
    """Has another firmware in each worker, and cannot be closed."""

    def __init__(self):
        super().__init__(firmware=f"1.{worker()}")

    def close(self):
        raise RuntimeError("stuck")


class _Talking(EmulatorDevice):
    def open(self, *arguments, **options):
        session = super().open(*arguments, **options)
        session.notes = (*session.notes, "said by every session")
        return session


def talking():
    """Return the ideal device, whose sessions all say the same."""
    return _Talking(read_profile(locations.IDEAL, locations.DEVICES))


def _lose(_):
    raise DeviceLost("the card answers no more")


def _die(_):
    os._exit(7)


lost_at_int16 = functools.partial(CardOfAWorker, fault=_lose, at="int16")
dies_at_int16_fp32 = functools.partial(CardOfAWorker, fault=_die, at="int16-fp32")
