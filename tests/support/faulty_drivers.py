"""Devices whose arithmetic is right and whose driver does one thing wrong, for the device contract.

Each comes with the clauses that it breaks. What ``suite.faulty_devices`` holds returns wrong results instead.
"""

import dataclasses
import functools
import time

import numpy as np
import pytest
from suite.faulty_devices import NODE, OTHER, FaultyDevice, FaultySession
from support.right_device import right_device

from conformance.devices.base import DeviceError, DeviceInfo, Unsupported
from conformance.devices.contract.network import OUTPUTS
from conformance.errors import UsageError
from conformance.quantization.parameter_file import QuantizationScales

FACTORIES = {}
BREAKS = {}
RUNS = ("session", "results", "layers", "inner", "order")
USES_OUTPUTS = ("whole", "batch", "alternate", "reopen", "recovery")


def breaks(*clauses, arguments=()):
    """Keep a factory of devices, or of the sessions of one, with the clauses that these break."""

    def keep(made):
        name = "-".join([made.__name__, *map(repr, arguments)])
        make = functools.partial(Driver, made) if issubclass(made, Session) else made
        FACTORIES[name] = functools.partial(make, *arguments)
        BREAKS[name] = set(clauses)
        return made

    return keep


class Session(FaultySession):
    """A session of the inner device, with what it was opened for at hand."""

    def __init__(self, session, graph, fetches, *, fuse):
        super().__init__(session, self.altered)
        self.graph, self.fetches, self.fuse = graph, tuple(fetches), fuse

    def altered(self, results):
        return results


class Driver(FaultyDevice):
    """A device that conforms, in pieces that can be replaced one at a time."""

    def __init__(self, session=Session, inner=right_device):
        super().__init__(inner=inner)
        self._session = session

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = self.opened(graph, fetches, precision, scales)
        return self._session(session, graph, fetches, fuse=fuse)

    def opened(self, graph, fetches, precision, scales):
        return self._inner.open(graph, fetches, precision=precision, scales=scales)


def doubled(results, name):
    return results | {name: 2 * results[name]}


# What a device says of itself


@breaks("info")
class Restless(Driver):
    """Says another version each time."""

    asked = 0

    def info(self):
        self.asked += 1
        return DeviceInfo(kind="faulty", model="CPU", simulated=True, driver=str(self.asked))


@breaks("info", arguments=["simulated", 1])
@breaks("info", arguments=["model", " "])
@breaks("info", arguments=["driver", None])
class Incomplete(Driver):
    def __init__(self, field, value):
        super().__init__()
        self._changed = {field: value}

    def info(self):
        return dataclasses.replace(super().info(), **self._changed)


@breaks("close")
class ClosedOnce(Driver):
    closed = False

    def close(self):
        if self.closed:
            raise DeviceError("it is closed already")
        self.closed = True


# Sessions as such


@breaks("session")
class Swallowing(Session):
    def __exit__(self, *error):
        self.close()
        return True


@breaks("session")
class EnteredElsewhere(Session):
    def __enter__(self):
        return None


@breaks("session")
class SessionClosedOnce(Session):
    closed = False

    def close(self):
        if self.closed:
            raise ValueError("it is closed already")
        self.closed = True


@breaks("seconds")
class Clockless(Session):
    @property
    def device_seconds(self):
        raise DeviceError("the clock has stopped")


@breaks(*RUNS, *USES_OUTPUTS)
class Troubled(Session):
    incidents = ("the worker was started again",)


# Runs


@breaks("keeps")
class OneBuffer(Session):
    """Returns its own memory, which the next run writes."""

    buffers = None

    def altered(self, results):
        if self.buffers is None:
            self.buffers = {name: value.copy() for name, value in results.items()}
        for name, value in results.items():
            self.buffers[name][...] = value
        return dict(self.buffers)


@breaks("repeats")
class Wandering(Session):
    """Never computes the same bits twice, however little they differ."""

    random = np.random.default_rng(0)

    def altered(self, results):
        noise = np.float32(self.random.uniform(1e-6, 2e-6))
        return results | ({NODE: results[NODE] + noise} if NODE in results else {})


@breaks("feeds")
class Writing(Session):
    """Wants feeds that it may write, and leaves them as they were."""

    def run(self, feeds):
        for value in feeds.values():
            value[...] += 0
        return super().run(feeds)


@breaks("missing feed")
class Remembering(Session):
    """Computes on what it was fed before when a feed is missing."""

    def run(self, feeds):
        self.fed = {**getattr(self, "fed", {}), **feeds}
        return super().run(self.fed)


@breaks("missing feed")
class Unspoken(Session):
    """Lets a Python error out when a feed is missing."""

    def run(self, feeds):
        return super().run({name: feeds[name] for name in self.graph.inputs})


@breaks("batch")
class OneRow(Session):
    """Was compiled for one row, and leaves the others as they happen to be."""

    def altered(self, results):
        whole = {name: value.copy() for name, value in results.items()}
        for value in whole.values():
            value[1:] = 0
        return whole


@breaks("order")
class ByPosition(Session):
    """Returns results in the graph's order under the names in the order of fetching."""

    def altered(self, results):
        values = (results[name] for name in self.graph.nodes if name in results)
        return dict(zip(self.fetches, values, strict=True))


@breaks("inner")
class InPlace(Session):
    """Computes the relu where its input lies, unless that was fed."""

    def altered(self, results):
        in_place = OTHER in results and f"golden/{OTHER}" not in self.graph.nodes
        return results | ({OTHER: np.maximum(results[OTHER], 0)} if in_place else {})


@breaks("layers")
class OtherKernels(Session):
    """Has another library of kernels for layer by layer, with a mistake in it."""

    def altered(self, results):
        return results if self.fuse else doubled(results, "score")


@breaks(*USES_OUTPUTS)
class WrongFusion(Session):
    """Fuses too much when only outputs are fetched."""

    def altered(self, results):
        return doubled(results, "out") if self.fuse and self.fetches == OUTPUTS else results


@breaks("results", "inner", "order")
class Partial(Session):
    """Goes on without a node, and says why."""

    @property
    def problems(self):
        return {NODE: DeviceError("the kernel hung")}

    def altered(self, results):
        return {name: value for name, value in results.items() if name != NODE}


@breaks(
    *RUNS,
    *USES_OUTPUTS,
    "values",
    "precision",
    "seconds",
    "samples",
    "repeats",
    "keeps",
    "feeds",
    "missing feed",
)
class Skipping(Session):
    """Skips the test that it runs in."""

    def run(self, _):
        pytest.skip("not today")


# Opening


@breaks("values", "precision", "samples", "whole", "layers")
class WrongScales(Driver):
    """Takes the scales of 16 bits for 8 bits too, so that every number is clamped to its sign."""

    def __init__(self):
        super().__init__(inner=right_device)

    def opened(self, graph, fetches, precision, scales):
        factor = 256 if precision.fixed_bits == 8 else 1
        wrong = {key: factor * scale for key, scale in scales.scales.items()}
        return super().opened(graph, fetches, precision, QuantizationScales(scales.bits, wrong))


class Loaded(Session):
    """Runs the program that the device holds, whichever that is."""

    def run(self, feeds):
        return self.device.loaded.run(feeds)


@breaks("alternate")
class OneProgram(Driver):
    """Has room for one program, and forgets the one before."""

    def __init__(self):
        super().__init__(type("LoadedHere", (Loaded,), {"device": self}), inner=right_device)

    def opened(self, *arguments):
        self.loaded = super().opened(*arguments)
        return self.loaded


class Counted(Session):
    """Counts its runs on the device."""

    def run(self, feeds):
        self.device.runs += 1
        return super().run(feeds)


@breaks("beside")
class OneThread(Driver):
    """Says that it runs ahead, but opens nothing while it runs."""

    runs_ahead, runs = True, 0

    def __init__(self):
        super().__init__(type("CountedHere", (Counted,), {"device": self}), inner=right_device)

    def opened(self, *arguments):
        before = self.runs
        session = super().opened(*arguments)
        time.sleep(0.2)
        if self.runs != before:
            raise DeviceError("busy")
        return session


@breaks("reopen")
class Worn(Driver):
    """Cannot load one program three times in a row."""

    last, times = None, 0

    def opened(self, graph, fetches, precision, scales):
        wanted = (tuple(fetches), precision)
        self.last, self.times = wanted, self.times + 1 if wanted == self.last else 1
        if self.times > 2:
            raise MemoryError("no handle left")
        return super().opened(graph, fetches, precision, scales)


@breaks("unknown fetch")
class Dropping(Driver):
    """Leaves out what the graph lacks."""

    def opened(self, graph, fetches, precision, scales):
        return super().opened(graph, [name for name in fetches if name in graph.nodes], precision, scales)


@breaks("unknown fetch", arguments=[KeyError])
@breaks("unknown fetch", arguments=[Unsupported])
@breaks("unknown fetch", arguments=[SystemExit])
class Refusing(Driver):
    """Refuses what the graph lacks in a way that tells the user nothing."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    def opened(self, *arguments):
        try:
            return super().opened(*arguments)
        except UsageError:
            raise self._error("no/such/node") from None


@breaks("missing feed", "recovery")
class Stuck(Driver):
    """Opens nothing any more after one failure."""

    stuck = False

    def opened(self, *arguments):
        if self.stuck:
            raise DeviceError("the queue is stuck")
        self.stuck = True
        session = super().opened(*arguments)
        self.stuck = False
        return session


@breaks("arguments")
class Annotating(Driver):
    """Writes into the graph, as TensorFlow's importer does."""

    def opened(self, graph, *arguments):
        session = super().opened(graph, *arguments)
        next(iter(graph.nodes.values())).attr["_seen"].b = True
        return session


@breaks("arguments")
class Consuming(Driver):
    """Empties the scales that it is given."""

    def opened(self, graph, fetches, precision, scales):
        session = super().opened(graph, fetches, precision, scales)
        scales.scales.clear()
        return session
