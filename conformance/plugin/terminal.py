"""What the suite says at the start and at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance import __version__
from conformance.errors import EXIT_INFRASTRUCTURE, ConformanceError
from conformance.graph.tensorflow import tensorflow_version
from conformance.plugin.execution import RUN, asks_for_suite, device_of
from conformance.plugin.options import SETTINGS
from conformance.plugin.selection import of_suite
from conformance.report.table import summary_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from conformance.devices.base import DeviceInfo
    from conformance.plugin.execution import Run


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say what is judged, by what, before anything runs; the suite's own tests need no device."""
    if not any(map(of_suite, items)):
        return []
    settings = config.stash[SETTINGS]
    try:
        device = describe(device_of(config).info())
    except ConformanceError:
        return []  # said where the run stops for it
    return [
        f"mlu-conformance: {__version__}, tensorflow {tensorflow_version() or 'not installed'}",
        f"device: {device}",
        f"network: {settings.network_path or settings.network}, nodes: {settings.nodes}",
    ]


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


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:  # noqa: ANN401 - pytest's own
    """Print the table, what fails the run although no test did, and where the time went."""
    if RUN not in config.stash:
        if exitstatus == EXIT_INFRASTRUCTURE and asks_for_suite(config):
            terminalreporter.write_line("no case was selected, so nothing was judged", red=True)
        return
    run = config.stash[RUN]
    terminalreporter.section("conformance")
    for line in (*summary_lines(run.records), ""):
        terminalreporter.write_line(line)
    for sentence in _failures(run):
        terminalreporter.write_line(f"FAILED: {sentence}", red=True)
    for line in _remarks(run):
        terminalreporter.write_line(line)


def _failures(run: Run) -> list[str]:
    return [*run.problems, *([] if run.judged else ["nothing was judged, so the run shows nothing"])]


def _remarks(run: Run) -> list[str]:
    inside = run.evaluation.stopwatch.seconds
    share = inside / run.wall_seconds if run.wall_seconds else 0.0
    notes = [f"note: {note}" for note in dict.fromkeys(run.notes)]
    closing = (
        f"device: {describe(run.info)}; {len(run.records)} records in {run.directory.path}; "
        f"{run.wall_seconds:.0f} s, {share:.0%} of it inside device runs"
    )
    return [*notes, closing]
