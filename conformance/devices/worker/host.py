"""A worker process at hand: started when needed, replaced when it died, given up when it cannot live."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.devices.base import DeviceLost, Unsupported
from conformance.devices.worker.arena import Arena, ArenaPool, SharedDirectory
from conformance.devices.worker.constant_files import PREFIX, ConstantFiles
from conformance.devices.worker.process import WorkerFailed, WorkerProcess
from conformance.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

STARTS = 3
"""Starts in a row that may fail before the device counts as lost."""
START_SECONDS = 60.0
"""What a start may take at least: importing TensorFlow from a cold disk takes long."""
QUIT_SECONDS = 5.0
"""What ending in good order may take at most."""
PROTOCOL = 2


@dataclasses.dataclass(frozen=True)
class Launch:
    """How a worker is started and greeted.

    Attributes:
        what: what it is, for sentences: "the Cambricon worker".
        command: its command line.
        environment: its whole environment.
        hello: what the greeting says besides the protocol's version.
        descriptors: open files that it holds as long as it lives.
        name: of its log files.
        prepare: called before every start; no part of equality.
    """

    what: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    hello: Mapping[str, Any]
    descriptors: tuple[int, ...] = ()
    name: str = "worker"
    prepare: Callable[[], object] = dataclasses.field(default=lambda: None, compare=False)


class WorkerHost:
    """At most one worker at a time; asking for another launch ends the one before.

    Args:
        timeout: seconds that a request may take.
        probe: run a known answer through a fresh worker that follows a failed one; raises DeviceError.

    Attributes:
        generation: counts workers; what an older one held is gone.
        greeting: the answer of the last worker to hello.
    """

    def __init__(self, timeout: float, probe: Callable[[WorkerHost, Launch], object]) -> None:
        self.generation = 0
        self.greeting: dict[str, Any] = {}
        self._timeout, self._probe = timeout, probe
        self._logs: Path | None = None
        self._launch: Launch | None = None
        self._process: WorkerProcess | None = None
        self._arenas: tuple[Arena, ArenaPool] | None = None
        self._shared: SharedDirectory | None = None
        self._constants: ConstantFiles | None = None
        self._failed = False

    def keep_logs(self, directory: Path) -> None:
        """Write the output of workers, that of the present one from now on, into files of ``directory``."""
        directory.mkdir(parents=True, exist_ok=True)
        self._logs = directory
        if self._process is not None and self._launch is not None:
            self._process.keep_log(directory / self._log_name(self._launch))

    def _log_name(self, launch: Launch) -> str:
        return f"{launch.name}-{self.generation}.log"

    @property
    def alive(self) -> bool:
        """Whether there is a worker, as far as is known."""
        return self._process is not None

    @property
    def path(self) -> Path:
        """A private directory that workers can read and write, deleted in the end."""
        if self._shared is None:
            self._shared = SharedDirectory()
        return self._shared.path

    @property
    def constants(self) -> ConstantFiles:
        """The files of constants that workers of this host read."""
        if self._constants is None:
            self._constants = ConstantFiles(self.path)
        return self._constants

    @property
    def arenas(self) -> tuple[Arena, ArenaPool]:
        """Where feeds, and where results lie: files that are shared with the present worker.

        Raises:
            DeviceError: there is none.
        """
        if self._arenas is None:
            raise DeviceError("the worker is gone")
        return self._arenas

    def ready(self, launch: Launch) -> int:
        """Make sure that a worker of this launch is there; return its generation.

        Raises:
            UsageError, Unsupported: it refuses to work, with its own sentence.
            DeviceLost: it cannot be started, three starts in a row failed, or a worker that follows a failed
                one does not compute what is known.
        """
        if self._process is None or self._launch != launch:
            self.stop()
            self._start_in_some_attempts(launch)
        if self._failed:
            self._check_health(launch)
        return self.generation

    def request(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request to the present worker and return its answer.

        Raises:
            WorkerFailed: it died over it, or was killed after its deadline.
            UsageError, Unsupported, DeviceError: it refused.
        """
        if self._process is None:
            raise DeviceError("the worker is gone")
        try:
            return self._process.request(message, self._timeout)
        finally:
            self._forget_the_dead()

    def failed(self, how: str) -> WorkerFailed:
        """Kill the present worker, which answered what makes no sense, and return what to raise.

        Args:
            how: what it did, to be said of it.
        """
        assert self._process is not None, "it has just answered"
        try:
            return self._process.failed(how)
        finally:
            self._forget_the_dead()

    def _forget_the_dead(self) -> None:
        if self._process is not None and self._process.killed:
            self._process, self._failed = None, True

    def _start_in_some_attempts(self, launch: Launch) -> None:
        for _ in range(STARTS):
            failure = self._failure_to_start(launch)
            if failure is None:
                return
        raise DeviceLost(f"the device is lost: {STARTS} starts in a row failed, the last one so: {failure}")

    def _failure_to_start(self, launch: Launch) -> WorkerFailed | None:
        try:
            self._start(launch)
        except WorkerFailed as error:
            return error
        except Unsupported:
            raise
        except DeviceError as error:
            raise DeviceLost(str(error)) from error
        return None

    def _start(self, launch: Launch) -> None:
        self.generation += 1
        launch.prepare()
        process = WorkerProcess(
            launch.command,
            launch.environment,
            self._logs / self._log_name(launch) if self._logs else None,
            launch.what,
            launch.descriptors,
            self.path,
        )
        hello = {"command": "hello", "protocol": PROTOCOL, **launch.hello}
        try:
            self.greeting = process.request(hello, max(self._timeout, START_SECONDS))
            self._arenas = (
                Arena(self.path / f"feeds-{self.generation}"),
                ArenaPool(self.path / f"results-{self.generation}"),
            )
        except BaseException:
            process.kill()
            raise
        self._process, self._launch = process, launch

    def _check_health(self, launch: Launch) -> None:
        self._failed = False  # the probe itself asks for a worker that is ready
        try:
            self._probe(self, launch)
        except Unsupported:
            pass  # it lives, and says so
        except BaseException as error:
            self._failed = True
            if not isinstance(error, DeviceError):
                raise
            self.stop()
            raise DeviceLost(
                f"the device is lost: after a failure it does not even add two numbers: {error}"
            ) from error

    def stop(self) -> None:
        """End the present worker, and let go of what is shared with it."""
        process, self._process = self._process, None
        if process is not None:
            process.close(min(self._timeout, QUIT_SECONDS))
        for arena in self._arenas or ():
            arena.close()
        self._arenas = None
        for path in self._shared.path.glob("*") if self._shared else ():
            if not path.name.startswith(PREFIX):  # the next worker needs the same constants
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the worker and delete every file that was shared with it; safe to call twice."""
        self.stop()
        if self._shared is not None:
            self._shared.close()
            self._shared = self._constants = None
