"""Devices that say what is wrong with them, for ``--device dumps.ailing_devices:FACTORY``."""

import functools

from suite.faulty_devices import NODE, FaultyDevice, FaultySession

from conformance.devices.base import DeviceError, DeviceInfo, Unsupported


class AilingDevice(FaultyDevice):
    """Stock TensorFlow whose sessions lack some nodes, and have these problems and incidents."""

    def __init__(self, problems=None, incidents=(), kind="ailing"):
        super().__init__()
        self._problems, self._incidents, self._kind = problems or {}, incidents, kind

    def info(self):
        return DeviceInfo(kind=self._kind, model="A", simulated=True)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        def without(results):
            return {name: value for name, value in results.items() if name not in self._problems}

        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        ailing = FaultySession(session, without)
        ailing.problems, ailing.incidents = self._problems, self._incidents
        return ailing


broken_node = functools.partial(AilingDevice, {NODE: DeviceError("the kernel hung")})
unsupported_node = functools.partial(AilingDevice, {NODE: Unsupported("Conv2D of 256 channels")})
restarted = functools.partial(AilingDevice, incidents=("the worker was started again",))
card = functools.partial(AilingDevice, kind="cambricon")
