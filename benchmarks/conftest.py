"""Benchmarks: how large they are, what they give, and ``--smoke``, which only shows that they work.

pytest benchmarks                          # measures; speeds are held to their limits
pytest benchmarks --smoke                  # everything once, small; no speed is held to anything
pytest benchmarks --figures=figures.json   # also writes what was measured
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Figures, Measured, Table, cells

from conformance import locations, machine
from conformance.files import write_json_atomically
from conformance.networks import Network, find_network
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Generator

TABLES = pytest.StashKey[dict[str, Table]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("benchmarks of the suite itself")
    smoke = "run everything once at a small size: figures must be there and results right, no speed is asked"
    group.addoption("--smoke", action="store_true", help=smoke)
    figures = "write what was measured there, as JSON"
    group.addoption("--figures", type=Path, metavar="FILE", help=figures)


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no figure."""
    config.stash[TABLES] = {}


@pytest.fixture(scope="session")
def smoke(pytestconfig: pytest.Config) -> bool:
    """Return whether this only shows that the benchmarks work."""
    return bool(pytestconfig.getoption("smoke"))


@pytest.fixture(scope="session")
def network(*, smoke: bool) -> Network:
    """Return the network that is measured."""
    return find_network("mobilenet" if smoke else "beautygan", locations.NETWORKS)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Return what takes this file's figures."""
    return Figures(_table(request.node), held=not request.config.getoption("smoke"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a benchmark that measured nothing."""
    before = _count(_table(item))
    yield
    assert _count(_table(item)) > before, "this benchmark gave no figure"


def _table(item: pytest.Item) -> Table:
    return item.config.stash[TABLES].setdefault(item.path.stem.removeprefix("test_"), Table())


def _count(table: Table) -> int:
    return sum(map(len, table.rows.values()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print every table."""
    for name, table in config.stash[TABLES].items():
        terminalreporter.section(name.replace("_", " "), "-")
        for line in (*aligned(cells(table)), *table.notes):
            terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was measured, if asked to."""
    if (path := session.config.getoption("figures")) is not None:
        reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
        skipped = [report.longrepr[2] for report in reporter.stats.get("skipped", [])]
        measured = Measured(machine.in_words(), session.config.stash[TABLES], list(dict.fromkeys(skipped)))
        write_json_atomically(path, measured)
