"""Judging in one process: its device, and what each finding means for its test."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import clock, locations
from conformance.devices.base import KeepsLogs, TellsState
from conformance.devices.registry import open_device, request_of
from conformance.evaluation.evaluation import Evaluation
from conformance.evaluation.stopwatch import Stopwatch
from conformance.evaluation.timing import rounds_of
from conformance.expected.expectations import Expectations
from conformance.expected.limits import told
from conformance.expected.overflow import told as told_overflow
from conformance.expected.truth import refuse_wrong_goldens
from conformance.judging.bounds import read_margins
from conformance.judging.cases import OPERATORS
from conformance.judging.waivers import WaiverLedger, expired, scope_sha256
from conformance.plugin.options import SETTINGS
from conformance.plugin.pictures import keeper_of
from conformance.plugin.probing import Explaining, probe_of_run
from conformance.precision import PRECISIONS, parse_precision
from conformance.report.series import series_steps
from conformance.runs.environment import named_values
from conformance.runs.journal import Journal, ProcessStatus
from conformance.runs.records import record_of
from conformance.runs.waivers import operator_waivers, waiver_problems, waivers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from conformance.devices.base import Device
    from conformance.judging.cases import Case
    from conformance.judging.findings import Finding
    from conformance.operators.judged_operators import JudgedOperators
    from conformance.runs.outputs import OutputKeeper
    from conformance.runs.plan import Plan
    from conformance.runs.records import Record

RUN = pytest.StashKey["Run"]()
DEVICE = pytest.StashKey["Device"]()
JOURNAL = pytest.StashKey[Journal]()


class Run:
    """The part of a run that this process judges.

    Args:
        plan: networks and nodes.
        device: what is judged.
        expectations: what it is held to, by network.

    Attributes:
        rounds: how often the fused network is timed at each precision.
        directory: of the run, once it has begun.

    Raises:
        ConformanceError: attainable errors or waivers are not as they must be.
    """

    def __init__(self, plan: Plan, device: Device, expectations: Mapping[str, Expectations]) -> None:
        self.plan, self.device, self.info = plan, device, device.info()
        self.stopwatch = Stopwatch()
        self.evaluations = {
            name: Evaluation(
                device,
                expected,
                plan.parts[name].nodes,
                fuse=not plan.settings.layer_by_layer,
                stopwatch=self.stopwatch,
                keep_fused=True,
                repeat=plan.settings.repeat,
            )
            for name, expected in expectations.items()
        }
        self.rounds = rounds_of(plan.settings.rounds, simulated=self.info.simulated)
        waivers = {name: waivers_of(part, self.info) for name, part in plan.parts.items()}
        own = operator_waivers(plan.settings, self.info) if plan.operators else []
        today = clock.now().date()
        applied = [*(waiver for found in waivers.values() for waiver in found), *own]
        self._ledger = WaiverLedger(applied)
        self._waivers = [waiver.id for waiver in applied]
        self._scope = scope_sha256(applied)
        self._waiver_problems = [
            problem
            for name, part in plan.parts.items()
            for problem in waiver_problems(part, self.info, waivers[name], today)
        ]
        self._waiver_problems += expired(own, today)
        self._failures: Path | None = None
        self._device_notes: dict[str, None] = {}
        self._states: dict[str, dict[str, float]] = {"before": self._state()}
        self._recorded_now: list[Record] = []
        self.directory = Path()
        self._judged: dict[tuple[str, str], dict[str, None]] = {}
        self._incidents: list[str] = []
        self._outcomes: dict[str, str] = {}
        self._keep: Callable[[Record], object] = lambda _: None
        self._pictures: OutputKeeper | None = None
        self._explaining: Explaining | None = None

    def of(self, network: str) -> Evaluation:
        """Return the device on one of the run's networks."""
        return self.evaluations[network]

    @functools.cached_property
    def operators(self) -> JudgedOperators:
        """The device on operators by themselves."""
        from conformance.operators.judged_cases import CaseJudge
        from conformance.operators.judged_operators import JudgedOperators

        settings = self.plan.settings
        judge = CaseJudge(
            self.device,
            read_margins(locations.MARGINS),
            self._ledger,
            model=self.info.model,
            stopwatch=self.stopwatch,
            fuse=not settings.layer_by_layer,
            repeat=settings.repeat,
            steps_stored=self._stores_steps(),
        )
        return JudgedOperators(
            judge,
            self.plan.operators,
            examples=settings.examples,
            failures=self._failures,
            reproductions=self.directory / "repro",
        )

    def _stores_steps(self) -> bool:
        """Whether the profile of an emulator says that it stores each step of what is fused."""
        if not self.info.profile:
            return False
        from conformance.devices.emulator.profile import read_profile

        return read_profile(self.plan.settings.profile, locations.DEVICES).fused_intermediates == "rounded"

    def begin(
        self, keep: Callable[[Record], object], directory: Path, logs: Path, failures: Path | None = None
    ) -> None:
        """Hand records to ``keep`` from now on, and keep pictures and the device's logs in directories.

        Args:
            keep: gets every record.
            directory: of the run.
            logs: directory of what the device's processes print.
            failures: directory of cases that failed before; None: they are not kept.
        """
        self._failures = failures
        self.directory = directory
        self._keep, self._pictures = keep, keeper_of(self.evaluations, directory)
        if isinstance(self.device, KeepsLogs):
            self.device.keep_logs(logs)

    def probe(self) -> None:
        """Probe the device and keep what was found: every record then says whether it explains it.

        Raises:
            ConformanceError: nothing was found, or the device is gone.
        """
        with self.stopwatch.during("prepare"):
            profile = probe_of_run(self.device, self.plan.settings.profile, self.directory)
        self._explaining = Explaining(profile, self.evaluations)

    def record(self, *findings: Finding, suffix: str = "") -> list[Record]:
        """Write down what came out, after waivers, and return it.

        Args:
            findings: what came out.
            suffix: of the records' ids, where the cases' own are taken already.

        Raises:
            DeviceLost: the device is gone for good; the records are kept.
        """
        for finding in findings:
            case = finding.case
            said = finding.verdict.notes if finding.verdict and case.mode == "fused" else []
            self._device_notes |= dict.fromkeys([*finding.notes, *said])
            if case.mode == "own":
                self._judged.setdefault((case.network, case.precision), {})[case.node] = None
        records = [self._recorded(finding, suffix) for finding in findings]
        self._recorded_now += records
        self._outcomes |= {record.case: record.outcome for record in records if record.mode == "fused"}
        with self.stopwatch.during("write"):
            for record in records:
                self._keep(record)
        for evaluation in self.evaluations.values():
            if evaluation.lost is not None:
                raise evaluation.lost
        return records

    def told_before(self, records: Iterable[Record], suffix: str) -> set[str]:
        """Return the cases with this suffix that deviate as they did without it, earlier in this process."""
        return {
            record.case
            for record in records
            if self._outcomes.get(record.case.removesuffix(suffix)) == record.outcome == "deviates"
        }

    def take_recorded(self) -> list[Record]:
        """Return what was recorded since this was last asked."""
        records, self._recorded_now = self._recorded_now, []
        return records

    def _recorded(self, finding: Finding, suffix: str) -> Record:
        return record_of(
            finding,
            self._ledger,
            simulated=self.info.simulated,
            device=self.info.kind,
            fusion=self._fusion(finding.case),
            case_id=f"{finding.case}{suffix}",
            fail_unmodelled=self.plan.settings.unmodelled == "fail",
            explained=self._explained(finding),
        )

    def _explained(self, finding: Finding) -> bool | None:
        """Return what a probe says of a finding; of operators by themselves it says nothing."""
        if self._explaining is None or finding.case.network == OPERATORS:
            return None
        return self._explaining(finding)

    def _fusion(self, case: Case) -> str:
        """Return how the graph of a case was compiled, in words."""
        if case.network == OPERATORS:
            return "layer by layer" if self.plan.settings.layer_by_layer else "fused"
        return self.of(case.network).fusion(case.mode)

    def status(self) -> ProcessStatus:
        """Return what this process can say by now."""
        found = [text for evaluation in self.evaluations.values() for text in evaluation.incidents]
        operators = self.operators if "operators" in self.__dict__ else None  # if it was begun
        found += operators.incidents if operators else []
        return ProcessStatus(
            device=named_values(self.info, "device"),
            waivers=self._waivers,
            waivers_sha256=self._scope,
            **self._states,
            problems=self._waiver_problems,
            incidents=[*dict.fromkeys(found), *self._incidents],
            notes=[
                *self.plan.notes,
                *self._device_notes,
                *(self._pictures.notes if self._pictures else ()),
                *self._limit_notes(),
                *([self._explaining.note] if self._explaining else ()),
                *(operators.notes if operators else ()),
            ],
            seconds={phase: round(seconds, 3) for phase, seconds in self.stopwatch.seconds.items()},
        )

    def _state(self) -> dict[str, float]:
        """Return clock, temperature and so on of the card; what its driver does not tell is left out."""
        if not isinstance(self.device, TellsState):
            return {}
        try:
            return self.device.state()
        except Exception as error:  # noqa: BLE001 - whatever a device raises; its results are not affected
            self._device_notes[f"the device could not tell its state: {type(error).__name__}: {error}"] = None
            return {}

    def _limit_notes(self) -> Iterator[str]:
        """Yield what judged nodes are outside of, and what overflows, by network, all precisions together."""
        for name, evaluation in self.evaluations.items():
            limits = evaluation.expected.limits(self.info.model)
            judged = {key[1]: nodes for key, nodes in self._judged.items() if key[0] == name}
            yield from told(
                item
                for precision, nodes in judged.items()
                for item in limits.outside(nodes, parse_precision(precision))
            )
            nodes = dict.fromkeys(node for nodes in judged.values() for node in nodes)
            yield from limits.unchecked(nodes)
            yield from told_overflow(evaluation.expected.attainable.overflow, nodes)

    def rest(self) -> None:
        """Close what was kept open between two tests of one group."""
        for evaluation in self.evaluations.values():
            evaluation.rest()

    def close(self) -> None:
        """Close the device; one that cannot be closed is an incident."""
        for evaluation in self.evaluations.values():
            evaluation.close()
        self._states["after"] = self._state()
        try:
            self.device.close()
        except Exception as error:  # noqa: BLE001 - whatever a device raises
            self._incidents.append(f"the device could not be closed: {type(error).__name__}: {error}")


def expectations_of(plan: Plan) -> dict[str, Expectations]:
    """Return what a device is held to on each of the plan's networks."""
    margins = read_margins(locations.MARGINS)
    return {name: Expectations(part.store, margins) for name, part in plan.parts.items()}


def check(plan: Plan, expectations: Mapping[str, Expectations]) -> None:
    """Read graphs, scales and series, make and verify goldens: what is wrong with them stops the run plainly.

    Raises:
        ConformanceError: something is.
    """
    for name, expected in expectations.items():
        expected.check(plan.parts[name].nodes, PRECISIONS)
        refuse_wrong_goldens(expected.store)
        series_steps(expected.store)


def device_of(config: pytest.Config) -> Device:
    """Return the device that the options ask for, opened once.

    Raises:
        ConformanceError: it cannot be had, or is simulated where a card is required.
    """
    settings = config.stash[SETTINGS]
    if DEVICE not in config.stash:
        config.stash[DEVICE] = open_device(request_of(settings))
    device = config.stash[DEVICE]
    if settings.require_hardware and device.info().simulated:
        from conformance.devices.cambricon.cards import no_hardware, survey

        raise no_hardware(survey(), device.info().kind)
    return device


def close_device(config: pytest.Config) -> None:
    """Close a device that was opened for a run that could not start; why it could not is said elsewhere."""
    if DEVICE in config.stash:
        with contextlib.suppress(Exception):
            config.stash[DEVICE].close()
