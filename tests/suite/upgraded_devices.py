"""Upgrades of the emulator that say nothing of themselves but a new driver, for ``--device``.

The baseline is the emulator of the MLU270 as ``suite.upgraded_devices:Baseline``; every other one differs
from it in one thing.
"""

import dataclasses
from pathlib import Path

import numpy as np
from suite.faulty_devices import FaultySession, touching

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile

CONVOLUTION = "wide/Conv2D"


class Baseline:
    """The emulator as it is, with the name and the driver of something that can be upgraded."""

    DRIVER, PROFILE = "4.20.6", "mlu270"

    def __init__(self):
        self._inner = EmulatorDevice(read_profile(self.PROFILE, locations.DEVICES))

    def info(self):
        return dataclasses.replace(self._inner.info(), kind="upgraded", driver=self.DRIVER, profile="mlu270")

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return FaultySession(session, self.fault(precision))

    def fault(self, precision):  # noqa: ARG002 - others ask
        return lambda results: results

    def close(self):
        self._inner.close()


class Unchanged(Baseline):
    DRIVER = "4.20.11"


class OtherOrder(Unchanged):
    """Sums in one pass where the baseline sums axis by axis."""

    PROFILE = "mlu270,reduction_order=one-pass"


class SumsInFloat32(Unchanged):
    """Keeps running sums in float32 where the baseline keeps them in half."""

    PROFILE = "mlu270,reduction_sum=fp32"


class WrongConvolution(Unchanged):
    """One convolution is a tenth too large at int8."""

    def fault(self, precision):
        wrong = touching(lambda value: value * np.float32(1.1), CONVOLUTION)
        return wrong if precision.fixed_bits == 8 else super().fault(precision)


class EveryThirdRun(Unchanged):
    """Errs in the first of three runs; a file in the working directory counts them."""

    def __init__(self):
        super().__init__()
        counter = Path("runs-so-far")
        self._wrong = not counter.exists()
        counter.touch()

    def fault(self, precision):
        if self._wrong and precision.fixed_bits == 8:
            return touching(lambda value: value * np.float32(1.1), CONVOLUTION)
        return super().fault(precision)


class Thermometer(Unchanged):
    """Tells its temperature before the run, and breaks when it is asked again."""

    def __init__(self):
        super().__init__()
        self._temperatures = iter([41.0])

    def state(self):
        return {"temperature_celsius": next(self._temperatures)}
