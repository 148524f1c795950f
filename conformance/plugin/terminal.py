"""What the suite says at the start and at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance import __version__
from conformance.errors import ConformanceError
from conformance.graph.tensorflow import tensorflow_version
from conformance.plugin.execution import RUN, device_of
from conformance.plugin.options import SETTINGS
from conformance.report.table import summary_lines

if TYPE_CHECKING:
    from conformance.devices.base import DeviceInfo
    from conformance.plugin.execution import Run


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is judged, by what, before anything runs."""
    settings = config.stash[SETTINGS]
    try:
        device = describe(device_of(config).info())
    except ConformanceError as error:
        device = f"not available: {error}"
    return [
        f"mlu-conformance: {__version__}, tensorflow {tensorflow_version() or 'not installed'}",
        f"device: {device}",
        f"network: {settings.network_path or settings.network}, nodes: {settings.nodes}",
    ]


def describe(info: DeviceInfo) -> str:
    """Return one line about a device; SIMULATED in capitals when it is not a card."""
    versions = [f"{key} {getattr(info, key)}" for key in ("driver", "firmware", "runtime", "framework") if getattr(info, key)]
    profile = [f"profile {info.profile}"] if info.profile else []
    reality = "SIMULATED" if info.simulated else "hardware"
    return ", ".join([f"{info.kind} ({info.model}, {reality})", *profile, *versions])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:  # noqa: ANN401 - pytest's own
    """Print the table, what is wrong with waivers, and where the time went."""
    if RUN not in config.stash:
        return
    run = config.stash[RUN]
    terminalreporter.section("conformance")
    for line in (*summary_lines(run.records), "", *_remarks(run)):
        terminalreporter.write_line(line)


def _remarks(run: Run) -> list[str]:
    remarks = [f"waiver {problem.waiver}: {problem.sentence}" for problem in run.problems]
    remarks += [f"note: {note}" for note in dict.fromkeys(run.notes)]
    inside = run.evaluation.stopwatch.seconds
    share = inside / run.wall_seconds if run.wall_seconds else 0.0
    remarks.append(
        f"device: {describe(run.info)}; {len(run.records)} records in {run.directory.path}; "
        f"{run.wall_seconds:.0f} s, {share:.0%} of it inside device runs"
    )
    return remarks
