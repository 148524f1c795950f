"""A diagnosis in one call."""

from __future__ import annotations

import gc

from diagnosis.planted_network import expectations, planted_store

from conformance.diagnosis.engine import Diagnosing
from conformance.diagnosis.forwards import Forwards
from conformance.diagnosis.report import lines
from conformance.precision import parse_precision

CONFIRMING = 1
"""Forwards on the other sample of a network of two, where what is recommended holds there, too."""


def diagnosed(device, precision, store=None, sample=0):
    """Return the diagnosis of a device, by default on the network that faults are planted in."""
    forwards = Forwards(device, expectations(store or planted_store()), sample)
    diagnosis = Diagnosing(forwards, parse_precision(precision)).result()
    gc.freeze()  # what is left is TensorFlow's and stays; each session that is closed looks through the rest
    return diagnosis


def report(diagnosis, store=None):
    """Return the report as one text."""
    return "\n".join(lines(diagnosis, (store or planted_store()).network.acceptance))
