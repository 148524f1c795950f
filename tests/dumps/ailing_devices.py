"""Devices that say what is wrong with them, for ``--device dumps.ailing_devices:FACTORY``."""

from __future__ import annotations

import functools

from conformance.devices.base import DeviceError, DeviceInfo, SessionBase, Unsupported
from conformance.devices.cpu import CpuDevice

NODE = "wide/Conv2D"


class AilingSession(SessionBase):
    """Stock TensorFlow without one node, and with what it says of that."""

    def __init__(self, session, problems, incidents):
        self._session, self.problems, self.incidents = session, problems, incidents

    @property
    def device_seconds(self):
        return self._session.device_seconds

    def run(self, feeds):
        results = self._session.run(feeds)
        return {name: value for name, value in results.items() if name not in self.problems}

    def close(self):
        self._session.close()


class AilingDevice:
    """A device whose sessions have these problems and incidents."""

    def __init__(self, problems=None, incidents=(), kind="ailing"):
        self._inner, self._problems, self._incidents = CpuDevice(), problems or {}, incidents
        self._kind = kind

    def info(self):
        return DeviceInfo(kind=self._kind, model="A", simulated=True)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return AilingSession(session, self._problems, self._incidents)

    def close(self):
        self._inner.close()


broken_node = functools.partial(AilingDevice, {NODE: DeviceError("the kernel hung")})
unsupported_node = functools.partial(AilingDevice, {NODE: Unsupported("Conv2D of 256 channels")})
restarted = functools.partial(AilingDevice, incidents=("the worker was started again",))
card = functools.partial(AilingDevice, kind="cambricon")
