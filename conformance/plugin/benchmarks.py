"""What the suite timed, written as pytest-benchmark's own JSON into the run directory, with the device named.

``--benchmark-json`` and the other options of pytest-benchmark work as ever beside it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from conformance.files import write_json_atomically
from conformance.plugin.execution import RUN
from conformance.plugin.selection import of_suite

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FILE = "benchmark.json"
TIMED = pytest.StashKey[list[Any]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keep the statistics of a suite test that timed something."""
    statistics = getattr(getattr(item, "funcargs", {}).get("benchmark"), "stats", None)
    if statistics and RUN in item.config.stash and of_suite(item):
        item.config.stash.setdefault(TIMED, []).append(statistics)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write ``benchmark.json``, whole or not at all."""
    config = session.config
    if RUN not in config.stash or not config.stash.get(TIMED, []):
        return
    content = _content(config, config.stash[TIMED])
    if content["benchmarks"]:
        write_json_atomically(config.stash[RUN].directory.path / FILE, content)


def _content(config: pytest.Config, timed: list[Any]) -> dict[str, Any]:
    """Return what pytest-benchmark would write, by its own hooks."""
    hook = config.hook
    machine = hook.pytest_benchmark_generate_machine_info(config=config)
    hook.pytest_benchmark_update_machine_info(config=config, machine_info=machine)
    commit = hook.pytest_benchmark_generate_commit_info(config=config)
    hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit)
    content: dict[str, Any] = hook.pytest_benchmark_generate_json(
        config=config, benchmarks=timed, include_data=True, machine_info=machine, commit_info=commit
    )
    hook.pytest_benchmark_update_json(config=config, benchmarks=timed, output_json=content)
    return content


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: MutableMapping[str, Any]
) -> None:
    """Name the device among the machine's properties: times of different devices never compare silently."""
    if RUN in config.stash:
        machine_info["device"] = dataclasses.asdict(config.stash[RUN].info)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(output_json: MutableMapping[str, Any]) -> None:
    """Write parameters as text; JSON knows no precision."""
    for benchmark in output_json["benchmarks"]:
        benchmark["params"] = {
            name: str(value) for name, value in (benchmark["params"] or {}).items()
        } or None
