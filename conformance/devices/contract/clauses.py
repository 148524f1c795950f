"""The clauses of the device contract: what a device must do, why, and how it is found out."""

from __future__ import annotations

import dataclasses
import math
import numbers
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from conformance.devices.base import Device, DeviceInfo, RunsAhead, Unsupported
from conformance.devices.contract.network import INNER, OUTPUTS
from conformance.devices.contract.trial import Trial, attempt, demanded, raised, same_bits
from conformance.errors import ConformanceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conformance.devices.base import Session
    from conformance.devices.contract.network import Array
    from conformance.devices.contract.trial import Run
    from conformance.precision import Precision

    Check = Callable[[Trial, Precision], Iterator[str]]

Scope = Literal["device", "each", "last"]
UNKNOWN = "no/such/node"
SESSIONS = 5


@dataclasses.dataclass(frozen=True)
class Clause:
    """One thing that a device must do.

    Attributes:
        name: one or two words.
        must: the whole sentence.
        why: what goes wrong otherwise.
        check: yields a sentence for everything that is wrong.
        scope: whether it is about the device, about each precision that it offers, or tried at the last of
            these, which is where bounds are tightest.
        essential: whether nothing else can be checked without it.
        optional: whether the device may decline by raising Unsupported.
    """

    name: str
    must: str
    why: str
    check: Check
    scope: Scope
    essential: bool = False
    optional: bool = False


CLAUSES: list[Clause] = []
"""All clauses, in the order in which they are checked."""


def _clause(
    name: str, must: str, why: str, scope: Scope = "last", *, essential: bool = False, optional: bool = False
) -> Callable[[Check], Check]:
    """Make a clause of the check that follows."""

    def add(check: Check) -> Check:
        CLAUSES.append(Clause(name, must, why, check, scope, essential, optional))
        return check

    return add


@_clause(
    "factory",
    "The factory returns a Device, with info, open and close.",
    "Without one there is nothing to run.",
    "device",
    essential=True,
)
def _factory(trial: Trial, _: Precision) -> Iterator[str]:
    if not isinstance(trial.device, Device):
        kind = type(trial.device).__name__
        yield f"the factory returned an object of type {kind}, which lacks info, open or close"


@_clause(
    "info",
    "info() returns a complete DeviceInfo, the same before and after a run.",
    "A record that does not say what it was measured on is worth nothing.",
    "device",
)
def _info(trial: Trial, _: Precision) -> Iterator[str]:
    before = trial.device.info()
    if not isinstance(before, DeviceInfo):
        yield f"info() returned {before!r}, but should return a complete DeviceInfo"
        return
    if not isinstance(before.simulated, bool):
        yield f"simulated is {before.simulated!r}, but should be True or False"
    for field in dataclasses.fields(before):
        value = getattr(before, field.name)
        if field.type == "str" and not isinstance(value, str):
            yield f"{field.name} is {value!r}, but should be text"
        elif field.name in ("kind", "model") and not value.strip():
            yield f"{field.name} is empty, but should say what the device is"
    trial.recording(trial.precisions[-1])
    if before != (after := trial.device.info()):
        yield f"info() returned {before!r} first and {after!r} later"


@_clause(
    "offers",
    "At least one precision is offered.",
    "A device that declines everything shows nothing.",
    "device",
    essential=True,
)
def _offers(trial: Trial, _: Precision) -> Iterator[str]:
    if not trial.offered:
        reasons = "; ".join(dict.fromkeys(trial.unsupported.values()))
        yield f"every precision is declared unsupported ({reasons})"


@_clause(
    "session",
    "open() returns a session whose with-block lets errors out and which may be closed more than once.",
    "A swallowed error would look like a run that went well.",
)
def _session(trial: Trial, precision: Precision) -> Iterator[str]:
    program = trial.network.whole
    session = trial.open(program, precision, OUTPUTS)
    with session as entered:
        yield from trial.misshapen(trial.run(entered, program, (0,)), precision, OUTPUTS)
    for _ in range(2):
        session.close()
    if attempt(lambda: _raise_within(trial.open(program, precision, OUTPUTS))) is None:
        yield "an error that was raised inside a session's with-block did not come out of it"


def _raise_within(session: Session) -> None:
    with session:
        raise InterruptedError


@_clause(
    "results",
    "run() returns a mapping with a finite float array of the right shape per fetch, and nothing else.",
    "What is missing, of another shape or broadcast cannot be judged.",
    "each",
)
def _results(trial: Trial, precision: Precision) -> Iterator[str]:
    for index in range(2):
        yield from trial.misshapen(trial.recording(precision)[index], precision, trial.network.cut.fetches)


@_clause(
    "values",
    "Every node that is fed with goldens is within its bound.",
    "This is what a device is for.",
    "each",
)
def _values(trial: Trial, precision: Precision) -> Iterator[str]:
    program = trial.network.cut
    for index in range(2):
        yield from trial.wrong_values(trial.recording(precision)[index], program, precision, program.fetches)


@_clause(
    "precision",
    "Operators that take fixed point compute in it: they return what an ideal device of the precision does, "
    "not what float32 does.",
    "What falls back to float32, or to the host, is better than any card can be, and hides that.",
    "each",
)
def _precision(trial: Trial, precision: Precision) -> Iterator[str]:
    for index in range(2):
        yield from trial.otherwise_computed(trial.recording(precision)[index], precision)


@_clause(
    "seconds",
    "device_seconds is a finite number above 0 after every run.",
    "Speed is judged by it.",
    "each",
)
def _seconds(trial: Trial, precision: Precision) -> Iterator[str]:
    for index in range(2):
        seconds = trial.recording(precision)[index].seconds
        if isinstance(seconds, BaseException):
            raise seconds
        if not (isinstance(seconds, numbers.Real) and math.isfinite(seconds) and float(seconds) > 0):
            yield f"device_seconds is {seconds!r} after a run, but should be a number > 0"


@_clause(
    "samples",
    "Two samples that differ give results that differ.",
    "A device that hands out old memory would pass on the first sample.",
    "each",
)
def _samples(trial: Trial, precision: Precision) -> Iterator[str]:
    first, second = (trial.recording(precision)[index].arrays for index in range(2))
    for name in trial.network.cut.fetches:
        if name in first and same_bits(first[name], second.get(name)):
            yield f"{name} is the same for two samples that differ"


@_clause(
    "repeats",
    "A sample that is run again in the same session gives the same bits.",
    "Two runs could not be compared otherwise.",
    "each",
)
def _repeats(trial: Trial, precision: Precision) -> Iterator[str]:
    first, third = (trial.recording(precision)[index].arrays for index in (0, 2))
    for name in trial.network.cut.fetches:
        if name in first and not same_bits(first[name], third.get(name)):
            yield f"{name} is not what it was when the first sample is run again"


@_clause(
    "keeps",
    "Results belong to the caller: later runs leave them as they are.",
    "A caller who keeps two results would compare one with itself.",
    "each",
)
def _keeps(trial: Trial, precision: Precision) -> Iterator[str]:
    recording = trial.recording(precision)
    demanded(recording.attempts[1])  # without a second run nothing is shown
    for name in recording.overwritten:
        yield f"{name} of an earlier run was overwritten by a later one"


@_clause(
    "feeds",
    "run() takes read-only feeds and changes none.",
    "Goldens are fed; one that was changed would feed every later run.",
    "each",
)
def _feeds(trial: Trial, precision: Precision) -> Iterator[str]:
    recording = trial.recording(precision)
    for name in dict.fromkeys(name for run in recording.done for name in run.scribbled):
        yield f"run() changed what it was fed as {name}"
    if isinstance(error := recording.attempts[-1], BaseException):
        yield f"with read-only feeds {raised(error)}"


@_clause(
    "whole",
    "The whole network, fused, with only its outputs fetched, is within its bounds.",
    "This is how a network ships.",
    "each",
)
def _whole(trial: Trial, precision: Precision) -> Iterator[str]:
    return trial.found(precision, OUTPUTS)


@_clause(
    "layers",
    "The whole network run layer by layer (fuse=False) is within the same bounds.",
    "It often runs through another library of kernels.",
    "each",
    optional=True,
)
def _layers(trial: Trial, precision: Precision) -> Iterator[str]:
    return trial.found(precision, OUTPUTS, fuse=False)


@_clause(
    "inner",
    "Fetching nodes inside the network leaves its outputs within their bounds.",
    "It breaks fusion; what is seen must still be what ships.",
)
def _inner(trial: Trial, precision: Precision) -> Iterator[str]:
    return trial.found(precision, (*INNER, *OUTPUTS))


@_clause(
    "order",
    "Fetches in another order give the same values under the same names.",
    "Results that are matched by position blame the wrong node.",
)
def _order(trial: Trial, precision: Precision) -> Iterator[str]:
    program, known = trial.network.cut, trial.recording(precision)[0].results
    fetches = program.fetches[::-1]
    with trial.session(program, precision, fetches) as session:
        run = trial.run(session, program, (0,))
    yield from trial.misshapen(run, precision, fetches)
    changed = [name for name in fetches if not same_bits(run.results.get(name), known.get(name))]
    yield from trial.wrong_values(run, program, precision, changed)


@_clause(
    "batch",
    "A batch of two gives the results of both.",
    "A program compiled for one row leaves the second to chance.",
    optional=True,
)
def _batch(trial: Trial, precision: Precision) -> Iterator[str]:
    return trial.found(precision, OUTPUTS, samples=[(0, 1)])


@_clause(
    "alternate",
    "Two sessions at different precisions, used in turn, do not disturb each other.",
    "Scales or programs that the device keeps only once would belong to the last session.",
    optional=True,
)
def _alternate(trial: Trial, precision: Precision) -> Iterator[str]:
    program, other = trial.network.whole, trial.offered[0]
    with trial.session(program, other, OUTPUTS) as one:
        before = trial.run(one, program, (0,))
        with trial.session(program, precision, OUTPUTS) as two:
            yield from trial.judged(trial.run(two, program, (0,)), program, precision, OUTPUTS)
            after = trial.run(one, program, (0,))
            yield from trial.judged(trial.run(two, program, (1,)), program, precision, OUTPUTS)
    for name in OUTPUTS:
        if not same_bits(before.results.get(name), after.results.get(name)):
            yield f"{name} of a session at {other} changed when a session at {precision} was opened beside it"


@_clause(
    "beside",
    "A device that says `runs_ahead` opens a session in one thread while it runs another in a second one.",
    "The suite does so to save time, and would judge what the two did to each other.",
)
def _beside(trial: Trial, precision: Precision) -> Iterator[str]:
    if not isinstance(trial.device, RunsAhead):
        return
    program, other, opened = trial.network.whole, trial.offered[0], threading.Event()
    with trial.session(program, other, OUTPUTS) as one, ThreadPoolExecutor(1) as beside:
        before = trial.run(one, program, (0,))
        runs = beside.submit(_until, opened, lambda: trial.run(one, program, (0,)))
        try:
            with trial.session(program, precision, OUTPUTS) as two:
                opened.set()
                runs.result()
                yield from trial.judged(trial.run(two, program, (0,)), program, precision, OUTPUTS)
        finally:
            opened.set()
    for name in OUTPUTS:
        if not all(same_bits(before.results.get(name), after.results.get(name)) for after in runs.result()):
            yield f"{name} of a session at {other} changed while a session at {precision} was opened"


def _until(event: threading.Event, run: Callable[[], Run]) -> list[Run]:
    """Run again and again until an event; once at least."""
    runs = [run()]
    while not event.is_set():
        runs.append(run())
    return runs


@_clause(
    "reopen",
    f"{SESSIONS} sessions, opened and closed in turn, all work.",
    "A run opens many; what one leaves behind must not reach the next.",
)
def _reopen(trial: Trial, precision: Precision) -> Iterator[str]:
    for index in range(SESSIONS):
        for sentence in trial.found(precision, OUTPUTS, samples=[(index % 2,)]):
            yield f"session {index + 1} of {SESSIONS}: {sentence}"


@_clause(
    "unknown fetch",
    "A fetch that the graph lacks raises a ConformanceError, but not Unsupported.",
    "A misspelt node would be skipped, or end in a traceback.",
)
def _unknown_fetch(trial: Trial, precision: Precision) -> Iterator[str]:
    error = attempt(lambda: _run_with_unknown_fetch(trial, precision))
    yield from _not_refused(error, f"a fetch of {UNKNOWN!r}, which the graph lacks,")


def _run_with_unknown_fetch(trial: Trial, precision: Precision) -> None:
    program = trial.network.whole
    with trial.session(program, precision, (*OUTPUTS, UNKNOWN)) as session:
        trial.run(session, program, (0,))
        _raise_problem(session, UNKNOWN)


def _raise_problem(session: Session, fetch: str) -> None:
    """Raise what a session that goes on without a fetch says of it, which is as good as raising it."""
    if fetch in session.problems:
        raise session.problems[fetch]


@_clause(
    "missing feed",
    "A run without one of its feeds raises a ConformanceError, but not Unsupported.",
    "It would compute on what the last run left.",
)
def _missing_feed(trial: Trial, precision: Precision) -> Iterator[str]:
    program = trial.network.whole
    missing, *others = program.graph.inputs
    with trial.session(program, precision, OUTPUTS) as session:
        trial.run(session, program, (0,))
        error = attempt(lambda: _run_with(session, {name: program.feeds[0][name].copy() for name in others}))
    yield from _not_refused(error, f"a run without the feed {missing!r}")


def _run_with(session: Session, feeds: Mapping[str, Array]) -> None:
    if not session.run(feeds).keys() & set(OUTPUTS):
        _raise_problem(session, OUTPUTS[0])


def _not_refused(outcome: object, what: str) -> Iterator[str]:
    """Yield what is wrong unless ``outcome`` is an error that tells the user."""
    if not isinstance(outcome, BaseException):
        yield f"{what} raised nothing, but should raise a ConformanceError"
    elif isinstance(outcome, Unsupported) or not isinstance(outcome, ConformanceError):
        yield f"after {what} {raised(outcome)}, but it should raise a ConformanceError"


@_clause(
    "recovery",
    "After a failed open the device works as before.",
    "One bad case must not spoil those that follow.",
)
def _recovery(trial: Trial, precision: Precision) -> Iterator[str]:
    attempt(lambda: _run_with_unknown_fetch(trial, precision))
    return trial.found(precision, OUTPUTS)


@_clause(
    "arguments",
    "open() leaves the graph and the scales that it is given as they are.",
    "TensorFlow's importer, for one, writes default attributes into the GraphDef that it gets.",
    "device",
)
def _arguments(trial: Trial, _: Precision) -> Iterator[str]:
    yield from (f"open() changed {what} that it was given" for what in trial.damaged)


@_clause(
    "close",
    "close() frees the device and may be called twice.",
    "A run that ends early may close twice.",
    "device",
)
def _close(trial: Trial, _: Precision) -> Iterator[str]:
    trial.device.close()
    trial.device.close()
    yield from ()
