"""Which cases a run has: parametrisation from the golden manifest, without TensorFlow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from conformance import locations
from conformance.errors import ConformanceError, UsageError
from conformance.goldens import GoldenStore, Manifest
from conformance.graph.selection import select
from conformance.networks import Network, find_network
from conformance.plugin.options import SETTINGS, Settings
from conformance.precision import PRECISIONS, Precision

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILURE = pytest.StashKey[ConformanceError]()
PLAN = pytest.StashKey["Plan"]()
OWN, PER_PRECISION = "own_case", "precision"


class Plan:
    """The network that a run judges, its goldens' manifest, and the chosen nodes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.network: Network = (
            Network(settings.network_path)
            if settings.network_path
            else find_network(settings.network, locations.NETWORKS)
        )

    @functools.cached_property
    def store(self) -> GoldenStore:
        """The goldens."""
        return GoldenStore(self.network, self.settings.golden_dir)

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
        names = [node.name for node in self.manifest.nodes]
        return select(self.settings.nodes, names, [node.name for node in self.manifest.key], self.network.name)


def plan_of(config: pytest.Config) -> Plan:
    """Return the plan of this run, made when first asked for."""
    if PLAN not in config.stash:
        config.stash[PLAN] = Plan(config.stash[SETTINGS])
    return config.stash[PLAN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every suite test its cases; an error waits until collection ends, where pytest can say it plainly."""
    if OWN in metafunc.fixturenames:
        try:
            cases = list(_own_cases(plan_of(metafunc.config)))
        except ConformanceError as error:
            metafunc.config.stash[FAILURE] = error
            cases = []
        metafunc.parametrize(OWN, cases)
    elif PER_PRECISION in metafunc.fixturenames and "mlu" in _marks(metafunc):
        metafunc.parametrize(PER_PRECISION, [_parameter(precision, "", precision) for precision in PRECISIONS])


def _marks(metafunc: pytest.Metafunc) -> set[str]:
    return {mark.name for mark in metafunc.definition.iter_markers()}


def _own_cases(plan: Plan) -> Iterator[Any]:
    """Yield (precision, node), precision by precision, so that each session's results can be dropped."""
    for precision in PRECISIONS:
        for node in plan.nodes:
            yield _parameter((precision, node), f"{node}-", precision)


def _parameter(value: object, prefix: str, precision: Precision) -> Any:  # noqa: ANN401 - pytest's ParameterSet
    marks = (getattr(pytest.mark, precision.fixed), getattr(pytest.mark, precision.floating))
    return pytest.param(value, id=f"{prefix}{precision}", marks=marks)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise what went wrong while cases were made, if any selected test needed them."""
    if FAILURE in config.stash and any(item.get_closest_marker("mlu") for item in items):
        raise_plainly(config.stash[FAILURE])


def raise_plainly(error: ConformanceError) -> None:
    """Stop pytest with one sentence and the error's exit code."""
    if isinstance(error, UsageError):
        raise pytest.UsageError(str(error)) from None
    pytest.exit(str(error), returncode=error.exit_code)
