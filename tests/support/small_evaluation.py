"""The small network with goldens: what is expected on it, and a device on it."""

from support.kept_network import kept_network
from support.right_device import right_device

from conformance import locations
from conformance.evaluation.evaluation import Evaluation
from conformance.expected.expectations import Expectations
from conformance.judging.bounds import read_margins


def expectations():
    """Return what every device is held to on the small network."""
    return Expectations(kept_network().store, read_margins(locations.MARGINS))


def evaluate(device=None, nodes=None, **options):
    """Return an evaluation of a device at the key nodes of the small network."""
    expected = expectations()
    chosen = nodes or [node.name for node in expected.store.manifest.key]
    return Evaluation(device or right_device(), expected, chosen, **options)
