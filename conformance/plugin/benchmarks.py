"""What the suite timed, written as pytest-benchmark's own JSON into the run directory, with the device named.

``--benchmark-json`` and the other options of pytest-benchmark work as ever beside it. In workers of
pytest-xdist it measures nothing, because processes disturb each other's clocks. The suite reads the devices'
own clocks, so it measures there all the same, and its controller writes the times down.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from conformance.files import write_json_atomically
from conformance.plugin.execution import JOURNAL
from conformance.plugin.processes import is_worker, worker_name, workers_of
from conformance.plugin.selection import of_suite
from conformance.runs.directory import TIMES

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from conformance.runs.journal import Journal

TIMED = pytest.StashKey[list[Any]]()
SHARED_CORES = (
    "emulated devices share the processor's cores, so the times of several workers disturb each other; time "
    "without -n"
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Keep pytest-benchmark from warning that it measures nothing beside workers, where that is not so."""
    benchmarks = _plugin(config)
    if benchmarks is not None and any(map(of_suite, items)):
        benchmarks.xdist_warning = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Measure in a worker too, unless the user said otherwise."""
    fixture = getattr(item, "funcargs", {}).get("benchmark")
    if fixture is not None and is_worker(item.config) and of_suite(item):
        options = item.config.option
        fixture.disabled = options.benchmark_disable and not options.benchmark_enable


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keep the statistics of a suite test that timed something."""
    statistics = getattr(getattr(item, "funcargs", {}).get("benchmark"), "stats", None)
    if statistics and of_suite(item):
        item.config.stash.setdefault(TIMED, []).append(statistics)


def take_timed(config: pytest.Config) -> list[dict[str, Any]]:
    """Return what a worker timed since it was last asked, for its controller, and forget it here."""
    timed = config.stash.get(TIMED, [])
    if not timed:
        return []
    config.stash[TIMED] = []
    benchmarks = _plugin(config).benchmarks
    benchmarks[:] = [statistics for statistics in benchmarks if statistics not in timed]
    return [_described(statistics, worker_name(config)) for statistics in timed if not statistics.has_error]


def _described(statistics: Any, worker: str) -> dict[str, Any]:
    """Return statistics as plain values."""
    values = statistics.as_dict(include_data=True)
    values["params"] = _texts(values["params"])
    values["extra_info"] = values["extra_info"] | {"worker": worker}
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(values, enc_hook=str))
    return plain


def receive_timed(config: pytest.Config, described: Sequence[dict[str, Any]]) -> None:
    """Hand what a worker timed to this process's pytest-benchmark, as if it had been timed here."""
    for values in described:
        statistics = _statistics(values)
        _plugin(config).benchmarks.append(statistics)
        config.stash.setdefault(TIMED, []).append(statistics)
        if values["extra_info"]["simulated"] and workers_of(config) > 1:
            config.stash[JOURNAL].note(SHARED_CORES)


def _statistics(values: dict[str, Any]) -> Any:
    """Return pytest-benchmark's statistics from their description."""
    from pytest_benchmark.stats import Metadata

    names = ("name", "fullname", "group", "param", "params", "extra_info")
    fixture = types.SimpleNamespace(
        **{name: values[name] for name in names}, cprofile_stats=None, has_error=False
    )
    statistics = Metadata(fixture, values["stats"]["iterations"], values["options"])
    for seconds in values["stats"]["data"]:
        statistics.stats.update(seconds)
    return statistics


def write_times(session: pytest.Session, journal: Journal) -> None:
    """Write ``benchmark.json``, whole or not at all; none where nothing was timed."""
    config = session.config
    timed = config.stash.get(TIMED, [])
    if not timed:
        return
    places = {item.nodeid: place for place, item in enumerate(session.items)}
    content = _content(config, sorted(timed, key=lambda statistics: places[statistics.fullname]))
    if content["benchmarks"]:
        write_json_atomically(journal.directory.path / TIMES, content)


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


def _plugin(config: pytest.Config) -> Any:
    return config.pluginmanager.get_plugin("pytest-benchmark")


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: MutableMapping[str, Any]
) -> None:
    """Name the device among the machine's properties: times of different devices never compare silently."""
    devices = config.stash[JOURNAL].devices if JOURNAL in config.stash else []
    if devices:
        machine_info["device"] = devices[0].device


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(output_json: MutableMapping[str, Any]) -> None:
    """Write parameters as text; JSON knows no precision."""
    for benchmark in output_json["benchmarks"]:
        benchmark["params"] = _texts(benchmark["params"])


def _texts(parameters: Mapping[str, object] | None) -> dict[str, str] | None:
    return {name: str(value) for name, value in (parameters or {}).items()} or None
