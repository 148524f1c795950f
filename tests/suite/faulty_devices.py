"""Devices that do one thing wrong, for ``--device suite.faulty_devices:FACTORY``.

Each wraps a device that conforms: the emulator of ideal arithmetic.
"""

import ctypes
import functools
import os
import types

import numpy as np
from support.right_device import right_device

from conformance.devices.base import DeviceError, DeviceInfo, SessionBase, Unsupported

NODE = "wide/Conv2D"  # 256 channels
OTHER = "wide/bias"  # of the same shape
CHANNEL = 200


class FaultyDevice:
    """A device whose results pass through ``fault`` (if fetched), at these precisions only."""

    def __init__(
        self, fault=lambda results: results, *, inner=right_device, at=("int8", "int16"), opening=None
    ):
        self._inner, self._fault, self._at = inner(), fault, at
        self._opening = opening or (lambda: None)

    def info(self):
        return DeviceInfo(kind="faulty", model="CPU", simulated=True)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        if str(precision).startswith(self._at):
            self._opening()
            return FaultySession(session, self._fault)
        return session

    def close(self):
        self._inner.close()


class FaultySession(SessionBase):
    def __init__(self, session, fault):
        self._session, self._fault = session, fault

    @property
    def device_seconds(self):
        return self._session.device_seconds

    def run(self, feeds):
        return self._fault(self._session.run(feeds))

    def close(self):
        self._session.close()


def touching(change, node=NODE):
    """Return a fault that changes one node's array where it is fetched."""

    def fault(results):
        return results | ({node: change(results[node])} if node in results else {})

    return fault


def faulty(change, **options):
    """Return a factory of devices that change ``NODE``."""
    return functools.partial(FaultyDevice, touching(change), **options)


def _with(value, index, new):
    changed = value.copy()
    changed[index] = new
    return changed


def _without(results, node):
    return {name: value for name, value in results.items() if name != node}


def _swapped(results):
    if NODE not in results:
        return results
    return results | {NODE: results[OTHER], OTHER: results[NODE]}


def _noisy(scale):
    return lambda value: value + np.random.default_rng(0).normal(0, scale, value.shape).astype(np.float32)


# Results that are wrong

doubled = faulty(lambda value: 2 * value)
doubled_at_int16_fp32 = faulty(lambda value: 2 * value, at="int16-fp32")
dropped = functools.partial(FaultyDevice, lambda results: _without(results, NODE))
zero_channel = faulty(lambda value: _with(value, (..., CHANNEL), 0))
shifted_rows = faulty(lambda value: np.roll(value, 1, axis=1))
one_nan = faulty(lambda value: _with(value, (0, 1, 2, 3), np.nan))
one_infinity = faulty(lambda value: _with(value, (0, 1, 2, 3), np.inf))
swapped = functools.partial(FaultyDevice, _swapped)
integers = faulty(lambda value: np.round(value).astype(np.int32))
without_batch = faulty(lambda value: value[0])
broadcastable = faulty(lambda value: value[..., :1])
transposed = faulty(lambda value: value.transpose(0, 2, 1, 3).reshape(value.shape))
one_row_less = faulty(lambda value: value[:, 1:])
empty = faulty(lambda value: value[:0])
a_list = faulty(lambda value: value.tolist())
nothing = faulty(lambda _: None)
objects = faulty(lambda value: value.astype(object))
huge_doubles = faulty(lambda value: np.full(value.shape, 1e300))
zeroed = faulty(np.zeros_like)
a_million_times = faulty(lambda value: 1_000_000 * value)
noisy = faulty(_noisy(0.1))
barely_noisy = faulty(_noisy(1e-2))


class _Stale:
    """Hands out what the run before computed."""

    def __init__(self, node=None):
        self._node, self._last = node, None

    def __call__(self, results):
        last, self._last = self._last or results, results
        if self._node is None:
            return last
        return results | ({self._node: last[self._node]} if self._node in results else {})


class StaleDevice(FaultyDevice):
    """A device with one memory for each session."""

    def __init__(self, node=None):
        super().__init__()
        self._node = node

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return FaultySession(session, _Stale(self._node))


stale = StaleDevice
stale_node = functools.partial(StaleDevice, NODE)

# Devices that break, or say that they cannot


def _raise(error):
    raise error


crash_in_open = functools.partial(FaultyDevice, opening=lambda: _raise(RuntimeError("no such firmware")))
crash_in_run = functools.partial(FaultyDevice, lambda _: _raise(DeviceError("the card fell off the bus")))
crash_at_int8_fp16 = functools.partial(FaultyDevice, lambda _: _raise(ZeroDivisionError()), at="int8-fp16")
exit_in_run = functools.partial(FaultyDevice, lambda _: _raise(SystemExit(0)))
unsupported = functools.partial(FaultyDevice, opening=lambda: _raise(Unsupported("no such precision")))
unsupported_int8 = functools.partial(
    FaultyDevice, opening=lambda: _raise(Unsupported("int8 is not offered")), at="int8"
)
no_mapping = functools.partial(FaultyDevice, lambda results: list(results.values()))
read_only_mapping = functools.partial(FaultyDevice, types.MappingProxyType)
extra_outputs = functools.partial(FaultyDevice, lambda results: results | {"more": np.zeros(3)})


class ScribblingDevice(FaultyDevice):
    """Writes into what it is fed."""

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return ScribblingSession(session, lambda results: results)


class ScribblingSession(FaultySession):
    def run(self, feeds):
        results = super().run(feeds)
        for value in feeds.values():
            value[...] = 0
        return results


class TimelessDevice(FaultyDevice):
    """Says that a run took ``seconds``."""

    def __init__(self, seconds):
        super().__init__()
        self._seconds = seconds

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = super().open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        timeless = type("Timeless", (FaultySession,), {"device_seconds": self._seconds})
        return timeless(session, self._fault)


no_number = functools.partial(TimelessDevice, float("nan"))
no_time = functools.partial(TimelessDevice, 0.0)


class UnclosableDevice(FaultyDevice):
    def close(self):
        raise RuntimeError("stuck")


# Factories that fail


def broken_factory():
    raise OSError("no driver")


def no_device():
    return object()


class NamelessDevice(FaultyDevice):
    def info(self):
        return {"kind": "faulty"}


class SilentDevice(FaultyDevice):
    def info(self):
        raise RuntimeError("mute")


# Faults of the whole network as it ships: its one output, and its time


def faulty_output(change, **options):
    """Return a factory of devices that change the network's output."""
    return functools.partial(FaultyDevice, touching(change, "out"), **options)


upside_down = faulty_output(lambda value: value[:, ::-1])
output_nan = faulty_output(lambda value: _with(value, (0, 0, 0, 0), np.nan))
output_dropped = functools.partial(FaultyDevice, lambda results: _without(results, "out"))
without_image = faulty_output(np.zeros_like)
output_too_large = faulty_output(lambda value: value + np.float32(0.002))
output_larger_by_a_third = faulty_output(lambda value: value * np.float32(4 / 3))
output_smaller_by_a_third = faulty_output(lambda value: value * np.float32(2 / 3))
output_larger_by_a_little = faulty_output(lambda value: value * np.float32(1.005))
output_a_million_times = faulty_output(lambda value: 1_000_000 * value)


# Faults where the project's own waivers cover another one


def _all_of(node, factor):
    return functools.partial(FaultyDevice, touching(lambda value: value * np.float32(factor), node))


zeroed_at_AvgPool = _all_of("MobilenetV1/Logits/AvgPool", 0)  # noqa: N816 - named after the node
zeroed_at_answer = _all_of("answer", 0)
a_million_times_at_AvgPool = _all_of("MobilenetV1/Logits/AvgPool", 1e6)  # noqa: N816
a_million_times_at_answer = _all_of("answer", 1e6)


class TiringDevice(FaultyDevice):
    """Breaks in the third run of a session."""

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        runs = iter(range(2))

        def fault(results):
            if next(runs, None) is None:
                raise DeviceError("overheated")
            return results

        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return FaultySession(session, fault)


# Faults that end the process as if all were well

leaves_by_c = functools.partial(FaultyDevice, lambda _: ctypes.CDLL(None).exit(0))
leaves_by_python = functools.partial(FaultyDevice, lambda _: os._exit(0))
