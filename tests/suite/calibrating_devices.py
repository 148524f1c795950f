"""Devices whose framework calibrates, rightly or not, for ``--device suite.calibrating_devices:FACTORY``."""

import functools

from conformance.devices.cpu import CpuDevice
from conformance.errors import DeviceError
from conformance.quantization.calibration import calibrate, largest_magnitudes
from conformance.quantization.parameter_file import QuantizationScales
from conformance.quantization.scale_rules import LARGEST, TWO_SIDED

KEY = "wide/Conv2D/filter"


class CalibratingDevice(CpuDevice):
    """Calibrates as this project does, by a rule, then changes the scales."""

    def __init__(self, change=lambda scales: scales, rule=LARGEST):
        self._change, self._rule = change, rule

    def calibrate(self, graph, fetches, samples, bits):
        assert fetches == ["out"]
        scales = calibrate(largest_magnitudes(graph, samples), bits, self._rule)
        return QuantizationScales(bits=bits, scales=self._change(dict(scales.scales)))


def _crash(_):
    raise DeviceError("the session did not close")


sixth_digit = functools.partial(CalibratingDevice, lambda scales: scales | {KEY: scales[KEY] * (1 + 5e-6)})
fifth_digit = functools.partial(CalibratingDevice, lambda scales: scales | {KEY: scales[KEY] * (1 + 5e-5)})
without_one = functools.partial(
    CalibratingDevice, lambda scales: {k: v for k, v in scales.items() if k != KEY}
)
two_sided = functools.partial(CalibratingDevice, rule=TWO_SIDED)
one_of_another_rule = functools.partial(
    CalibratingDevice, lambda scales: scales | {KEY: scales[KEY] * (128 / 127)}
)
crashing = functools.partial(CalibratingDevice, _crash)
