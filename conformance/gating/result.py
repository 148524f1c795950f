"""What a gate found, as ``gate.json`` keeps it: the evidence, of which everything else is a rendering."""

from __future__ import annotations

from typing import Literal

import msgspec

from conformance.clock import Moment
from conformance.errors import EXIT_ACCURACY, EXIT_FINE, EXIT_INCONCLUSIVE, EXIT_SPEED

SCHEMA = 1
"""Number of this format; it grows when a reader of the last one would misunderstand."""

Word = Literal["GO", "GO, CHANGED", "NO-GO", "CANNOT TELL"]
SideName = Literal["baseline", "candidate"]
Require = Literal["identical", "nothing-changed"]
Decides = Literal["accuracy", "speed", "cannot tell", "changed", "nothing"]
"""What a finding makes of the verdict, the gravest first: NO-GO twice, CANNOT TELL, GO, CHANGED, GO."""
Change = Literal[
    "regressed", "worse", "disappeared", "unstable", "appeared", "fixed", "still failing", "not a time"
]
"""What became of a case; one whose outcome is the same and right has none.

* regressed: it passed, now it does not.
* worse: waived or failing before and after, and its error has grown by an attainable error or more.
* disappeared: the baseline has it, the candidate, or one of its runs, does not.
* unstable: runs of one side differ in its outcome.
* appeared: only the candidate has it.
* fixed: it did not pass, now it does.
* still failing: it fails before and after.
* not a time: its device time is below what the card could do at best.
"""
SpeedWord = Literal["slower", "not slower", "faster", "cannot tell"]
EXIT_CODES: dict[Decides, int] = {
    "accuracy": EXIT_ACCURACY,
    "speed": EXIT_SPEED,
    "cannot tell": EXIT_INCONCLUSIVE,
    "changed": EXIT_FINE,
    "nothing": EXIT_FINE,
}
WORDS: dict[Decides, Word] = {
    "accuracy": "NO-GO",
    "speed": "NO-GO",
    "cannot tell": "CANNOT TELL",
    "changed": "GO, CHANGED",
    "nothing": "GO",
}


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the result: known fields only."""


class ReadRun(_Part, frozen=True, kw_only=True):
    """A run that was read.

    Attributes:
        path: its run directory.
        started: when it started.
        records: how many it has.
        sha256: of its ``records.jsonl``.
        cards: serial numbers of the cards that judged; '' for a device that has none.
        host: platform and processor of the computer.
    """

    path: str
    started: Moment
    records: int
    sha256: str
    cards: list[str]
    host: str


class ReadSide(_Part, frozen=True, kw_only=True):
    """One side: where it was read, and its runs by their start."""

    path: str
    runs: list[ReadRun]


class Difference(_Part, frozen=True, kw_only=True):
    """What may differ between the sides, and does: it is what is being judged.

    Attributes:
        what: such as ``driver``.
        baseline, candidate: every value that runs of the side have.
    """

    what: str
    baseline: list[str]
    candidate: list[str]


class Thresholds(_Part, frozen=True, kw_only=True):
    """What the findings were held to.

    Attributes:
        slower: the slowdown that is still allowed, 0.03 for 3 %.
        confidence: of the intervals of speed, two-sided.
        family: the chance of any false ``slower`` that Holm's correction allows over all timings.
        drift: growth of an error, in attainable errors, from which a case counts as changed or worse.
        require: what ``--require`` demands beyond that, None for nothing.
        history: directory whose runs lent their noise, None where none did.
    """

    slower: float
    confidence: float
    family: float
    drift: float
    require: Require | None = None
    history: str | None = None


class CaseName(_Part, frozen=True, kw_only=True):
    """A case by its id, and the parts of it."""

    case: str
    network: str
    node: str
    op: str
    precision: str
    mode: str


class Arithmetic(_Part, frozen=True, kw_only=True):
    """What probes of both sides found differently.

    Attributes:
        subject: a switch of the profile, or an operator.
        operators: whose results it decides; empty where it decides many.
        precisions: at which; empty for all.
        before, after: what was found.
        explains: cases of these operators, fed with goldens, whose results differ.
    """

    subject: str
    operators: list[str]
    precisions: list[str]
    before: str
    after: str
    explains: int


class Transition(CaseName, frozen=True, kw_only=True):
    """A case whose outcome changed, or that is not as it should be.

    Attributes:
        change: what became of it.
        before, after: how many runs of each side have it with each outcome; empty where none has it.
        decides: what it makes of the verdict.
        said: a sentence, with the reason of the first run in which it fails.
    """

    change: Change
    before: dict[str, int]
    after: dict[str, int]
    decides: Decides
    said: str


class Drift(CaseName, frozen=True, kw_only=True):
    """A case whose results are not bit-identical on both sides.

    Attributes:
        before, after: largest error over its bound, as amplitudes; of an output, its error over what the
            acceptance allows; None where there is no bound.
        criterion: the error that grew most, such as ``mse``; None where there are no errors.
        error_before, error_after: that error, as an amplitude (the root of a squared one).
        drift: its growth in attainable errors (of an output: in errors that the acceptance allows); negative
            where it shrank; None where there is no such unit.
        ratio: root mean square error after over before; None where it was 0.
        changed: whether it grew or shrank by the threshold or more.
    """

    before: float | None
    after: float | None
    criterion: str | None
    error_before: float | None
    error_after: float | None
    drift: float | None
    ratio: float | None
    changed: bool


class OperatorDrift(_Part, frozen=True, kw_only=True):
    """Own errors of all nodes of one operator at one precision.

    Attributes:
        op: operator type.
        precision: such as ``int8-fp16``.
        cases: how many both sides judged.
        identical: how many of them have bit-identical results.
        changed: how many changed by the threshold or more.
        drift: the largest growth, of the largest magnitude; None where no result differs or has a unit.
        ratio: median over the differing cases of root mean square error after over before.
        worst: case of that growth; '' where no result differs.
    """

    op: str
    precision: str
    cases: int
    identical: int
    changed: int
    drift: float | None
    ratio: float | None
    worst: str


class Irreproducible(CaseName, frozen=True, kw_only=True):
    """A case that gave different results for equal inputs.

    Attributes:
        baseline, candidate: where on that side: ``within a run``, ``between runs``, ``between cards``; ''
            where its results were equal.
        new: whether the candidate alone is so.
    """

    baseline: str
    candidate: str
    new: bool


class TimedRun(_Part, frozen=True, kw_only=True):
    """The device time of one run: one dot.

    Attributes:
        side: whose run.
        path: its run directory.
        card: serial number of the card.
        seconds: median of its rounds.
        rounds: how many there were.
    """

    side: SideName
    path: str
    card: str
    seconds: float
    rounds: int


class Speed(_Part, frozen=True, kw_only=True):
    """Device times of one network at one precision; changes are relative, 0.05 for 5 % slower.

    Attributes:
        network, precision: what was timed.
        word: what came out.
        baseline, candidate: geometric mean of the runs' seconds; None where a side has none.
        change: the estimate; None where nothing can be estimated.
        low, high: its interval; None where there is none.
        p: chance of such a change or a larger one if the sides were equally fast; None where there is none.
        holm: the same after Holm's correction.
        noise: standard deviation between runs of one side on one card; None where it is not known.
        noise_from: ``runs``, ``cards`` (several cards with a run each) or ``history``; '' where not known.
        detectable: the smallest slowdown that these runs would show in 9 of 10 cases.
        more_runs: how many more runs per side would probably decide; None where it is decided or not known.
        cards: those that both sides have.
        decides: what it makes of the verdict.
        said: a sentence.
        runs: every run's time.
    """

    network: str
    precision: str
    word: SpeedWord
    baseline: float | None
    candidate: float | None
    change: float | None
    low: float | None
    high: float | None
    p: float | None
    holm: float | None
    noise: float | None
    noise_from: Literal["runs", "cards", "history", ""]
    detectable: float | None
    more_runs: int | None
    cards: list[str]
    decides: Decides
    said: str
    runs: list[TimedRun]


class Counts(_Part, frozen=True, kw_only=True):
    """How many cases there are.

    Attributes:
        cases: that both sides have.
        compared: of them, those with results on both sides.
        identical: of those, with bit-identical results on both sides.
        changed: of those, that changed by the threshold or more.
        changes: by what became of them.
        irreproducible: that newly give different results for equal inputs.
    """

    cases: int
    compared: int
    identical: int
    changed: int
    changes: dict[str, int]
    irreproducible: int


class Gate(_Part, frozen=True, kw_only=True):
    """The whole of ``gate.json``.

    Attributes:
        schema: number of the format.
        verdict: ``GO``, ``GO, CHANGED``, ``NO-GO`` or ``CANNOT TELL``.
        exit_code: of the command.
        reasons: a sentence per finding that makes the verdict, or what a GO rests on.
        made: when it was made.
        version: of mlu-conformance.
        device: model and kind of both sides, and whether it is simulated.
        simulated: whether it is.
        networks: judged by both sides.
        baseline, candidate: what was read.
        judged: what differs between the sides and may: what is being judged.
        thresholds: what the findings were held to.
        counts: how many cases.
        outcomes: cases whose outcome changed, or is not as it should be, the gravest first.
        operators: own errors by operator and precision, the largest drift first.
        drift: every case whose results differ, the largest drift first.
        irreproducible: cases that gave different results for equal inputs.
        speed: every timing.
        notes: what else a reader should know.
        arithmetic: what probes of both sides found differently; empty where a side keeps none.
    """

    schema: int
    verdict: Word
    exit_code: int
    reasons: list[str]
    made: Moment
    version: str
    device: str
    simulated: bool
    networks: list[str]
    baseline: ReadSide
    candidate: ReadSide
    judged: list[Difference]
    thresholds: Thresholds
    counts: Counts
    outcomes: list[Transition]
    operators: list[OperatorDrift]
    drift: list[Drift]
    irreproducible: list[Irreproducible]
    speed: list[Speed]
    notes: list[str]
    arithmetic: list[Arithmetic] = []
