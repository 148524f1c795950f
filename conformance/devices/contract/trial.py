"""A device on trial: sessions opened with arguments of their own, runs recorded, whatever is raised kept."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from conformance.devices.base import Unsupported
from conformance.devices.checked_run import checked_session
from conformance.graph.frozen import FrozenGraph
from conformance.graph.operators import FIXED_POINT
from conformance.judging.comparison import Comparison, compare_sample
from conformance.judging.verdicts import judge_comparisons
from conformance.quantization.parameter_file import QuantizationScales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conformance.devices.base import Device, Session
    from conformance.devices.contract.network import ContractNetwork, Program
    from conformance.precision import Precision

Array = np.ndarray[Any, Any]
T = TypeVar("T")

RECORDED = ((0,), (1,), (0,))
"""Samples of the recorded runs; one more on the first sample gets feeds that cannot be written."""


NEAR = 0.5
"""How near a result must be to that of an ideal device of its precision, as a part of what float32 is."""


class Fault(Exception):
    """A sentence of the contract's own about what a device does wrong."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run left.

    Attributes:
        samples: the samples that it was fed, one per row of the batch.
        results: copies of what it returned.
        returned: what it returned, which may be the device's own memory.
        seconds: what the session says of its time, or what it raised instead.
        problems, incidents: what the session says of fetches that are missing, and of itself.
        scribbled: the feeds that are not any more what they were.
    """

    samples: tuple[int, ...]
    results: dict[str, Any]
    returned: dict[str, Any]
    seconds: object
    problems: Mapping[str, BaseException]
    incidents: tuple[str, ...]
    scribbled: tuple[str, ...]

    @property
    def declined(self) -> dict[str, str]:
        """Why fetches are missing that the device declares unsupported, by their names."""
        return {name: str(error) for name, error in self.problems.items() if isinstance(error, Unsupported)}

    @property
    def arrays(self) -> dict[str, Array]:
        """The results whose bits can be compared."""
        arrays = {name: value for name, value in self.results.items() if isinstance(value, np.ndarray)}
        return {name: value for name, value in arrays.items() if value.size and not value.dtype.hasobject}

    def overwritten(self) -> list[str]:
        """Return the results that are not any more what they were."""
        return [name for name, value in self.results.items() if not same_bits(value, self.returned[name])]


@dataclasses.dataclass(frozen=True)
class Recording:
    """The runs of one session; one that raised raises again when it is looked at.

    Attributes:
        attempts: a run, or what was raised instead.
        overwritten: results of earlier runs that later runs have changed.
    """

    attempts: Sequence[Run | BaseException]
    overwritten: tuple[str, ...] = ()

    def __getitem__(self, index: int) -> Run:
        return demanded(self.attempts[index])

    @property
    def done(self) -> list[Run]:
        """The runs that came to their end."""
        return [run for run in self.attempts if isinstance(run, Run)]

    def refusal(self) -> str | None:
        """Return why the device does not offer the precision, or None if it does."""
        first = self.attempts[0]
        if isinstance(first, Unsupported):
            return str(first)
        if isinstance(first, Run) and first.declined and not first.results:
            return next(iter(first.declined.values()))
        return None


class Trial:
    """One device, made when it is first looked at.

    Args:
        factory: makes the device.
        network: what it is tried on.
        precisions: what it is tried at.

    Attributes:
        unsupported: what the device declares not to offer, and why.
        damaged: arguments of ``open`` that the device has changed.
    """

    def __init__(
        self, factory: Callable[[], Device], network: ContractNetwork, precisions: Sequence[Precision]
    ) -> None:
        self.network, self.precisions = network, tuple(precisions)
        self.unsupported: dict[str, str] = {}
        self.damaged: dict[str, None] = {}
        self._factory = factory

    @functools.cached_property
    def device(self) -> Device:
        """The device."""
        return self._factory()

    @functools.cached_property
    def offered(self) -> tuple[Precision, ...]:
        """The precisions that the device does not decline."""
        refusals = {precision: self.recording(precision).refusal() for precision in self.precisions}
        self.unsupported |= {str(key): reason for key, reason in refusals.items() if reason is not None}
        return tuple(precision for precision, reason in refusals.items() if reason is None)

    @functools.cache  # noqa: B019 - a trial lives as long as its check
    def recording(self, precision: Precision) -> Recording:
        """Return the runs of a session in which every node is fed with goldens and fetched."""
        program, runs = self.network.cut, len(RECORDED) + 1
        attempts: list[Run | BaseException] = []
        overwritten: list[str] = []

        def record() -> None:
            with self.session(program, precision, program.fetches) as session:
                run = functools.partial(self.run, session, program)
                for samples in RECORDED:
                    attempts.append(attempt(functools.partial(run, samples)))
                attempts.append(attempt(functools.partial(run, (0,), writeable=False)))
                overwritten.extend(name for run in Recording(attempts).done for name in run.overwritten())

        if (error := attempt(record)) is not None:
            attempts += [error] * (runs - len(attempts))
        return Recording(attempts, tuple(dict.fromkeys(overwritten)))

    def open(
        self, program: Program, precision: Precision, fetches: Sequence[str], *, fuse: bool = True
    ) -> Session:
        """Open a session with copies of the arguments, and note which of them the device changes."""
        ours, scales = program.graph, self.network.scales(precision.fixed_bits)
        graph = FrozenGraph.of(ours.copied_graph_def(), ours.outputs, source=ours.source)
        given = QuantizationScales(scales.bits, dict(scales.scales))
        try:
            opened = self.device.open(graph, tuple(fetches), precision=precision, scales=given, fuse=fuse)
            return checked_session(opened)
        finally:
            if graph.nodes != ours.nodes:
                self.damaged["the graph"] = None
            if given != scales:
                self.damaged["the scales"] = None

    @contextlib.contextmanager
    def session(
        self, program: Program, precision: Precision, fetches: Sequence[str], *, fuse: bool = True
    ) -> Iterator[Session]:
        """Open a session and close it; its own ``__exit__`` might swallow what is raised."""
        session = self.open(program, precision, fetches, fuse=fuse)
        try:
            yield session
        finally:
            session.close()

    def run(
        self, session: Session, program: Program, samples: tuple[int, ...], *, writeable: bool = True
    ) -> Run:
        """Run copies of these samples, one per row of the batch.

        Raises:
            Fault: what came back is no mapping.
        """
        feeds = {
            name: np.concatenate([program.feeds[sample][name] for sample in samples])
            for name in program.graph.inputs
        }
        given = {name: value.copy() for name, value in feeds.items()}
        for value in given.values():
            value.flags.writeable = writeable
        returned = session.run(given)
        if not isinstance(returned, Mapping):
            kind = type(returned).__name__
            raise Fault(f"run() returned a {kind}, but should return a mapping of node name to array")
        return Run(
            samples=samples,
            results={
                name: value.copy() if isinstance(value, np.ndarray) else value
                for name, value in returned.items()
            },
            returned=dict(returned),
            seconds=attempt(lambda: session.device_seconds),
            problems=dict(session.problems),
            incidents=tuple(session.incidents),
            scribbled=tuple(name for name in feeds if not same_bits(feeds[name], given.get(name))),
        )

    def found(
        self,
        precision: Precision,
        fetches: Sequence[str],
        *,
        samples: Sequence[tuple[int, ...]] = ((0,), (1,)),
        fuse: bool = True,
    ) -> Iterator[str]:
        """Open a session of the whole network, run it, and say what is wrong with its results."""
        program = self.network.whole
        with self.session(program, precision, fetches, fuse=fuse) as session:
            for chosen in samples:
                yield from self.judged(self.run(session, program, chosen), program, precision, fetches)

    def judged(
        self, run: Run, program: Program, precision: Precision, fetches: Sequence[str]
    ) -> Iterator[str]:
        """Say what is wrong with a run: with its form, then with its values."""
        yield from self.misshapen(run, precision, fetches)
        yield from self.wrong_values(run, program, precision, fetches)

    def misshapen(self, run: Run, precision: Precision, fetches: Sequence[str]) -> Iterator[str]:
        """Say what is wrong with a run's names, types, shapes, NaN and Inf, and what the session says."""
        declined = run.declined
        self.unsupported |= {f"{name} at {precision}": reason for name, reason in declined.items()}
        yield from (f"the session reports: {incident}" for incident in run.incidents)
        for name in run.results:
            if name not in fetches:
                yield f"{name!r} is returned, but was not fetched"
        for name, comparison in self._compared(run, fetches):
            if name not in declined or name in run.results:
                because = f" ({raised(run.problems[name])})" if name in run.problems else ""
                yield from (reason + because for reason in comparison.reasons)

    def wrong_values(
        self, run: Run, program: Program, precision: Precision, fetches: Sequence[str]
    ) -> Iterator[str]:
        """Say which values are out of bounds, where the form is right."""
        limits = self.network.limits(program, precision)
        for name, comparison in self._compared(run, fetches):
            if comparison.metrics is not None:
                yield from judge_comparisons([comparison], limits[name]).reasons

    def otherwise_computed(self, run: Run, precision: Precision) -> Iterator[str]:
        """Say which fixed-point operators, fed with goldens, are no nearer to an ideal device than float32.

        Right devices differ from an ideal one where a number lies near a tie, which is rare; what the
        precision costs is far more.
        """
        program, (sample,) = self.network.cut, run.samples
        ideal = self.network.ideal(program, precision)[sample]
        for name in program.fetches:
            result = run.arrays.get(name)
            if program.graph.nodes[name].op not in FIXED_POINT or result is None:
                continue
            if result.shape != ideal[name].shape or result.dtype.kind != "f":
                continue
            apart = _root_mean_square(result, ideal[name])
            cost = _root_mean_square(self.network.goldens[name][sample], ideal[name])
            if apart > NEAR * cost:
                yield (
                    f"{name} (sample {sample}) differs from an ideal {precision} device by {apart:.4g} (root "
                    f"mean square), float32 by {cost:.4g}: it is not computed at {precision}"
                )

    def _compared(self, run: Run, fetches: Sequence[str]) -> Iterator[tuple[str, Comparison]]:
        which = f"sample {run.samples[0]}" if len(run.samples) == 1 else f"batch of {len(run.samples)}"
        for name in fetches:
            golden = np.concatenate([self.network.goldens[name][sample] for sample in run.samples])
            yield name, compare_sample(golden, run.results.get(name), f"{name} ({which})")


def _root_mean_square(one: Array, other: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean(np.square(one.astype(np.float64) - other.astype(np.float64)))))


def attempt(function: Callable[[], T]) -> T | BaseException:
    """Return what ``function`` returns, or what it raises: even SystemExit, and what skips a test."""
    try:
        return function()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a device may raise anything
        return error


def demanded(outcome: T | BaseException) -> T:
    """Return the outcome of an attempt, or raise again what was raised."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def raised(error: BaseException) -> str:
    """Return the sentence that says what was raised."""
    if isinstance(error, Fault):
        return str(error)
    text = f": {error}" if str(error) else ""
    return f"it raised {type(error).__name__}{text}"


def same_bits(one: object, other: object) -> bool:
    """Whether two arrays are equal in type, shape and every bit; what is no array equals itself alone."""
    if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
        return one is other
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
