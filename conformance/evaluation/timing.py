"""Timing the fused network by the device's own clock, every timed output kept to be judged."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from conformance.errors import DeviceError
from conformance.evaluation.device_runs import Problem, digest
from conformance.evaluation.evaluation import Evaluation, Finding
from conformance.expected.roofline import roofline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.devices.base import Session
    from conformance.judging.comparison import Comparison
    from conformance.precision import Precision

ROUNDS = 3
"""Timed runs per precision."""


class DeviceClock:
    """Device seconds so far; read before and after a run, it gives the run's device time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.__name__ = "device_clock"  # what pytest-benchmark writes of it

    def __call__(self) -> float:
        """Return the device seconds so far."""
        return self.seconds


DEVICE_CLOCK = DeviceClock()


class NothingToTime(Exception):
    """The device gave no result to time; ends a benchmark early."""


class Timed:
    """The fused network of one precision, timed run by run.

    The runs take the samples in turn, so that a device which hands out an old result again is found out.
    """

    def __init__(self, evaluation: Evaluation, precision: Precision) -> None:
        self._evaluation, self._precision = evaluation, precision
        self._outputs = {output.name: output for output in evaluation.network.outputs}
        self._session: Session | None = None
        self._problem: Problem | None = None
        self._compared: dict[str, list[Comparison]] = {name: [] for name in self._outputs}
        self._digests: dict[str, list[str]] = {name: [] for name in self._outputs}
        self._seconds: list[float] = []

    def open(self) -> None:
        """Compile the network and run it once, untimed, so that nothing is compiled while it is timed."""
        evaluation = self._evaluation
        evaluation.store.ensure(self._outputs)
        with self._device_watched():
            self._session = evaluation.open_fused(self._precision)
            evaluation.run(self._session, evaluation.network.feeds(0))

    def close(self) -> None:
        """Free the session."""
        if self._session is not None:
            with self._device_watched():
                self._session.close()
            with self._device_watched():
                self._evaluation.heard(self._session)

    def run(self) -> None:
        """Run once, advance the device clock, and compare what came out.

        Raises:
            NothingToTime: the device cannot do it, now or from the start.
        """
        if self._session is not None and self._problem is None:
            with self._device_watched():
                self._run(self._session)
        if self._problem is not None:
            raise NothingToTime(self._problem.reason)

    def _run(self, session: Session) -> None:
        evaluation = self._evaluation
        sample = (len(self._seconds) + 1) % evaluation.network.samples
        results, seconds = evaluation.run(session, evaluation.network.feeds(sample))
        if problems := evaluation.heard(session):
            self._problem = next(iter(problems.values()))
            return
        if seconds <= 0:
            raise DeviceError(
                f"the device says that the run took {seconds} seconds, so there is no speed to judge"
            )
        self._seconds.append(seconds)
        DEVICE_CLOCK.seconds += seconds
        for name in self._outputs:
            result = results.get(name)
            where = f"{name} (run {len(self._seconds)}, sample {sample})"
            self._compared[name].append(evaluation.compare(name, sample, result, where))
            self._digests[name] += digest(result)

    @contextlib.contextmanager
    def _device_watched(self) -> Iterator[None]:
        """Keep what the device raises as its problem."""
        try:
            yield
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is a finding
            self._problem = self._problem or self._evaluation.problem(error)

    def findings(self) -> list[Finding]:
        """Return a finding per output over all timed runs."""
        return [self._finding(name) for name in self._outputs]

    def _finding(self, name: str) -> Finding:
        case = self._evaluation.case(name, self._precision, "fused")
        if self._problem is not None:
            return Finding.of(case, self._problem)
        verdict = self._evaluation.accept(self._outputs[name], self._compared[name])
        return Finding(case, "judged", verdict, "", tuple(self._digests[name]), min(self._seconds))

    @property
    def group(self) -> str:
        """What may be compared with each other: times of one network on one device, emulated or real."""
        info, network = self._evaluation.device.info(), self._evaluation.network.name
        return f"fused {network} on {info.kind} ({info.model}{', SIMULATED' if info.simulated else ''})"

    def description(self) -> dict[str, Any]:
        """Return what a reader of the benchmark must know: device, precision, simulated or not, roofline."""
        info = self._evaluation.device.info()
        return {
            "network": self._evaluation.network.name,
            "precision": str(self._precision),
            "device": info.kind,
            "model": info.model,
            "profile": info.profile,
            "simulated": info.simulated,
            "cores": 1,
            "roofline": roofline(self._evaluation, self._precision),
        }


@contextlib.contextmanager
def time_fused(evaluation: Evaluation, precision: Precision) -> Iterator[Timed]:
    """Open the fused network of a precision for timing, and close it; a device that fails ends it quietly."""
    timed = Timed(evaluation, precision)
    try:
        timed.open()
        yield timed
    except NothingToTime:
        pass  # the findings say so
    finally:
        timed.close()
