"""A device that computes as an ideal one, so that a test decides alone what it does wrong."""

import numpy as np

from conformance.devices.base import DeviceInfo, DeviceRequest, SessionBase, Unsupported
from conformance.devices.registry import open_device
from conformance.graph.cut import PREFIX


class RightDevice:
    """Right at every node, but for what ``change`` makes of it.

    Args:
        store: the goldens.
        change: takes the name of a fetch, its result, and the session; returns another, or raises.
        opening: called with the precision when a session is opened.

    Attributes:
        runs: how often a session was run.
    """

    def __init__(self, store, change=lambda _, result, __: result, opening=lambda _: None):
        self.store, self.change, self.opening, self.runs = store, change, opening, 0

    def info(self):
        return DeviceInfo(kind="golden", model="none", simulated=True)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        assert scales.bits == precision.fixed_bits
        assert fuse
        self.opening(precision)
        ideal = open_device(DeviceRequest("emulator", "ideal"))
        return RightSession(
            self, graph, fetches, precision, ideal.open(graph, fetches, precision=precision, scales=scales)
        )

    def close(self):
        pass


class RightSession(SessionBase):
    """A session of it.

    Attributes:
        graph, fetches, precision: what it was opened for.
        sample: the one that runs.
    """

    device_seconds = 1.0

    def __init__(self, device, graph, fetches, precision, ideal):
        self.device, self.graph, self.fetches, self.precision = device, graph, tuple(fetches), precision
        self._ideal = ideal
        self.problems, self.incidents, self.sample = {}, [], -1

    def run(self, feeds):
        self.device.runs += 1
        self.sample = self._sample(feeds)
        results = self._ideal.run(feeds)
        made = {name: self.device.change(name, np.array(results[name]), self) for name in self.fetches}
        return {name: value for name, value in made.items() if value is not None}

    def _sample(self, feeds):
        """Return the sample whose inputs and goldens most of the feeds are: others are no goldens."""
        return max(range(self.device.store.network.samples), key=lambda sample: self._alike(feeds, sample))

    def _alike(self, feeds, sample):
        store = self.device.store
        known = {**store.network.feeds(sample)}
        return sum(
            np.array_equal(
                value, known[name] if name in known else store.get(name.removeprefix(PREFIX), sample)
            )
            for name, value in feeds.items()
        )


class HostingTypes(RightDevice):
    """Leaves operator types to the host, not single nodes, as a card does.

    Attributes:
        hosted: what is left to the host.
    """

    hosted = frozenset()

    def hosting(self, hosted):
        if hosted.nodes:
            raise Unsupported("single nodes cannot be left to the host")
        other = type(self)(self.store, self.change, self.opening)
        other.hosted = hosted.operators
        return other


def at(node, change):
    """Return a change of one node's result."""
    return lambda name, result, _: change(result) if name == node else result
