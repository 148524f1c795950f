"""Running a device that may do anything: what it returns is checked, what it raises becomes a problem."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import DeviceLost, Unsupported
from conformance.devices.checked_run import checked_run, checked_session
from conformance.errors import ConformanceError, GoldenError, SpaceError
from conformance.evaluation.stopwatch import Stopwatch
from conformance.files import sha256
from conformance.judging.findings import Problem
from conformance.npy import let_go

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from conformance.devices.base import Session

Array = np.ndarray[Any, Any]


class Attempt:
    """Something that is asked of a device: what it raises is kept.

    Attributes:
        error: what was raised; None if it went well.
        incidents: failures of the device that no node is to blame for.
    """

    error: BaseException | None = None
    incidents: tuple[str, ...] = ()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Keep what is raised in a block, and end the block."""
        try:
            yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what a device raises is a finding about it
            self._keep(error)

    @property
    def problem(self) -> Problem | None:
        """What the error means; None if there was none.

        Raises:
            GoldenError: it is one, so it says nothing about the device.
        """
        return None if self.error is None else problem_of(self.error)

    @property
    def lost(self) -> DeviceLost | None:
        """The error, if it means that the device is gone for good."""
        return self.error if isinstance(self.error, DeviceLost) else None

    def _keep(self, error: BaseException) -> None:
        """Keep the first error; that the device is lost goes over any other."""
        if self.error is None or isinstance(error, DeviceLost):
            self.error = error


class DeviceRun(Attempt):
    """One session of a device, from compiling to closing; whatever goes wrong ends the block and is kept.

    Args:
        opening: compiles; called by the first run.
        stopwatch: tells compiling from running.

    Attributes:
        notes: what the session said of its runs.
        unmodelled: nodes that it does not model.
        seconds: device time of all runs.
        runs: how many went well.
    """

    def __init__(self, opening: Callable[[], Session], stopwatch: Stopwatch | None = None) -> None:
        self._opening, self._stopwatch = opening, stopwatch or Stopwatch()
        self._session: Session | None = None
        self._compiling: Future[Session] | None = None
        self._begun: Future[dict[str, Any]] | Callable[[], dict[str, Any]] | None = None
        self._problems: dict[str, Problem] = {}
        self.notes: tuple[str, ...] = ()
        self.unmodelled: tuple[str, ...] = ()
        self.seconds = 0.0
        self.runs = 0

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """Run once, after compiling if that is not done; return what the session returned, by node.

        Raises:
            DeviceError: the session is none, it returned no mapping, or a device time that is none.
        """
        if self._session is None:
            self._session = self._open() if self._compiling is None else self._compiling.result()
        session = self._session
        with self._stopwatch.during("device"):
            results, seconds = checked_run(session, feeds)
        self.runs += 1
        self.seconds += seconds
        self._listen(session)
        return results

    def _open(self) -> Session:
        with self._stopwatch.during("compile"):
            return checked_session(self._opening())

    def compile(self, beside: Executor) -> None:
        """Begin to compile, if that has not begun; the first run waits for it, and raises what it raised."""
        if self._compiling is None:
            self._compiling = beside.submit(self._open)

    def wait_until_compiled(self) -> None:
        """Wait for what was begun; the first run raises what it raised."""
        if self._compiling is not None:
            wait([self._compiling])

    def start(self, feeds: Callable[[], Mapping[str, Array]], beside: Executor | None) -> None:
        """Begin a run; :meth:`take` returns what it gives.

        Args:
            feeds: gives what the run is fed with.
            beside: where it goes on meanwhile; None: it waits for :meth:`take`.
        """

        def job() -> dict[str, Any]:
            fed = feeds()
            results = self(fed)
            for value in fed.values():
                let_go(value)
            return results

        self._begun = job if beside is None else beside.submit(job)

    def take(self) -> dict[str, Any]:
        """Return what the run that was begun gives; raise what it raised."""
        assert self._begun is not None, "a run must be begun before its results are taken"
        begun, self._begun = self._begun, None
        return begun.result() if isinstance(begun, Future) else begun()

    def problems(self, fetches: Sequence[str]) -> dict[str, Problem]:
        """Return why fetches gave no result, by name: all of them after an error."""
        return self._problems if self.problem is None else dict.fromkeys(fetches, self.problem)

    def __enter__(self) -> DeviceRun:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Keep what was raised in the block, and close the session."""
        kept = isinstance(error, (Exception, SystemExit))
        if error is not None and kept:
            self._keep(error)
        self.close()
        return kept

    def close(self) -> None:
        """Close the session, if one is open, after what goes on; what is raised is kept."""
        with self.watched():
            if isinstance(self._begun, Future):
                self.take()
            elif self._compiling is not None:
                self._session = self._compiling.result()
        with self.watched():
            self._close()

    def _close(self) -> None:
        if self._session is not None:
            session, self._session, self._compiling = self._session, None, None
            session.close()
            self._listen(session)

    def _listen(self, session: Session) -> None:
        self.notes, self.incidents = tuple(session.notes), tuple(session.incidents)
        self.unmodelled = tuple(session.unmodelled)
        self._problems = {name: problem_of(error) for name, error in session.problems.items()}


def problem_of(error: BaseException) -> Problem:
    """Return what an exception out of a device means.

    Raises:
        GoldenError, SpaceError: ``error`` is one, so it says nothing about the device.
    """
    if isinstance(error, (GoldenError, SpaceError)):
        raise error
    if isinstance(error, ConformanceError):
        reason = str(error) or f"the device raised {type(error).__name__} and said no more"
        return Problem("unsupported" if isinstance(error, Unsupported) else "broken", reason)
    return Problem("broken", f"the device raised {type(error).__name__}: {error}")


def sha256_of(result: object) -> list[str]:
    """Return the SHA-256 of a result's bytes in a list, which is empty for what is no array of numbers."""
    if not isinstance(result, (np.ndarray, np.generic)) or result.dtype.hasobject:
        return []
    return [sha256(np.ascontiguousarray(result).reshape(-1).view(np.uint8).data)]
