"""The life of a run: begun when tests of the suite are about to run, closed and judged as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from conformance.errors import EXIT_INFRASTRUCTURE, EXIT_USAGE, ConformanceError, UsageError
from conformance.exit_guard import ExitGuard
from conformance.plugin.asked_operators import failures_of
from conformance.plugin.benchmark_comparison import take_regressions
from conformance.plugin.benchmarks import write_times
from conformance.plugin.execution import JOURNAL, RUN, Run, check, close_device, device_of, expectations_of
from conformance.plugin.gating import check_baseline, gate_run
from conformance.plugin.options import SETTINGS
from conformance.plugin.pictures import TABLES, draw
from conformance.plugin.processes import is_worker
from conformance.plugin.selection import asks_for_suite, group_of, of_suite, plan_of, sessions_of
from conformance.plugin.sharding import SHARD
from conformance.plugin.stopping import stop
from conformance.plugin.worker import WORKER
from conformance.plugin.xdist import CONTROLLER
from conformance.progress import Progress
from conformance.runs.held_to import held_to
from conformance.runs.journal import Journal, run_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.plan import Plan

STARTED = pytest.StashKey[float]()
GUARD = pytest.StashKey[ExitGuard]()
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
"""How a session ends that was not cut short."""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the clock of the whole run; from here to its last line an exit is no verdict."""
    session.config.stash[STARTED] = time.perf_counter()
    if asks_for_suite(session.config):
        _arm(session.config)


def _arm(config: pytest.Config) -> None:
    """Guard the process against an exit from inside; of a worker the controller notices it."""
    if not is_worker(config) and GUARD not in config.stash:
        config.stash[GUARD] = ExitGuard()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the process end: everything has been said."""
    if GUARD in config.stash:
        config.stash[GUARD].disarm()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the run when tests of the suite are about to run; a worker waits for the first of its cases."""
    config = session.config
    if config.option.collectonly or is_worker(config) or not any(map(of_suite, session.items)):
        return
    _arm(config)  # where -m does not name the suite
    try:
        plan = plan_of(config)
        plan.show_progress(_progress(config))
        if CONTROLLER in config.stash:
            if plan.settings.probe:
                raise UsageError("--probe probes one device, but -n starts several; drop one of them")
            config.stash[CONTROLLER].begin(plan, session.items, config.stash[STARTED])
        else:
            _start(config, plan, session.items)
        plan.show_progress(lambda *_: None)  # from here on every line would land in the output of some test
    except (ConformanceError, OSError) as error:
        stop(error, config)


def _start(config: pytest.Config, plan: Plan, items: Sequence[pytest.Item]) -> None:
    """Open device and directory; the directory last, so that none is left by a run that could not start."""
    device, expectations = device_of(config), expectations_of(plan)
    run = Run(plan, device, expectations)
    for name, evaluation in run.evaluations.items():
        evaluation.foresee(sessions_of(items, name))
    check(plan, expectations)
    digests = held_to(plan.settings, expectations, plan.operators)
    check_baseline(plan.settings, digests)
    shard = config.stash[SHARD].of_run(digests) if SHARD in config.stash else None
    journal = Journal(
        plan, run_path(plan, run.info.kind), config.stash[STARTED], shard=shard, held_to=digests
    )
    run.stopwatch.seconds["prepare"] += time.perf_counter() - config.stash[STARTED]
    journal.update(run.status())
    run.begin(journal.add, journal.directory.path, journal.directory.path / "logs", failures_of(config))
    if plan.settings.probe:
        run.probe()
    config.stash[RUN], config.stash[JOURNAL] = run, journal


def _progress(config: pytest.Config) -> Progress:
    """Return a progress that writes past pytest's capture."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return Progress(reporter.write, terminal=reporter.isatty) if reporter else Progress(str, terminal=False)


@pytest.fixture(scope="session")
def conformance_run(request: pytest.FixtureRequest) -> Run:
    """The run that records what suite tests find."""
    config = request.config
    return config.stash[WORKER].run() if is_worker(config) else config.stash[RUN]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close what is kept open for tests of one group when the last of them has run."""
    if not of_suite(item) or (nextitem is not None and group_of(nextitem) == group_of(item)):
        return
    config = item.config
    run = config.stash[WORKER].begun if is_worker(config) else config.stash.get(RUN, None)
    if run is not None:
        run.rest()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close what is open; fail the run when nothing was judged or a waiver is wrong."""
    config = session.config
    if JOURNAL in config.stash:
        _finish(session, config.stash[JOURNAL])
    elif not is_worker(config):
        close_device(config)
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and asks_for_suite(config):
            session.exitstatus = EXIT_INFRASTRUCTURE


def _finish(session: pytest.Session, journal: Journal) -> None:
    config = session.config
    if RUN in config.stash:
        config.stash[RUN].close()
        journal.update(config.stash[RUN].status())
    if CONTROLLER in config.stash and session.exitstatus in ENDED:
        journal.failures += config.stash[CONTROLLER].missing()
    if SHARD in config.stash and session.exitstatus in ENDED:
        journal.ended = config.stash[SHARD].ended(failed=session.exitstatus != pytest.ExitCode.OK)
    write_times(session, journal)
    journal.failures += take_regressions(config)
    journal.finish(_cut_short(session))
    stores = [part.store for part in plan_of(config).parts.values()]
    config.stash[TABLES] = draw(journal, stores, whole=session.exitstatus in ENDED)
    baseline = config.stash[SETTINGS].baseline
    if baseline is not None and session.exitstatus in ENDED:
        code = gate_run(config, baseline, journal)
        session.exitstatus = EXIT_USAGE if code is None else code
    elif session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = journal.exit_code


def _cut_short(session: pytest.Session) -> str:
    """Return why not all was judged that was selected, '' where it was."""
    if session.exitstatus not in ENDED:
        return f"exit code {int(session.exitstatus)}"
    config = session.config
    if CONTROLLER in config.stash and config.stash[CONTROLLER].missing():
        return "workers died"
    return str(session.shouldfail or session.shouldstop or "")
