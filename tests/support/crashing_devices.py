"""Devices that end their process in one way or another, for ``--isolate``; they compute without TensorFlow.

Nodes mean what they are called: all of them return the feed ``x``, except those that :data:`FAULTS` names.
"""

import ctypes
import os
import signal
import sys
import time

import numpy as np

from conformance.devices.base import DeviceError, DeviceInfo, SessionBase, Unsupported
from conformance.errors import UsageError


def _raise(error):
    raise error


FAULTS = {
    "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exit": lambda: os._exit(5),
    "system-exit": lambda: sys.exit(6),
    "hang": lambda: ctypes.PyDLL(None).sleep(600),
    "refuse": lambda: _raise(DeviceError("the card is hot")),
    "silent": lambda: _raise(DeviceError()),
    "unsupported": lambda: _raise(Unsupported("no such operator")),
    "usage": lambda: _raise(UsageError("no such scale")),
    "error": lambda: _raise(ZeroDivisionError("division by zero")),
}
RESULTS = {
    "list": [1.0],
    "objects": np.array([object()]),
    "empty-words": np.array([""])[:0].astype("<U0"),
    "scalar": np.float32(3),
}
SECONDS = {"nan": float("nan"), "none": None, "negative": -1.0, "text": "1"}


def dies_at_mean():
    """Return a device that computes right but dies over the node ``norm/mean`` of the kept network."""
    from suite.faulty_devices import FaultyDevice, touching

    return FaultyDevice(touching(lambda _: FAULTS["segv"](), "norm/mean"))


class Session(SessionBase):
    device_seconds = 0.5

    def __init__(self, device, fetches):
        self._device, self._fetches = device, fetches
        self.notes = [f"note {name}" for name in fetches if name == "note"]
        self.problems = {name: Unsupported("declared") for name in fetches if name == "declared"}
        self.incidents = [f"incident {name}" for name in fetches if name == "incident"]

    def run(self, feeds):
        if "probe" in feeds:
            return {"sum": feeds["probe"] + np.float32(1.5)}
        for name in self._fetches:
            self._device.strike("run", name)
            self.device_seconds = SECONDS.get(name, self.device_seconds)
        if "no-mapping" in self._fetches:
            return list(feeds.values())
        kept = [name for name in self._fetches if name not in self.problems]
        return {name: RESULTS.get(name, feeds["x"]) for name in kept}

    def close(self):
        for name in self._fetches:
            self._device.strike("close", name)


class CrashingDevice:
    """A device that has a fault at one moment.

    Args:
        at: the moment: factory, info, open, run or close.
        fault: of :data:`FAULTS`; None takes it from a node's name at that moment.
    """

    def __init__(self, at="run", fault=None):
        self._at, self._fault = at, fault
        self.strike("factory", None)

    def strike(self, at, name):
        fault = self._fault or name
        if at == self._at and fault in FAULTS:
            os.write(2, f"about to {fault}\n".encode())
            FAULTS[fault]()

    def info(self):
        self.strike("info", None)
        return DeviceInfo(
            kind=7 if self._fault == "odd" else "crashing",
            model="C1",
            simulated=True,
            settings={"a": {"b": "c"}},
        )

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        self.asked = (graph, fetches, precision, scales, fuse)
        for name in fetches:
            self.strike("open", name)
        return Session(self, fetches)

    def close(self):
        time.sleep(0)
