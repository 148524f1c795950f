"""One of several processes that judge: a device of its own, and records that travel with tests' reports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from conformance.errors import EXIT_USAGE, ConformanceError, InfrastructureError, UsageError
from conformance.plugin.asked_operators import failures_of
from conformance.plugin.benchmarks import take_timed
from conformance.plugin.execution import Run, close_device, device_of, expectations_of
from conformance.plugin.processes import OURS, worker_input, worker_name, worker_output
from conformance.plugin.selection import FAILURE, plan_of
from conformance.plugin.stopping import STOPPED, abort
from conformance.runs.journal import ProcessStatus
from conformance.runs.records import encode_record

if TYPE_CHECKING:
    from collections.abc import Generator


WORKER = pytest.StashKey["Worker"]()


class Stop(msgspec.Struct, kw_only=True):
    """Why a worker ended the run.

    Attributes:
        sentence: for the user.
        exit_code: the error's.
    """

    sentence: str
    exit_code: int

    @property
    def error(self) -> ConformanceError:
        """The error that it was."""
        return (UsageError if self.exit_code == EXIT_USAGE else InfrastructureError)(self.sentence)


class WorkerMessage(msgspec.Struct, kw_only=True):
    """What is new since a worker's last message.

    Attributes:
        worker: who sends it.
        status: what it says of its device, if it has one open.
        records: lines as :func:`conformance.runs.records.encode_record` writes them.
        benchmarks: what was timed, as pytest-benchmark describes it.
        stop: why the run must end.
    """

    worker: str
    status: ProcessStatus | None = None
    records: list[str] = []
    benchmarks: list[dict[str, Any]] = []
    stop: Stop | None = None


def pack(message: WorkerMessage) -> str:
    """Return a message as text."""
    return msgspec.json.encode(message, enc_hook=str).decode()


def unpack(text: str) -> WorkerMessage:
    """Return the message of a text."""
    return msgspec.json.decode(text, type=WorkerMessage)


class Worker:
    """A plugin of a worker. Its device is opened for its first case, so that an idle worker takes no card.

    Attributes:
        begun: its part of the run, once it has begun.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.begun: Run | None = None
        self._lines: list[str] = []

    def run(self) -> Run:
        """Return this worker's part of the run, begun when first asked for; ends the run if it cannot."""
        if self.begun is None:
            try:
                self.begun = self._begun()
            except (ConformanceError, OSError) as error:
                abort(error, self._config)
        return self.begun

    def _begun(self) -> Run:
        if FAILURE in self._config.stash:
            raise self._config.stash[FAILURE]
        started = time.perf_counter()
        plan = plan_of(self._config)
        run = Run(plan, device_of(self._config), expectations_of(plan))
        directory = Path(worker_input(self._config)[OURS])
        logs = directory / "logs" / worker_name(self._config)
        run.stopwatch.seconds["prepare"] += time.perf_counter() - started
        run.begin(
            lambda record: self._lines.append(encode_record(record).decode()),
            directory,
            logs,
            failures_of(self._config),
        )
        return run

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what is new with the test's report."""
        report = yield
        benchmarks = take_timed(self._config)
        if self._lines or benchmarks:
            setattr(report, OURS, pack(self._message(benchmarks)))
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Close the device; send what no report could carry."""
        if self.begun is not None:
            self.begun.close()
        else:
            close_device(self._config)
        message = self._message(take_timed(self._config))
        error = self._config.stash.get(STOPPED, None)
        if error is not None:
            message.stop = Stop(sentence=str(error), exit_code=error.exit_code)
        worker_output(self._config)[OURS] = pack(message)

    def _message(self, benchmarks: list[dict[str, Any]]) -> WorkerMessage:
        lines, self._lines = self._lines, []
        status = self.begun.status() if self.begun is not None else None
        return WorkerMessage(
            worker=worker_name(self._config), status=status, records=lines, benchmarks=benchmarks
        )
