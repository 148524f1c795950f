"""Timing the fused network by the device's own clock, every timed output kept to be judged."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from conformance.devices.base import Unsupported
from conformance.errors import ConformanceError
from conformance.judging.comparison import compare_sample
from conformance.runs.evaluation import Evaluation, Finding, digest
from conformance.runs.roofline import roofline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.devices.base import Session
    from conformance.judging.comparison import Comparison
    from conformance.precision import Precision

ROUNDS = 3
"""Timed runs per precision."""
SAMPLE = 0
"""The sample that is timed."""


class DeviceClock:
    """Device seconds so far; read before and after a run, it gives the run's device time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the device seconds so far."""
        return self.seconds


DEVICE_CLOCK = DeviceClock()


class Timed:
    """The fused network of one precision, timed run by run."""

    def __init__(self, evaluation: Evaluation, precision: Precision) -> None:
        self._evaluation, self._precision = evaluation, precision
        self._outputs = {output.name: output for output in evaluation.network.outputs}
        self._session: Session | None = None
        self._problem: tuple[str, str] | None = None
        self._compared: dict[str, list[Comparison]] = {name: [] for name in self._outputs}
        self._digests: dict[str, list[str]] = {name: [] for name in self._outputs}
        self._seconds: list[float] = []

    @property
    def runs_on_device(self) -> bool:
        """Whether the device has compiled the network and run it once."""
        return self._session is not None

    def open(self) -> None:
        """Compile the network and run it once, untimed, so that nothing is compiled while it is timed."""
        evaluation = self._evaluation
        evaluation.store.ensure(self._outputs)
        try:
            session = evaluation.open_fused(self._precision)
            evaluation.run(session, evaluation.network.feeds(SAMPLE))
        except Unsupported as error:
            self._problem = ("unsupported", str(error))
        except ConformanceError as error:
            self._problem = ("broken", str(error))
        except Exception as error:  # noqa: BLE001 - whatever a device raises is a finding about that device
            self._problem = ("broken", f"the device raised {type(error).__name__}: {error}")
        else:
            self._session = session

    def close(self) -> None:
        """Free the session."""
        if self._session is not None:
            self._session.close()

    def run(self) -> None:
        """Run once, advance the device clock, and compare what came out."""
        assert self._session is not None, "the session is not open"  # noqa: S101
        evaluation = self._evaluation
        results = evaluation.run(self._session, evaluation.network.feeds(SAMPLE))
        self._seconds.append(self._session.device_seconds)
        DEVICE_CLOCK.seconds += self._session.device_seconds
        for name in self._outputs:
            result = results.get(name)
            golden = evaluation.store.get(name, SAMPLE)
            self._compared[name].append(compare_sample(golden, result, f"{name} (run {len(self._seconds)})"))
            if result is not None:
                self._digests[name].append(digest(result))

    def findings(self) -> list[Finding]:
        """Return a finding per output over all timed runs."""
        return [self._finding(name) for name in self._outputs]

    def _finding(self, name: str) -> Finding:
        case = self._evaluation.case(name, self._precision, "fused")
        if self._problem is not None:
            state, reason = self._problem
            return Finding(case, state, reason=reason)  # type: ignore[arg-type]
        verdict = self._evaluation.accept(self._outputs[name], self._compared[name])
        return Finding(case, "judged", verdict, "", tuple(self._digests[name]), min(self._seconds))

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
    """Open the fused network of a precision for timing, and close it."""
    timed = Timed(evaluation, precision)
    timed.open()
    try:
        yield timed
    finally:
        timed.close()
