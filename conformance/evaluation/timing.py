"""Timing the fused network by the device's own clock, every timed output kept to be judged."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import DeviceError
from conformance.evaluation.device_runs import sha256_of
from conformance.evaluation.modelling import not_modelled
from conformance.expected.roofline import roofline
from conformance.judging.cases import timed_sample
from conformance.judging.findings import Finding
from conformance.quantization.calibration import quantized_tensors

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


VARIATION = 2.0**-20
"""By which the inputs of a timed run grow."""

Array = np.ndarray[Any, Any]


class DeviceClock:
    """Device seconds so far; read before and after a run, it gives the run's device time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.__name__ = "device_clock"  # what pytest-benchmark writes of it

    def __call__(self) -> float:
        """Return the device seconds so far."""
        return self.seconds


DEVICE_CLOCK = DeviceClock()


def varied(feeds: Mapping[str, Array], number: int) -> dict[str, Array]:
    """Return inputs that differ a little from those of every other round, so that no result is an old one.

    Floats grow by ``number`` times 2^-20, a sixteenth of what rounding to half does.

    Args:
        feeds: a sample's inputs.
        number: of the round.
    """
    factor = np.float32(1 + number * VARIATION)
    return {name: value * factor if value.dtype == np.float32 else value for name, value in feeds.items()}


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

    @functools.cached_property
    def _inputs_decide(self) -> bool:
        """Whether the growth of the inputs may change results by more than right devices differ.

        That is where nothing is in fixed point and floats are float32: the judged run before holds such
        outputs to right devices, and timed ones to what is accepted.
        """
        in_floats = not quantized_tensors(self._evaluation.network.graph)
        return in_floats and self._precision.float_bits == 32

    @property
    def _impossible(self) -> bool:
        return bool(self._run.problems(self._outputs))

    def _time(self) -> None:
        """Run once; twice if the graph has not run yet, so that nothing is compiled while it is timed."""
        network = self._evaluation.network
        if not self._run.runs:
            self._compare(self._run(network.feeds(0)), 0, "warm-up")
        sample, before = timed_sample(len(self._seconds), network.samples), self._run.seconds
        results = self._run(varied(network.feeds(sample), len(self._seconds) + 1))
        if self._impossible:
            return
        self._check(seconds := self._run.seconds - before)
        self._seconds.append(seconds)
        DEVICE_CLOCK.seconds += seconds
        self._compare(results, sample, f"run {len(self._seconds)}")
        for name in self._outputs:
            self._hashes[name] += sha256_of(results.get(name))

    def _compare(self, results: Mapping[str, Any], sample: int, run: str) -> None:
        for name in self._outputs:
            where = f"{name} ({run}, sample {sample})"
            found = self._evaluation.expected.compare(name, sample, results.get(name), where)
            self._compared[name].append(found)

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
        verdict = expected.accept(
            name, self._compared[name], None if self._inputs_decide else self._precision
        )
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
