"""One run of the suite: its device, its records, and what each finding means for its test."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import locations
from conformance.devices.registry import open_device
from conformance.errors import ConformanceError, InfrastructureError
from conformance.judging.bounds import read_margins
from conformance.judging.waivers import WaiverLedger, WaiverProblem, applicable, expired, read_waivers, unmatched
from conformance.plugin.options import SETTINGS, Settings
from conformance.plugin.selection import Plan, plan_of, raise_plainly
from conformance.precision import PRECISIONS
from conformance.progress import Progress
from conformance.runs.directory import RunDirectory, default_run_path
from conformance.runs.environment import gather_environment
from conformance.runs.evaluation import Evaluation
from conformance.runs.records import Record, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.devices.base import Device, DeviceInfo
    from conformance.judging.waivers import Case, Waiver
    from conformance.runs.evaluation import Finding

RUN = pytest.StashKey["Run"]()
DEVICE = pytest.StashKey["Device | ConformanceError"]()


class Run:
    """A run in progress.

    Args:
        plan: network and nodes.
        device: what is judged.

    Raises:
        ConformanceError: goldens, waivers or run directory are not as they must be.
    """

    def __init__(self, plan: Plan, device: Device) -> None:
        self.plan, self.device, self.info = plan, device, device.info()
        self.started = time.perf_counter()
        self.records: list[Record] = []
        self.evaluation = Evaluation(device, plan.store, read_margins(locations.MARGINS), plan.nodes)
        waivers = _waivers(plan, self.info)
        self.ledger = WaiverLedger(waivers)
        self.problems: list[WaiverProblem] = [
            *expired(waivers, dt.datetime.now(dt.timezone.utc).date()),
            *unmatched(waivers, _universe(plan)),
        ]
        self.wall_seconds = 0.0
        self.device_notes: dict[str, None] = {}
        self.directory = RunDirectory.create(_run_path(plan, self.info))
        self._write_environment(waivers)

    def _write_environment(self, waivers: list[Waiver]) -> None:
        settings = self.plan.settings
        self.directory.write_environment(
            gather_environment(
                options={name: getattr(settings, name) for name in Settings.__dataclass_fields__},
                device=self.info,
                waivers=[waiver.id for waiver in waivers],
                now=dt.datetime.now(dt.timezone.utc),
                directory=locations.PROJECT,
            )
        )

    def prepare(self) -> None:
        """Read graph and scales, make and verify goldens, so that what is wrong with them stops the run plainly.

        Raises:
            ConformanceError: they are not as they must be.
        """
        evaluation, store = self.evaluation, self.plan.store
        store.ensure([*(node.name for node in store.manifest.key), *evaluation.nodes])
        for precision in PRECISIONS:
            evaluation.scales(precision.fixed_bits)
            for node in evaluation.nodes:
                evaluation.limits(node, precision)

    @property
    def notes(self) -> list[str]:
        """What a reader should know of goldens and device."""
        return [*self.plan.store.said, *self.device_notes]

    def settle(self, *findings: Finding, case_ids: Sequence[str | None] = ()) -> None:
        """Write the findings' records, then pass, fail, skip or xfail the running test by the worst of them.

        Args:
            findings: what came out, at least one.
            case_ids: id per record, where the case's own is taken already.
        """
        if not findings:
            pytest.fail("nothing was judged; an empty comparison never passes", pytrace=False)
        ids = case_ids or [None] * len(findings)
        records = [self._record(finding, case_id) for finding, case_id in zip(findings, ids, strict=True)]
        self.device_notes |= dict.fromkeys(note for finding in findings for note in finding.notes)
        for record in records:
            self.records.append(record)
            self.directory.add(record)
        _conclude(records)

    def _record(self, finding: Finding, case_id: str | None) -> Record:
        if finding.state == "judged" and finding.verdict is not None:
            return record_of(
                finding.case,
                finding.verdict,
                self.ledger,
                simulated=self.info.simulated,
                case_id=case_id,
                sha256=finding.sha256,
                seconds=finding.seconds,
            )
        return self._unjudged(finding, case_id)

    def _unjudged(self, finding: Finding, case_id: str | None) -> Record:
        """Return the record of a finding without a bound: measured, unsupported, broken."""
        verdict = finding.verdict
        reasons = [finding.reason] if finding.state == "broken" else list(verdict.reasons) if verdict else []
        outcome = "deviates" if finding.state == "measured" and reasons else finding.state
        case = finding.case
        return Record(
            case=case_id or str(case),
            network=case.network,
            node=case.node,
            op=case.op,
            precision=case.precision,
            mode=case.mode,
            outcome=outcome,  # type: ignore[arg-type] - "judged" always has a verdict
            simulated=self.info.simulated,
            reasons=reasons,
            notes=[finding.reason] if finding.state == "unsupported" else [],
            metrics=verdict.metrics if verdict else None,
            sha256=list(finding.sha256),
            seconds=finding.seconds,
        )

    def finish(self) -> None:
        """Close device and directory; stale waivers become problems."""
        self.problems += self.ledger.stale()
        self.wall_seconds = time.perf_counter() - self.started
        self.directory.close()
        self.device.close()


def _conclude(records: Sequence[Record]) -> None:
    """Give the running test its outcome."""
    if failures := [sentence for record in records if (sentence := _failure(record))]:
        pytest.fail("\n".join(failures), pytrace=False)
    if all(record.outcome == "unsupported" for record in records):
        pytest.skip("; ".join(f"{record.case} is unsupported: {' '.join(record.notes)}" for record in records))
    if waived := sorted({record.waiver for record in records if record.waiver}):
        pytest.xfail(f"waived by {', '.join(waived)}")


def _failure(record: Record) -> str:
    """Return the sentence that fails a test, or ''."""
    if record.outcome in ("deviates", "broken"):
        return f"{record.case} {'deviates' if record.outcome == 'deviates' else 'is broken'}: {'; '.join(record.reasons)}"
    if record.outcome == "conforms" and record.waiver is not None:
        return f"{record.case} conforms although waiver {record.waiver!r} says it deviates; remove or narrow the waiver"
    return ""


def _waivers(plan: Plan, info: DeviceInfo) -> list[Waiver]:
    """Return the waivers that apply to this network on this device."""
    settings = plan.settings
    if settings.no_waivers:
        return []
    profile = info.profile.partition(",")[0]
    path = settings.waivers or locations.WAIVERS / f"{profile or info.kind}.toml"
    if not settings.waivers and not path.exists():
        return []
    return applicable(read_waivers(path), network=plan.network.name, profile=profile or None)


def _universe(plan: Plan) -> Iterator[Case]:
    """Yield every case that could be judged for this network, whatever was selected."""
    from conformance.judging.waivers import Case

    outputs = {output.name for output in plan.network.outputs}
    for node in plan.manifest.nodes:
        for precision in PRECISIONS:
            for mode in ("own", "chained", *(["fused"] if node.name in outputs else [])):
                yield Case(
                    network=plan.network.name, node=node.name, op=node.op, precision=str(precision), mode=mode  # type: ignore[arg-type]
                )


def _run_path(plan: Plan, info: DeviceInfo) -> Path:
    return plan.settings.run_dir or default_run_path(
        Path.cwd() / "runs", plan.network.name, info.kind, dt.datetime.now(dt.timezone.utc)
    )


def device_of(config: pytest.Config) -> Device:
    """Return the device that the options ask for, opened once.

    Raises:
        ConformanceError: it cannot be had.
    """
    if DEVICE not in config.stash:
        settings = config.stash[SETTINGS]
        try:
            config.stash[DEVICE] = open_device(settings.device, settings.profile, locations.DEVICES)
        except ConformanceError as error:
            config.stash[DEVICE] = error
    found = config.stash[DEVICE]
    if isinstance(found, ConformanceError):
        raise found
    return found


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Open device and run directory when tests of the suite are about to run."""
    config = session.config
    selected = any(item.get_closest_marker("mlu") for item in session.items)
    if config.option.collectonly or not selected:
        return
    try:
        device = device_of(config)
        if config.stash[SETTINGS].require_hardware and device.info().simulated:
            raise InfrastructureError(
                f"--require-hardware is set, but device {device.info().kind!r} is simulated; no card was used"
            )
        run = config.stash[RUN] = Run(plan_of(config), device)
        run.plan.store.report = _progress(config)
        run.prepare()
    except ConformanceError as error:
        raise_plainly(error)


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
    """Fail the run when nothing was judged or a waiver is wrong; close what is open."""
    config = session.config
    if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and "mlu" in (config.option.markexpr or ""):
        session.exitstatus = 3  # nothing ran
    if RUN not in config.stash:
        return
    run = config.stash[RUN]
    run.finish()
    judged = any(record.outcome != "unsupported" for record in run.records)
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = 1 if run.problems else 0 if judged else 3
