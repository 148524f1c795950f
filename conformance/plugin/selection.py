"""Which cases a run has: parametrisation from the golden manifest, without TensorFlow."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import pytest

from conformance import locations
from conformance.errors import ConformanceError
from conformance.goldens import GoldenStore, Manifest
from conformance.graph.selection import select_nodes
from conformance.networks import Network, find_network
from conformance.plugin.options import SETTINGS, Settings
from conformance.plugin.processes import is_worker
from conformance.plugin.stopping import stop
from conformance.precision import PRECISIONS, Precision

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILURE = pytest.StashKey["ConformanceError | OSError"]()
PLAN = pytest.StashKey["Plan"]()
PRECISION_MARKERS = ("int8", "int16", "fp16", "fp32")
OWN, PER_PRECISION = "own_case", "precision"
ORDER = ("own", "chained", "fused", "calibration", "benchmark")
"""Kinds of suite tests by marker, in the order in which they run: the finest judgement first, speed last."""


class Plan:
    """The network that a run judges, its goldens' manifest, and the chosen nodes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        network = (
            Network(settings.network_path)
            if settings.network_path
            else find_network(settings.network, locations.NETWORKS)
        )
        self.network: Network = network.with_weights(settings.weights) if settings.weights else network

    @functools.cached_property
    def store(self) -> GoldenStore:
        """The goldens; of a user's weights they are made here, with scales and bounds, when first needed."""
        store = GoldenStore(self.network, self.settings.golden_dir)
        if self.settings.weights:
            from conformance.preparation import prepare

            prepare(store)
        return store

    @property
    def manifest(self) -> Manifest:
        """The manifest of the goldens."""
        return self.store.manifest

    @functools.cached_property
    def nodes(self) -> list[str]:
        """The judged nodes, producers first.

        Raises:
            UsageError: ``--nodes`` matches none.
        """
        return select_nodes(self.settings.nodes, self.manifest.nodes, self.network.name)


def plan_of(config: pytest.Config) -> Plan:
    """Return the plan of this run, made when first asked for."""
    if PLAN not in config.stash:
        config.stash[PLAN] = Plan(config.stash[SETTINGS])
    return config.stash[PLAN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every suite test its cases, one per precision; own errors also one per node."""
    if not any(mark.name == "mlu" for mark in metafunc.definition.iter_markers()):
        return
    if OWN in metafunc.fixturenames:
        metafunc.parametrize(OWN, list(_own_cases(metafunc.config)))
    elif PER_PRECISION in metafunc.fixturenames:
        metafunc.parametrize(
            PER_PRECISION, [_parameter(precision, "", precision) for precision in PRECISIONS]
        )


def _own_cases(config: pytest.Config) -> Iterator[Any]:
    """Yield (precision, node), precision by precision, so that each session's results can be dropped.

    What is wrong with the plan waits until collection ends, where pytest can say it plainly; until then one
    case per precision stands for all nodes, so that markers select as ever.
    """
    try:
        nodes = plan_of(config).nodes
    except (ConformanceError, OSError) as error:
        config.stash[FAILURE] = error
        nodes = ["no-node"]
    for precision in PRECISIONS:
        for node in nodes:
            yield _parameter((precision, node), f"{node}-", precision)


def _parameter(value: object, prefix: str, precision: Precision) -> Any:  # noqa: ANN401 - pytest's ParameterSet
    marks = (getattr(pytest.mark, precision.fixed), getattr(pytest.mark, precision.floating))
    return pytest.param(value, id=f"{prefix}{precision}", marks=marks)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the suite's tests, and say what went wrong while cases were made if that is why none are here."""
    if FAILURE in config.stash and (not items or any(map(of_suite, items))) and not is_worker(config):
        stop(config.stash[FAILURE], config)  # of a worker's failure its controller knows by itself
    items.sort(key=_rank)


def of_suite(item: pytest.Item) -> bool:
    """Whether a test runs on the device."""
    return item.get_closest_marker("mlu") is not None


def asks_for_suite(config: pytest.Config) -> bool:
    """Whether ``-m`` names the suite, so that selecting nothing means that nothing ran."""
    return re.search(r"(?<!not )\bmlu\b", config.option.markexpr or "") is not None


def group_of(item: pytest.Item) -> str:
    """Return what one session of a device judges at once: a suite test with all its cases of a precision."""
    precisions = [name for name in PRECISION_MARKERS if item.get_closest_marker(name)]
    return f"{item.nodeid.partition('[')[0]}[{'-'.join(precisions)}]"


def _rank(item: pytest.Item) -> int:
    """Return the place of a test's kind in ``ORDER``; whatever is no suite test comes after them all."""
    kinds = [rank for rank, marker in enumerate(ORDER) if item.get_closest_marker(marker)]
    return max(kinds) if of_suite(item) and kinds else len(ORDER)
