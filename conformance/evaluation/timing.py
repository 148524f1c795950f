"""Timing the fused network by the device's own clock, every timed output kept to be judged."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from conformance.errors import DeviceError
from conformance.evaluation.device_runs import sha256_of
from conformance.evaluation.modelling import not_modelled
from conformance.expected.grown_inputs import grown
from conformance.expected.roofline import roofline
from conformance.judging.cases import timed_sample
from conformance.judging.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conformance.evaluation.device_runs import DeviceRun
    from conformance.evaluation.evaluation import Evaluation
    from conformance.judging.comparison import Comparison
    from conformance.precision import Precision

EMULATED_ROUNDS, CARD_ROUNDS = 5, 20
"""Timed runs per precision where the user says nothing: a card's take milliseconds, an emulator's seconds."""


def rounds_of(asked: int | None, *, simulated: bool) -> int:
    """Return how many timed runs a precision gets."""
    return asked or (EMULATED_ROUNDS if simulated else CARD_ROUNDS)


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

    Args:
        evaluation: of the device.
        precision: what it computes in.
        device_run: of the fused network.
    """

    def __init__(self, evaluation: Evaluation, precision: Precision, device_run: DeviceRun) -> None:
        self._evaluation, self._precision, self._run = evaluation, precision, device_run
        self._outputs = list(evaluation.expected.outputs)
        self._warm_up: dict[str, list[Comparison]] = {name: [] for name in self._outputs}
        self._compared: dict[str, list[Comparison]] = {name: [] for name in self._outputs}
        self._hashes: dict[str, list[str]] = {name: [] for name in self._outputs}
        self._seconds: list[float] = []

    def run(self) -> None:
        """Run once, advance the device clock, and compare what came out.

        Raises:
            NothingToTime: the device cannot do it, now or from the start.
        """
        with self._run.watched():
            if not self._impossible:
                self._time()
        if self._impossible:
            raise NothingToTime

    @property
    def _impossible(self) -> bool:
        return bool(self._run.problems(self._outputs))

    def _time(self) -> None:
        """Run once; twice if the graph has not run yet, so that nothing is compiled while it is timed."""
        network = self._evaluation.network
        if not self._run.runs:
            self._compare(self._run(network.feeds(0)), 0, "warm-up", self._warm_up)
        sample, before = timed_sample(len(self._seconds), network.samples), self._run.seconds
        results = self._run(grown(network.feeds(sample), len(self._seconds) + 1))
        if self._impossible:
            return
        self._check(seconds := self._run.seconds - before)
        self._seconds.append(seconds)
        DEVICE_CLOCK.seconds += seconds
        self._compare(results, sample, f"run {len(self._seconds)}", self._compared)
        for name in self._outputs:
            self._hashes[name] += sha256_of(results.get(name))

    def _compare(
        self, results: Mapping[str, Any], sample: int, run: str, kept: Mapping[str, list[Comparison]]
    ) -> None:
        for name in self._outputs:
            where = f"{name} ({run}, sample {sample})"
            found = self._evaluation.expected.compare(name, sample, results.get(name), where)
            kept[name].append(found)

    def _check(self, seconds: float) -> None:
        """Refuse what is no time: none at all, or less than the card could need at best."""
        if not seconds > 0:
            raise DeviceError(
                f"the device says that the run took {seconds} seconds, so there is no speed to judge"
            )
        least = 0.0 if self._roofline is None else self._roofline["bound_seconds"]
        if seconds < least:
            raise DeviceError(
                f"the device says that the run took {seconds:.3g} seconds, but one core of an "
                f"{self._evaluation.device.info().model} needs {least:.3g} at least, so it is no time"
            )

    @functools.cached_property
    def _roofline(self) -> dict[str, Any] | None:
        model = self._evaluation.device.info().model
        return roofline(self._evaluation.expected, model, self._precision)

    def findings(self) -> list[Finding]:
        """Return a finding per output over all timed runs."""
        return [self._finding(name) for name in self._outputs]

    def _finding(self, name: str) -> Finding:
        expected = self._evaluation.expected
        case = expected.case(name, self._precision, "fused")
        if problems := self._run.problems(self._outputs):
            return Finding.of(case, problems.get(name) or next(iter(problems.values())))
        verdict = expected.accept(name, self._warm_up[name], self._precision, timed=self._compared[name])
        graph = self._evaluation.network.graph
        return Finding(
            case,
            "judged",
            verdict,
            sha256=tuple(self._hashes[name]),
            seconds=min(self._seconds),
            unmodelled=not_modelled(graph, [name], self._run.unmodelled, str(self._precision)).get(name, ""),
        )

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
            "serial": info.serial,
            "simulated": info.simulated,
            "cores": 1,
            "roofline": self._roofline,
        }


@contextlib.contextmanager
def time_fused(evaluation: Evaluation, precision: Precision) -> Iterator[Timed]:
    """Time the fused network of a precision run by run; a device that fails ends the block quietly."""
    with evaluation.fused_run(precision) as run, contextlib.suppress(NothingToTime):
        yield Timed(evaluation, precision, run)
