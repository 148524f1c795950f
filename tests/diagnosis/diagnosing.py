"""A diagnosis in one call."""

from diagnosis.planted_network import expectations, planted_store

from conformance.diagnosis.engine import Diagnosing
from conformance.diagnosis.forward_passes import ForwardPasses
from conformance.diagnosis.report import lines
from conformance.precision import parse_precision

CONFIRMING = 1
"""ForwardPasses on the other sample of a network of two, where what is recommended holds there, too."""


def diagnosed(device, precision, store=None, sample=0):
    """Return the diagnosis of a device, by default on the network that faults are planted in."""
    passes = ForwardPasses(device, expectations(store or planted_store()), sample)
    return Diagnosing(passes, parse_precision(precision)).result()


def report(diagnosis, store=None):
    """Return the report as one text."""
    return "\n".join(lines(diagnosis, (store or planted_store()).network.acceptance))
