"""Ways to put a fault into the emulator: each opens a session that has the fault at some nodes."""

import dataclasses
import functools

import numpy as np
from diagnosis.planting import dependents, planted, raw, transplanted

from conformance.devices.base import SessionBase
from conformance.devices.emulator.emulator import EmulatorSession
from conformance.devices.emulator.rewrite import EmulatedGraph, emulate
from conformance.errors import DeviceError
from conformance.graph.dataflow import tensor_types
from conformance.quantization.parameter_file import QuantizationScales


def rewritten(body):
    """Replace what the nodes compute; ``body`` is a fault as :func:`diagnosis.planting.planted` takes it."""

    def opened(base, graph, fetches, targets, *, scales, **options):
        keys = {
            f"{raw(node)}/{which}": f"{node}/{which}" for node in targets for which in ("input", "filter")
        }
        more = {key: scales.scales[known] for key, known in keys.items() if known in scales.scales}
        faulty = planted(graph, targets, body)
        return base.emulator.open(faulty, fetches, scales=_with(scales, more), **options)

    return opened


def _with(scales, more):
    return QuantizationScales(scales.bits, {**scales.scales, **more})


def truncated(base, graph, fetches, targets, *, scales, **options):
    """Truncate inputs and filters to fixed point, towards minus infinity, instead of rounding them."""

    def body(tf, node, right, x, filters):
        inward, inside = scales.scales[f"{node}/input"], scales.scales[f"{node}/filter"]
        lower = (np.floor(filters * inside) / inside).astype(np.float32)
        stride = x.shape[1] // right.shape[1]
        return tf.nn.conv2d(tf.floor(x * inward) / inward, lower, stride, "SAME")

    return base.emulator.open(planted(graph, targets, body), fetches, scales=scales, **options)


def scaled(factor):
    """Take the quantisation scale of the nodes' inputs times a factor."""

    def opened(base, graph, fetches, targets, *, scales, **options):
        wrong = {f"{node}/input": factor * scales.scales[f"{node}/input"] for node in targets}
        return base.emulator.open(graph, fetches, scales=_with(scales, wrong), **options)

    return opened


def switched(**changes):
    """Turn switches of the emulator at the nodes alone."""

    def opened(base, graph, fetches, targets, **options):
        other = dataclasses.replace(base.profile, **changes)
        emulated = functools.partial(emulate, graph, fetches, **options)
        mixed = transplanted(emulated(profile=base.profile).graph, emulated(profile=other).graph, targets)
        return EmulatorSession(lambda: EmulatedGraph(mixed, ()), fetches)

    return opened


def stale(base, graph, fetches, targets, **options):
    """Hand out at a node what the run before computed there; the first run of a session is right."""
    (node,) = targets
    shape = tensor_types(graph)[node][0].shape
    fetched = list(dict.fromkeys([*fetches, raw(node)]))
    session = base.emulator.open(planted(graph, targets, _delayed), fetched, **options)
    return StaleSession(session, node, np.zeros(shape, np.float32))


def _delayed(tf, _, right, *__):
    first = tf.compat.v1.placeholder(tf.bool, [], name="first")
    return tf.where(first, right, tf.compat.v1.placeholder(right.dtype, right.shape, name="before"))


class Wrapped(SessionBase):
    """A session of the emulator with something around it."""

    def __init__(self, session):
        self.session = session

    @property
    def device_seconds(self):
        return self.session.device_seconds

    def run(self, feeds):
        return self.session.run(feeds)

    def close(self):
        self.session.close()


class StaleSession(Wrapped):
    """Keeps what a node computed for the run that follows."""

    def __init__(self, session, node, zeros):
        super().__init__(session)
        self._node, self._before, self._first = node, zeros, True

    def run(self, feeds):
        kept = {f"{self._node}/planted/first": self._first, f"{self._node}/planted/before": self._before}
        results = super().run({**feeds, **kept})
        self._before, self._first = results.pop(raw(self._node)), False
        return results


def breaking(base, graph, fetches, targets, **options):
    """Go on without the nodes and without all that needs them, as a device that survives does."""
    lost = {name: f"the kernel of {name} hung" for name in targets}
    for node in targets:
        needs = f"not run, because it needs {node}, which failed: {lost[node]}"
        lost |= {name: needs for name in dependents(graph, node) if name not in lost}
    left = [name for name in fetches if name not in lost]
    if not left:
        raise DeviceError(next(iter(lost.values())))
    session = base.emulator.open(graph.prune(left), left, **options)
    problems = {name: DeviceError(lost[name]) for name in fetches if name in lost}
    return SurvivingSession(session, graph.prune(left).inputs, problems)


class SurvivingSession(Wrapped):
    """Runs what is left, and says of the rest why it is missing."""

    def __init__(self, session, inputs, problems):
        super().__init__(session)
        self._inputs, self.problems = inputs, problems

    def run(self, feeds):
        return super().run({name: feeds[name] for name in self._inputs})
