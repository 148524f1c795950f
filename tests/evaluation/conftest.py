"""The small network with goldens, and an evaluation of a device on it."""

from __future__ import annotations

import pytest
from support.kept_network import kept_network

from conformance import locations
from conformance.devices.cpu import CpuDevice
from conformance.evaluation.evaluation import Evaluation
from conformance.judging.bounds import read_margins


@pytest.fixture
def evaluate():
    """Return an evaluation of a device at the key nodes of the small network."""

    def make(device=None, nodes=None):
        kept = kept_network()
        store = kept.store
        chosen = nodes or [node.name for node in store.manifest.key]
        return Evaluation(device or CpuDevice(), store, read_margins(locations.MARGINS), chosen)

    return make
