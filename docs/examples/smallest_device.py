"""The smallest device that keeps the contract: TensorFlow in place of a card, numbers rounded as it would."""

import time

import numpy as np
import tensorflow as tf

from conformance import locations
from conformance.devices.base import DeviceInfo, SessionBase
from conformance.devices.emulator.profile import read_profile
from conformance.devices.emulator.rewrite import emulate
from conformance.errors import UsageError


class SmallestSession(SessionBase):
    """One graph, compiled for these fetches. SessionBase makes it a context manager."""

    def __init__(self, graph, fetches):
        # TensorFlow's importer writes into what it gets, and others use the graph's nodes: import a copy.
        program = tf.Graph()
        with program.as_default():
            tf.import_graph_def(graph.copied_graph_def(), name="")
        self._session = tf.compat.v1.Session(graph=program)
        self._inputs, self._fetches = graph.inputs, fetches
        self.device_seconds = 0.0

    def run(self, feeds):
        """Return node name -> array; feeds are placeholder name -> float32 array."""
        if missing := set(self._inputs) - set(feeds):
            raise UsageError(f"feeds lack {', '.join(sorted(missing))}; feed {', '.join(self._inputs)}")
        # A fetch is the name of a node, without ":0"; its first output is returned under that name.
        tensors = {name: f"{name}:0" for name in self._fetches}
        started = time.perf_counter()
        results = self._session.run(tensors, {f"{name}:0": feeds[name] for name in self._inputs})
        self.device_seconds = time.perf_counter() - started  # of a card: its own time, without the host's
        # Results belong to the caller: no memory that the next run writes to, and no feed.
        return {name: np.array(value) for name, value in results.items()}

    def close(self):
        """Free the graph; a session may be closed twice, and TensorFlow's takes that."""
        self._session.close()


class SmallestDevice:
    """Is the factory, too: its arguments would be the ``--device-option KEY=VALUE`` that are given."""

    def info(self):
        """Return what the device is; simulated is False only where a card computes the results."""
        return DeviceInfo("smallest", "TensorFlow", simulated=True, framework=f"tensorflow {tf.__version__}")

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        """Compile a graph; here, rewrite it to the numerics of the precision: a card has them of its own."""
        for name in fetches:
            if name not in graph.nodes:  # a sentence for the user instead of TensorFlow's KeyError
                raise UsageError(f"node {name!r} is not in {graph.source}; fetch one that is")
        profile = read_profile(locations.IDEAL, locations.DEVICES)
        rewritten = emulate(graph, fetches, precision=precision, scales=scales, profile=profile, fuse=fuse)
        return SmallestSession(rewritten.graph, fetches)

    def close(self):
        """Free the device; nothing is held here, so a second call is harmless."""
