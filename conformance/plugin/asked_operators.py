"""Operators by themselves: collected only where ``-m`` names them, and judged beside or without networks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from conformance import locations
from conformance.errors import ConformanceError
from conformance.plugin.selection import FAILURE, network_of, of_suite, plan_of
from conformance.plugin.stopping import stop

if TYPE_CHECKING:
    from pathlib import Path

SUITE_FILE = locations.SUITE / "test_operators.py"
FAILURES = "mlu-operators"
"""Below pytest's own cache: cases that failed, which are tried first the next time."""


def names_operators(config: pytest.Config) -> bool:
    """Whether ``-m`` asks for operators by themselves."""
    return re.search(r"(?<!not )\boperators\b", config.option.markexpr or "") is not None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the file out unless ``-m`` names operators, or the command line names the file."""
    return True if collection_path == SUITE_FILE and not names_operators(config) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the plan which operators are judged, and drop networks of which nothing is selected."""
    config = session.config
    items = [item for item in session.items if of_suite(item)]
    operators = list(dict.fromkeys(name for item in items if (name := operator_of(item))))
    if not operators or FAILURE in config.stash:
        return
    try:
        plan_of(config).restrict({network_of(item) for item in items}, operators)
    except (ConformanceError, OSError) as error:
        stop(error, config)


def operator_of(item: pytest.Item) -> str:
    """Return the operator that a test of the suite is about, '' for all others."""
    callspec: Any = getattr(item, "callspec", None)
    return str(callspec.params.get("operator", "")) if callspec else ""


def failures_of(config: pytest.Config) -> Path | None:
    """Return where failing cases are kept; None where pytest keeps nothing."""
    cache = getattr(config, "cache", None)
    return None if cache is None else cache.mkdir(FAILURES)
