"""A device that returns goldens, so that a test decides alone what it does wrong; nothing is computed."""

import numpy as np

from conformance.devices.base import DeviceInfo, SessionBase, Unsupported
from conformance.graph.cut import PREFIX


class GoldenDevice:
    """Right at every node, but for what ``change`` makes of it.

    Args:
        store: the goldens.
        change: takes the name of a fetch, its golden, and the session; returns the result, or raises.
        opening: called with the precision when a session is opened.

    Attributes:
        runs: how often a session was run.
    """

    def __init__(self, store, change=lambda _, golden, __: golden, opening=lambda _: None):
        self.store, self.change, self.opening, self.runs = store, change, opening, 0

    def info(self):
        return DeviceInfo(kind="golden", model="none", simulated=True)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        assert scales.bits == precision.fixed_bits
        assert fuse
        self.opening(precision)
        return GoldenSession(self, graph, fetches, precision)

    def close(self):
        pass


class GoldenSession(SessionBase):
    """A session of it.

    Attributes:
        graph, fetches, precision: what it was opened for.
        sample: the one that runs.
    """

    device_seconds = 1.0

    def __init__(self, device, graph, fetches, precision):
        self.device, self.graph, self.fetches, self.precision = device, graph, tuple(fetches), precision
        self.problems, self.incidents, self.sample = {}, [], -1

    def run(self, feeds):
        self.device.runs += 1
        self.sample = self._sample(feeds)
        made = {name: self._made(name) for name in self.fetches}
        return {name: value for name, value in made.items() if value is not None}

    def _made(self, name):
        return self.device.change(name, np.array(self.device.store.get(name, self.sample)), self)

    def _sample(self, feeds):
        store = self.device.store
        for sample in range(store.network.samples):
            known = {**store.network.feeds(sample)}
            if all(
                np.array_equal(
                    value, known[name] if name in known else store.get(name.removeprefix(PREFIX), sample)
                )
                for name, value in feeds.items()
            ):
                return sample
        raise AssertionError("the feeds are of no sample")


class HostingTypes(GoldenDevice):
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
    """Return a change of one node's golden."""
    return lambda name, golden, _: change(golden) if name == node else golden
