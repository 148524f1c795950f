"""Speed: is the candidate slower than allowed, not slower, or is there too little to tell?

The run is the sample. Cards that both sides have are blocks. ``slower``: the interval of the ratio lies above
1, after Holm's correction over all timings, and the estimate above the limit. ``not slower``: all of the
interval lies below the limit. Everything else is ``cannot tell``, and that is no pass.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from conformance.errors import UsageError
from conformance.gating.result import Speed, TimedRun
from conformance.gating.statistics import (
    FAMILY,
    Block,
    Interval,
    Noise,
    holm,
    noise_of,
    ratio_interval,
    runs_needed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.gating.result import Decides, SideName, SpeedWord
    from conformance.gating.sides import Side
    from conformance.runs.finished import StoredRun

SLOWER = 0.03
"""The slowdown that is allowed where the user says nothing."""
EQUAL = ("kind", "model", "driver", "firmware", "runtime", "framework", "profile", "serial")
"""What runs of a history must have in common to be called equal."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """All times of one network at one precision.

    Attributes:
        network, precision: what was timed.
        runs: every run's time.
        least: seconds below which none can be; None where that is not known.
    """

    network: str
    precision: str
    runs: list[TimedRun]
    least: float | None

    def logs(self, side: SideName, card: str) -> list[float]:
        """Return the logarithms of the seconds of a side's runs on a card."""
        return [math.log(run.seconds) for run in self.runs if (run.side, run.card) == (side, card)]

    def cards(self, side: SideName) -> list[str]:
        """Return the cards of a side."""
        return list(dict.fromkeys(run.card for run in self.runs if run.side == side))

    @property
    def shared(self) -> list[str]:
        """The cards that both sides have."""
        theirs = set(self.cards("candidate"))
        return [card for card in self.cards("baseline") if card in theirs]

    @property
    def blocks(self) -> list[Block]:
        """The shared cards' runs."""
        return [Block(self.logs("baseline", card), self.logs("candidate", card)) for card in self.shared]

    @property
    def noise(self) -> Noise | None:
        """How far runs of one side on one card lie apart."""
        sides: tuple[SideName, ...] = ("baseline", "candidate")
        return noise_of([self.logs(side, card) for side in sides for card in self.cards(side)])

    @property
    def impossible(self) -> list[SideName]:
        """The sides that have a time below the least."""
        least = self.least or 0.0
        return list(dict.fromkeys(run.side for run in self.runs if run.seconds < least))

    def mean(self, side: SideName) -> float | None:
        """Return the geometric mean of a side's seconds."""
        logs = [math.log(run.seconds) for run in self.runs if run.side == side]
        return float(np.exp(np.mean(logs))) if logs else None


def samples(baseline: Side, candidate: Side) -> list[Sample]:
    """Return all that was timed on any side.

    Raises:
        UsageError: a file of times is damaged, or a time is none.
    """
    runs: dict[tuple[str, str], list[TimedRun]] = collections.defaultdict(list)
    least: dict[tuple[str, str], float | None] = {}
    for side in (baseline, candidate):
        for run in side.runs:
            for timing in run.timings:
                key = (timing.network, timing.precision)
                runs[key].append(
                    TimedRun(
                        side=side.name,
                        path=str(run.path),
                        card=timing.card,
                        seconds=timing.seconds,
                        rounds=len(timing.rounds),
                    )
                )
                least[key] = least.get(key) or timing.least
    return [Sample(*key, found, least[key]) for key, found in runs.items()]


def history_noise(runs: Sequence[StoredRun], model: str) -> dict[tuple[str, str], Noise]:
    """Return the noise of single runs, by network and precision, of cards of this model.

    Only runs of one card and one stack are held against each other.

    Raises:
        UsageError: a file of times is damaged.
    """
    groups: dict[tuple[str, str], dict[tuple[str, ...], list[float]]] = {}
    for run in runs:
        device = run.environment.device
        if device.get("model") != model:
            continue
        for timing in run.timings:
            equal = (*(str(device.get(name)) for name in EQUAL), timing.card)
            found = groups.setdefault((timing.network, timing.precision), {})
            found.setdefault(equal, []).append(math.log(timing.seconds))
    noises = {key: noise_of(found.values()) for key, found in groups.items()}
    return {key: noise for key, noise in noises.items() if noise is not None}


def judge_speed(
    found: Sequence[Sample],
    *,
    slower: float,
    lent: Mapping[tuple[str, str], Noise] | None = None,
    demanded: bool = False,
) -> list[Speed]:
    """Return what came out for every timing.

    Args:
        found: all that was timed.
        slower: the slowdown that is allowed, such as 0.03.
        lent: noise of single runs, by network and precision.
        demanded: whether the user asked for this limit.

    Raises:
        UsageError: the user asked for a limit below the noise between runs.
    """
    noises = lent or {}
    intervals = [
        ratio_interval(sample.blocks, noises.get((sample.network, sample.precision))) for sample in found
    ]
    known = [index for index, interval in enumerate(intervals) if interval is not None]
    corrected = dict(zip(known, holm([item.p_above for item in intervals if item is not None]), strict=True))
    judged = []
    for index, sample in enumerate(found):
        noise = sample.noise or noises.get((sample.network, sample.precision))
        if demanded and noise is not None and slower < math.expm1(noise.deviation):
            raise UsageError(
                f"--slower {_percent(slower)} is below the noise between runs of {sample.network} at "
                f"{sample.precision}, {_percent(math.expm1(noise.deviation))}; allow more, or lower the noise"
            )
        judged.append(_judged(sample, intervals[index], corrected.get(index), noise, slower))
    return judged


def _judged(
    sample: Sample, interval: Interval | None, corrected: float | None, noise: Noise | None, slower: float
) -> Speed:
    limit = math.log1p(slower)
    word = "cannot tell" if interval is None or corrected is None else _word(interval, corrected, limit)
    more = _more_runs(sample, interval, noise, limit) if word == "cannot tell" else None
    return Speed(
        network=sample.network,
        precision=sample.precision,
        word=word,
        baseline=sample.mean("baseline"),
        candidate=sample.mean("candidate"),
        change=None if interval is None else math.expm1(interval.estimate),
        low=None if interval is None else math.expm1(interval.low),
        high=None if interval is None else math.expm1(interval.high),
        p=None if interval is None else interval.p_above,
        holm=corrected,
        noise=None if noise is None else math.expm1(noise.deviation),
        noise_from="" if interval is None else interval.source,
        detectable=None if interval is None else math.expm1(max(interval.detectable, 0.0)),
        more_runs=more,
        cards=sample.shared,
        decides=_decides(word),
        said=f"{sample.network} {sample.precision}: {_said(sample, interval, word, more, slower)}",
        runs=sample.runs,
    )


def _word(interval: Interval, corrected: float, limit: float) -> SpeedWord:
    if interval.low > 0 and interval.estimate > limit and corrected < FAMILY:
        return "slower"
    if interval.high < -limit:
        return "faster"
    return "not slower" if interval.high < limit else "cannot tell"


def _decides(word: SpeedWord) -> Decides:
    return {"slower": "speed", "cannot tell": "cannot tell"}.get(word, "nothing")  # type: ignore[return-value]


def _more_runs(sample: Sample, interval: Interval | None, noise: Noise | None, limit: float) -> int | None:
    """Return how many more runs a side and card would probably decide; None where that is not known."""
    if not sample.shared:
        return None
    least = min(len(side) for block in sample.blocks for side in (block.baseline, block.candidate))
    if noise is None or interval is None:
        return max(3 - least, 1)
    away = interval.estimate if interval.estimate > limit else limit - max(interval.estimate, 0.0)
    needed = runs_needed(noise.deviation, away, len(sample.shared))
    return None if needed is None else max(needed - least, 1)


def _said(sample: Sample, interval: Interval | None, word: SpeedWord, more: int | None, slower: float) -> str:
    if interval is None:
        return f"{word}, {_nothing_known(sample)}{_advice(more)}"
    shown = f"{_signed(interval.estimate)} [{_signed(interval.low)}, {_signed(interval.high)}]"
    if word == "cannot tell":
        return f"{shown} cannot tell whether it is within the {_percent(slower)} allowed{_advice(more)}"
    if word == "faster":
        return f"{shown} faster"
    return f"{shown} {word} than the {_percent(slower)} allowed"


def _nothing_known(sample: Sample) -> str:
    """Return why there is no interval."""
    for side in ("baseline", "candidate"):
        if not any(run.side == side for run in sample.runs):
            return f"the {side} was not timed"
    if not sample.shared:
        return "no card is on both sides"
    return "one run a side says nothing of the noise"


def _advice(more: int | None) -> str:
    return f"; about {more} more run{'' if more == 1 else 's'} a side" if more else ""


def _signed(logarithm: float) -> str:
    return f"{100 * math.expm1(logarithm):+.1f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
