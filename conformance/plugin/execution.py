"""One run of the suite: its device, its records, and what each finding means for its test."""

from __future__ import annotations

import datetime as dt
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import locations
from conformance.devices.registry import open_device
from conformance.errors import (
    EXIT_ACCURACY,
    EXIT_FINE,
    EXIT_INFRASTRUCTURE,
    ConformanceError,
    InfrastructureError,
)
from conformance.judging.bounds import read_margins
from conformance.judging.waivers import WaiverLedger
from conformance.plugin.options import SETTINGS, Settings
from conformance.plugin.recording import conclude, recorded
from conformance.plugin.selection import Plan, of_suite, plan_of
from conformance.plugin.stopping import stop
from conformance.plugin.waivers import waiver_problems, waivers_of
from conformance.precision import PRECISIONS
from conformance.progress import Progress
from conformance.runs.directory import RunDirectory, default_run_path
from conformance.runs.environment import gather_environment
from conformance.runs.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.devices.base import Device, DeviceInfo
    from conformance.judging.waivers import Waiver, WaiverProblem
    from conformance.runs.evaluation import Finding
    from conformance.runs.records import Record

RUN = pytest.StashKey["Run"]()
DEVICE = pytest.StashKey["Device"]()
STARTED = pytest.StashKey[float]()


class Run:
    """A run in progress.

    Args:
        plan: network and nodes.
        device: what is judged.
        started: ``time.perf_counter()`` when the session started.

    Attributes:
        problems: sentences that fail the run although no test did.

    Raises:
        ConformanceError: goldens, waivers or run directory are not as they must be; the directory is claimed
            last, so that none is left by a run that could not start.
    """

    def __init__(self, plan: Plan, device: Device, started: float) -> None:
        self.plan, self.device, self.info, self._started = plan, device, device.info(), started
        now = dt.datetime.now(dt.timezone.utc)
        self.records: list[Record] = []
        self.evaluation = Evaluation(device, plan.store, read_margins(locations.MARGINS), plan.nodes)
        waivers = waivers_of(plan, self.info)
        self.ledger = WaiverLedger(waivers)
        self.problems = waiver_problems(plan, self.info, waivers, now.date())
        self.wall_seconds = 0.0
        self._device_notes: dict[str, None] = {}
        self._prepare()
        self.directory = RunDirectory.create(_run_path(plan, self.info, now))
        self._write_environment(waivers, now)

    def _prepare(self) -> None:
        """Read graph and scales, make and verify goldens: what is wrong with them stops the run plainly."""
        evaluation, store = self.evaluation, self.plan.store
        store.ensure([*(node.name for node in store.manifest.key), *evaluation.nodes])
        for precision in PRECISIONS:
            evaluation.scales(precision.fixed_bits)
            for node in evaluation.nodes:
                evaluation.limits(node, precision)

    def _write_environment(self, waivers: list[Waiver], now: dt.datetime) -> None:
        settings = self.plan.settings
        self.directory.write_environment(
            gather_environment(
                options={name: getattr(settings, name) for name in Settings.__dataclass_fields__},
                device=self.info,
                waivers=[waiver.id for waiver in waivers],
                now=now,
                directory=locations.PROJECT,
            )
        )

    @property
    def notes(self) -> list[str]:
        """What a reader should know of goldens and device."""
        return [*self.plan.store.said, *self._device_notes]

    def settle(self, *findings: Finding, case_ids: Sequence[str | None] = ()) -> None:
        """Write the findings' records, then pass, fail, skip or xfail the running test by the worst of them.

        Args:
            findings: what came out, at least one.
            case_ids: id per record, where the case's own is taken already.
        """
        ids = case_ids or [None] * len(findings)
        records = [
            recorded(finding, self.ledger, simulated=self.info.simulated, case_id=case_id)
            for finding, case_id in zip(findings, ids, strict=True)
        ]
        self._device_notes |= dict.fromkeys(note for finding in findings for note in finding.notes)
        for record in records:
            self.directory.add(record)
            self.records.append(record)
        conclude(records)

    def finish(self) -> None:
        """Close directory and device; stale waivers and a device that cannot be closed become problems."""
        self.problems += _first_of_each(self.ledger.stale())
        self.wall_seconds = time.perf_counter() - self._started
        self.directory.close()
        try:
            self.device.close()
        except Exception as error:  # noqa: BLE001 - whatever a device raises
            self.problems.append(f"the device could not be closed: {type(error).__name__}: {error}")

    @property
    def judged(self) -> bool:
        """Whether anything was held against a bound or an acceptance; a measured error is not."""
        return any(record.outcome not in ("unsupported", "measured") for record in self.records)


def _first_of_each(problems: Sequence[WaiverProblem]) -> list[str]:
    """Return one sentence per waiver; its other cases are named by their own failed tests."""
    sentences: dict[str, list[str]] = {}
    for problem in problems:
        sentences.setdefault(problem.waiver, []).append(problem.sentence)
    return [f"{first} ({len(more)} more cases)" if more else first for first, *more in sentences.values()]


def _run_path(plan: Plan, info: DeviceInfo, now: dt.datetime) -> Path:
    return plan.settings.run_dir or default_run_path(Path.cwd() / "runs", plan.network.name, info.kind, now)


def device_of(config: pytest.Config) -> Device:
    """Return the device that the options ask for, opened once.

    Raises:
        ConformanceError: it cannot be had, or is simulated where a card is required.
    """
    if DEVICE not in config.stash:
        settings = config.stash[SETTINGS]
        device = open_device(settings.device, settings.profile, locations.DEVICES)
        if settings.require_hardware and device.info().simulated:
            raise InfrastructureError(
                f"--require-hardware is set, but device {device.info().kind!r} is simulated; no card was used"
            )
        config.stash[DEVICE] = device
    return config.stash[DEVICE]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the clock of the whole run."""
    session.config.stash[STARTED] = time.perf_counter()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Open device and run directory when tests of the suite are about to run."""
    config = session.config
    if config.option.collectonly or not any(map(of_suite, session.items)):
        return
    try:
        plan = plan_of(config)
        plan.store.report = _progress(config)
        config.stash[RUN] = Run(plan, device_of(config), config.stash[STARTED])
        plan.store.report = lambda *_: None  # from here on every line would land in the output of some test
    except (ConformanceError, OSError) as error:
        stop(error, config)


def _progress(config: pytest.Config) -> Progress:
    """Return a progress that writes past pytest's capture."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return Progress(reporter.write, terminal=reporter.isatty) if reporter else Progress(str, terminal=False)


@pytest.fixture(scope="session")
def conformance_run(request: pytest.FixtureRequest) -> Run:
    """The run that records what suite tests find."""
    return request.config.stash[RUN]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close what is open; fail the run when nothing was judged or a waiver is wrong."""
    config = session.config
    if RUN in config.stash:
        config.stash[RUN].finish()
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = _exit_code(config.stash[RUN])
    elif session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and asks_for_suite(config):
        session.exitstatus = EXIT_INFRASTRUCTURE


def _exit_code(run: Run) -> int:
    if run.problems:
        return EXIT_ACCURACY
    return EXIT_FINE if run.judged else EXIT_INFRASTRUCTURE


def asks_for_suite(config: pytest.Config) -> bool:
    """Whether ``-m`` names the suite, so that selecting nothing means that nothing ran."""
    return re.search(r"(?<!not )\bmlu\b", config.option.markexpr or "") is not None
