"""Several devices at once: ``-n`` of pytest-xdist, whose workers open a device each and judge for one run.

The controller collects the suite's tests as well, so that it says by itself what is wrong before anything
runs, and knows which cases belong together. It never opens a device.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from conformance.devices.base import AUTO, CAMBRICON
from conformance.devices.registry import automatic
from conformance.errors import ConformanceError, UsageError
from conformance.judging.waivers import read_waivers
from conformance.plugin.benchmarks import receive_timed
from conformance.plugin.execution import JOURNAL, check, expectations_of
from conformance.plugin.gating import check_baseline
from conformance.plugin.options import settings_of
from conformance.plugin.processes import OURS, WORKERS, is_worker
from conformance.plugin.selection import asks_for_suite, group_of, of_suite, plan_of
from conformance.plugin.sharding import SHARD
from conformance.plugin.stopping import abort, stop
from conformance.plugin.worker import WORKER, Worker, WorkerMessage, unpack
from conformance.runs.held_to import held_to
from conformance.runs.journal import Journal, run_path
from conformance.runs.records import decode_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from conformance.runs.plan import Plan

CONTROLLER = pytest.StashKey["Controller"]()
XDIST_CONTROLLER = "dsession"
"""The plugin by which pytest-xdist controls workers, under the name that it registers."""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Take the part of a worker or of their controller, which pytest-xdist has configured by now."""
    config = session.config
    if is_worker(config):
        config.stash[WORKER] = Worker(config)
        config.pluginmanager.register(config.stash[WORKER])
    elif config.pluginmanager.has_plugin(XDIST_CONTROLLER):
        config.stash[CONTROLLER] = Controller(config)
        config.pluginmanager.register(config.stash[CONTROLLER])


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Replace no worker that dies, unless the user says so: what killed it would kill the next one.

    When several die, pytest-xdist's scheduling of groups breaks with a KeyError for the new ones.
    """
    if getattr(config.option, "maxworkerrestart", "") is None:
        config.option.maxworkerrestart = "0"


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return how many workers ``-n auto`` means: one per card, where cards are to be judged."""
    if not asks_for_suite(config) or settings_of(config).device not in (AUTO, CAMBRICON):
        return None
    from conformance.devices.cambricon.cards import survey

    return len(survey().usable) or None


class Controller:
    """A plugin of the controller: starts the run, spreads its cases, and writes down what workers send."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._groups: dict[str, str] = {}
        self._awaited: dict[str, None] = {}
        self._elsewhere: list[str] = []
        self._path: Path | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Count the workers."""
        self._config.stash[WORKERS] = len(specs)
        self._elsewhere = [str(spec) for spec in specs if not spec.popen]

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the run will be, for the logs of its device."""
        try:
            self._path = self._path or _path(plan_of(self._config))
        except (ConformanceError, OSError):
            return  # said when tests of the suite have been collected; other tests need no plan
        node.workerinput[OURS] = str(self._path)

    def pytest_unconfigure(self) -> None:
        """Remove the directory that was made for a run that never began: it is empty then."""
        if self._path is not None and settings_of(self._config).run_dir is None:
            with contextlib.suppress(OSError):
                self._path.rmdir()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Collect as if there were no workers; what cannot be collected ends the session as it does there."""
        session.perform_collect()
        if session.testsfailed and not self._config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} error(s) during collection")

    def begin(self, plan: Plan, items: Sequence[pytest.Item], started: float) -> None:
        """Start a run for the workers.

        Raises:
            ConformanceError: it cannot start; no worker has opened a device, and no directory is left.
        """
        self._check()
        self._groups = {item.nodeid: group_of(item) for item in items if of_suite(item)}
        self._awaited = dict.fromkeys(self._groups)
        expectations = expectations_of(plan)
        check(plan, expectations)
        if plan.settings.waivers is not None:
            read_waivers(plan.settings.waivers)
        stash = self._config.stash
        digests = held_to(plan.settings, expectations, plan.operators)
        check_baseline(plan.settings, digests)
        shard = stash[SHARD].of_run(digests) if SHARD in stash else None
        stash[JOURNAL] = Journal(plan, self._path or _path(plan), started, stash[WORKERS], shard, digests)

    def _check(self) -> None:
        """Raise UsageError where the user spreads the cases as no run can be made of."""
        if self._config.option.dist == "each":
            raise UsageError(
                "--dist each runs every case on every worker, but a run records it once; drop it, -n spreads "
                "the cases by itself"
            )
        if self._elsewhere:
            raise UsageError(
                f"--tx {self._elsewhere[0]} judges on a machine that this run's environment.json would not "
                "describe; use -n, and a run of its own on each machine"
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Keep the cases together that one session of a device judges at once, whatever ``--dist`` says."""
        return _scheduling(config, log, self._groups) if self._groups else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down what a worker found out."""
        if report.when == "call" or not report.passed:
            self._awaited.pop(report.nodeid, None)
        self._receive(getattr(report, OURS, None))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take a worker's last word; one that died, or could not go on, fails the run."""
        message = self._receive(getattr(node, "workeroutput", {}).pop(OURS, None))
        if error and JOURNAL in self._config.stash:
            self._config.stash[JOURNAL].failures.append(
                f"worker {node.gateway.id} died ({error}); if its device took it along, run it with --isolate"
            )
        if message is not None and message.stop is not None:
            self._end(message.worker, message.stop.error)

    def _receive(self, text: str | None) -> WorkerMessage | None:
        if text is None or JOURNAL not in self._config.stash:
            return None
        journal, message = self._config.stash[JOURNAL], unpack(text)
        try:
            if message.status is not None:
                journal.update(message.status, message.worker)
            for line in message.records:
                journal.add(decode_record(line.encode()), message.worker)
        except (ConformanceError, OSError) as error:
            abort(error, self._config)
        receive_timed(self._config, message.benchmarks)
        return message

    def _end(self, worker: str, error: ConformanceError) -> NoReturn:
        """End the run for a worker that cannot go on; a run that never began leaves no directory."""
        journal = self._config.stash[JOURNAL]
        if journal.statuses:
            error = type(error)(f"{worker}: {error}")
        else:
            journal.directory.discard()
            del self._config.stash[JOURNAL]
        stop(error, self._config)

    def missing(self) -> list[str]:
        """Return what fails a run whose tests have all ended: cases of which no worker said anything."""
        if not self._awaited:
            return []
        first = next(iter(self._awaited))
        return [f"{len(self._awaited)} selected cases were not judged, {first} first: their workers died"]


def _path(plan: Plan) -> Path:
    """Return the run directory; where it is named after a device that no one has opened, after its word."""
    word = plan.settings.device
    if word == AUTO and plan.settings.run_dir is None:
        word = automatic()
    return run_path(plan, word)


def _scheduling(config: pytest.Config, log: object, groups: Mapping[str, str]) -> object:
    """Return pytest-xdist's own scheduling, but with our cases in groups; other tests as ``--dist`` says.

    Not by ``xdist_group`` marks: they change the ids of tests, which could then neither be repeated from the
    report nor be compared between runs with and without workers.
    """
    from xdist.scheduler import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling

    kinds = {"loadfile": LoadFileScheduling, "loadscope": LoadScopeScheduling}
    kind: Any = kinds.get(config.option.dist, LoadGroupScheduling)

    class Scheduling(kind):  # type: ignore[misc] # which class it is depends on --dist
        def _split_scope(self, nodeid: str) -> str:
            return groups.get(nodeid) or str(super()._split_scope(nodeid))

    return Scheduling(config, log)
