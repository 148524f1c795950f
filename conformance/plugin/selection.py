"""Which cases a run has: parametrisation from the golden manifest, without TensorFlow."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest

from conformance.errors import ConformanceError
from conformance.judging.cases import OPERATORS
from conformance.plugin.options import SETTINGS
from conformance.plugin.processes import is_worker
from conformance.plugin.stopping import stop
from conformance.precision import FIXED_BITS, PRECISIONS
from conformance.runs.plan import Plan
from conformance.runs.shards import batch_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from conformance.evaluation.sessions import Asked
    from conformance.judging.cases import Mode
    from conformance.precision import Precision

PLAN = pytest.StashKey[Plan]()
FAILURE = pytest.StashKey["ConformanceError | OSError"]()
OWN, WHOLE, WIDTH = ("network", "precision", "node"), ("network", "precision"), ("network", "bits")
OPERATOR = ("network", "precision", "operator")
"""Arguments of suite tests: what they have a case for each of."""
PRECISION_MARKERS = ("int8", "int16", "fp16", "fp32")
ORDER = ("own", "chained", "fused", "calibration", "benchmark")
"""Kinds of suite tests by marker; what is timed is of two kinds, the last of which names it."""
MODES: tuple[Mode, ...] = ("own", "chained", "fused", "calibration")
"""Kinds of groups by marker, in the order in which a network's run: the finest judgement first. One network
comes after the other; what is timed comes right after the fused network of its precision was judged."""


def plan_of(config: pytest.Config) -> Plan:
    """Return the plan of this run, made when first asked for."""
    if PLAN not in config.stash:
        config.stash[PLAN] = Plan(config.stash[SETTINGS])
    return config.stash[PLAN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every suite test its cases: per network and precision or width, own errors also per node."""
    if not any(mark.name == "mlu" for mark in metafunc.definition.iter_markers()):
        return
    for names, cases in (
        (OPERATOR, _operator_cases),
        (OWN, _own_cases),
        (WHOLE, _whole_cases),
        (WIDTH, _width_cases),
    ):
        if set(names) <= set(metafunc.fixturenames):
            metafunc.parametrize(names, list(cases(metafunc.config)))
            return


def _own_cases(config: pytest.Config) -> Iterator[Any]:
    """Yield a case per node, precision by precision, so that each session's results can be dropped."""
    for network, nodes in _networks(config).items():
        for precision in PRECISIONS:
            for node in nodes:
                name = f"{network}/{node}-{precision}"
                yield _parameter((network, precision, node), name, *_marks(precision))


def _operator_cases(_: pytest.Config) -> Iterator[Any]:
    """Yield a case per operator that is tested by itself, precision by precision."""
    from conformance.operators.table import TESTS

    for precision in PRECISIONS:
        for name in TESTS:
            yield _parameter((OPERATORS, precision, name), f"{name}-{precision}", *_marks(precision))


def _whole_cases(config: pytest.Config) -> Iterator[Any]:
    for network in _networks(config):
        for precision in PRECISIONS:
            yield _parameter((network, precision), f"{network}-{precision}", *_marks(precision))


def _width_cases(config: pytest.Config) -> Iterator[Any]:
    for network in _networks(config):
        for bits in FIXED_BITS:
            yield _parameter((network, bits), f"{network}-int{bits}", f"int{bits}")


def _networks(config: pytest.Config) -> dict[str, list[str]]:
    """Return the nodes of each network by its name, which ids of cases have, so that they never change.

    What is wrong with the plan waits until collection ends, where pytest can say it plainly; until then one
    case per precision stands for all nodes, so that markers select as ever.
    """
    try:
        plan = plan_of(config)
        return {name: part.nodes for name, part in plan.parts.items()}
    except (ConformanceError, OSError) as error:
        config.stash[FAILURE] = error
        return {"no-network": ["no-node"]}


def _parameter(values: Sequence[object], case: str, *marks: str) -> Any:
    return pytest.param(*values, id=case, marks=[getattr(pytest.mark, mark) for mark in marks])


def _marks(precision: Precision) -> tuple[str, str]:
    return precision.fixed, precision.floating


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the suite's tests, and say what went wrong while cases were made if that is why none are here."""
    if FAILURE in config.stash and (not items or any(map(of_suite, items))) and not is_worker(config):
        stop(config.stash[FAILURE], config)  # of a worker's failure its controller knows by itself
    items[:] = in_order(items)


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the suite's tests in the order of one run, then all others."""
    networks = _places(map(network_of, items))
    groups = _places(map(group_of, filter(of_suite, items)))

    def place(item: pytest.Item) -> tuple[object, ...]:
        if not of_suite(item):
            return (True,)
        timed = item.get_closest_marker("benchmark") is not None
        return (False, networks[network_of(item)], _rank(item), groups[group_of(item)], timed)

    return sorted(items, key=place)


def _places(words: Iterable[str]) -> dict[str, int]:
    """Return where each word first stands."""
    return {word: place for place, word in enumerate(dict.fromkeys(words))}


def of_suite(item: pytest.Item) -> bool:
    """Whether a test runs on the device."""
    return item.get_closest_marker("mlu") is not None


def asks_for_suite(config: pytest.Config) -> bool:
    """Whether ``-m`` names the suite, so that selecting nothing means that nothing ran."""
    return re.search(r"(?<!not )\bmlu\b", config.option.markexpr or "") is not None


def group_of(item: pytest.Item) -> str:
    """Return what one session of a device judges at once: the cases of a mode, network and precision."""
    return _named(item, MODES)


def batch_of(item: pytest.Item) -> str:
    """Return the group of a test, or what is timed in it."""
    return _named(item, ORDER)


def mode_of(item: pytest.Item) -> Mode | None:
    """Return the mode in which a test judges, None if it says none."""
    return next((mode for mode in MODES if item.get_closest_marker(mode)), None)


def _named(item: pytest.Item, kinds: Sequence[str]) -> str:
    """Return the last of these kinds that a test is of, else its function, with network and precision."""
    own = [kind for kind in kinds if item.get_closest_marker(kind)]
    kind = own[-1] if own else item.nodeid.partition("[")[0]
    return batch_name(kind, network_of(item), "-".join(_precisions(item)))


def _precisions(item: pytest.Item) -> list[str]:
    return [name for name in PRECISION_MARKERS if item.get_closest_marker(name)]


def network_of(item: pytest.Item) -> str:
    """Return the network of a suite test's case, '' for other tests."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("network", "")) if of_suite(item) and callspec else ""


def sessions_of(items: Iterable[pytest.Item], network: str) -> list[Asked | None]:
    """Return mode and precision of the sessions that tests of a network ask for, in order.

    None stands for each that judges no nodes: it times the device, or calibrates.
    """
    tests = [item for item in items if network_of(item) == network]
    return [_session_of(next(batch)) for _, batch in itertools.groupby(tests, batch_of)]


def _session_of(item: pytest.Item) -> Asked | None:
    callspec = getattr(item, "callspec", None)
    mode, timed = mode_of(item), item.get_closest_marker("benchmark") is not None
    if timed or mode is None or callspec is None or "precision" not in callspec.params:
        return None
    return mode, callspec.params["precision"]


def _rank(item: pytest.Item) -> int:
    """Return the place of a suite test's mode among all modes."""
    return MODES.index(mode) if (mode := mode_of(item)) else len(MODES)
