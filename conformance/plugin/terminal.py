"""What the suite says at the start and at the end of a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from conformance import __version__
from conformance.errors import ConformanceError, printable
from conformance.gating.lines import gate_lines
from conformance.graph.lazy_tensorflow import tensorflow_version
from conformance.plugin.execution import JOURNAL, device_of
from conformance.plugin.gating import GATE
from conformance.plugin.options import SETTINGS
from conformance.plugin.pictures import TABLES
from conformance.plugin.processes import is_worker, workers_of
from conformance.plugin.selection import asks_for_suite, of_suite, plan_of
from conformance.plugin.sharding import SHARD
from conformance.report.summary import summary_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.devices.base import DeviceInfo
    from conformance.runs.journal import Journal

HYPOTHESIS = "hypothesispytest"
"""The plugin's name."""


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say what is judged, by what, before anything runs; the suite's own tests need no device."""
    if is_worker(config) or not any(map(of_suite, items)):
        return []
    settings = config.stash[SETTINGS]
    try:
        by_what, networks = _by_what(config), ", ".join(plan_of(config).parts)
    except ConformanceError:
        return []  # said where the run stops for it
    return [
        f"mlu-conformance: {__version__}, tensorflow {tensorflow_version() or 'not installed'}",
        by_what,
        f"network: {', '.join(map(str, settings.network_path)) or networks}, nodes: {settings.nodes}",
        *([f"shard: {config.stash[SHARD].described}"] if SHARD in config.stash else []),
    ]


def _by_what(config: pytest.Config) -> str:
    """Return the line about the device, or about the workers, whose devices are not open yet."""
    workers, word = workers_of(config), config.stash[SETTINGS].device
    if workers:
        return f"workers: {workers}, each opens a device of its own ({word})"
    if config.option.collectonly:
        return f"device: {word}, which is not opened to collect"
    return f"device: {describe(device_of(config).info())}"


def describe(info: DeviceInfo) -> str:
    """Return one line about a device; SIMULATED in capitals when it is not a card."""
    versions = [
        f"{key} {getattr(info, key)}"
        for key in ("driver", "firmware", "runtime", "framework")
        if getattr(info, key)
    ]
    profile = [f"profile {info.profile}"] if info.profile else []
    reality = "SIMULATED" if info.simulated else "hardware"
    return ", ".join([f"{info.kind} ({info.model}, {reality})", *profile, *versions])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Drop Hypothesis' plugin where no test used it: it would import all of Hypothesis for its summary."""
    if "hypothesis" not in sys.modules:
        session.config.pluginmanager.unregister(name=HYPOTHESIS)


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Print the table, what fails the run although no test did, and where the time went."""
    if JOURNAL not in config.stash:
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and asks_for_suite(config):
            terminalreporter.write_line("no case was selected, so nothing was judged", red=True)
        return
    journal = config.stash[JOURNAL]
    terminalreporter.section("conformance")
    for line in (*summary_lines(journal.records), "", *config.stash.get(TABLES, [])):
        terminalreporter.write_line(printable(line))
    for line in gate_lines(config.stash[GATE]) if GATE in config.stash else ():
        terminalreporter.write_line(printable(line), bold=True)
    nothing = [] if journal.judged else ["nothing was judged, so the run shows nothing"]
    for sentence in (*journal.problems, *nothing):
        terminalreporter.write_line(printable(f"FAILED: {sentence}"), red=True)
    for line in _remarks(journal):
        terminalreporter.write_line(printable(line))


def _remarks(journal: Journal) -> Iterator[str]:
    yield from (f"note: {note}" for note in journal.notes)
    if journal.workers:
        yield from (_worker_line(journal, name) for name in journal.statuses)
    device = describe(journal.info) if journal.info is not None else "none was opened"
    yield _time_line(journal)
    yield (
        f"device: {device}; {len(journal.records)} records in {journal.directory.path}; "
        f"{journal.wall_seconds:.0f} s, {journal.busy_share:.0%} of it inside device runs"
    )


def _time_line(journal: Journal) -> str:
    """Return where the time went."""
    whose = f" of all {journal.workers} workers together" if journal.workers else ""
    spent = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in journal.seconds.items())
    return f"time{whose}: {spent}"


def _worker_line(journal: Journal, name: str) -> str:
    """Return what one worker did, and on which card."""
    serial = journal.statuses[name].info.serial
    card = f", serial number {serial}" if serial else ""
    return f"{name}: {journal.count_of(name)} records ({', '.join(journal.judged_by(name))}){card}"
