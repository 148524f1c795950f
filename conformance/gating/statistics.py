"""Statistics of runs: intervals of a ratio, noise, several tests at once, steps in a series.

The run is the sample, never the round: rounds of one run share what differs between runs (where memory lies,
the clock, the temperature), so that more of them do not make a run's figure more certain. All figures here
are natural logarithms: a difference is then the logarithm of a ratio, and noise is relative.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONFIDENCE = 0.90
"""Of intervals, two-sided: each end errs in 5 % of cases, as is usual where a limit must not be exceeded."""
FAMILY = 0.05
"""Chance of any false alarm among several tests."""
LEAST_RUNS = 3
"""Runs of a side from which its own spread is taken, where another one could be lent."""
LEAST_CARDS = 3
"""Cards with one run each from which the spread between them is taken."""
MOST_RUNS = 100
"""Runs a side beyond which no one will go."""
POWER = 0.9
"""In how many of such experiments a slowdown should be seen."""


@dataclasses.dataclass(frozen=True)
class Noise:
    """How far runs that should be equal lie apart.

    Attributes:
        deviation: standard deviation of the logarithms, nearly the relative one.
        freedom: degrees of freedom that it rests on.
    """

    deviation: float
    freedom: int


@dataclasses.dataclass(frozen=True)
class Block:
    """Runs that share a card: what differs between cards does not count as noise.

    Attributes:
        baseline, candidate: logarithm of each run's figure; none of them is empty.
    """

    baseline: Sequence[float]
    candidate: Sequence[float]


@dataclasses.dataclass(frozen=True)
class Interval:
    """The logarithm of a ratio, candidate over baseline, and how well it is known.

    Attributes:
        estimate: of the logarithm.
        error: its standard error.
        freedom: degrees of freedom of the error.
        confidence: of the interval, two-sided.
        source: where the noise is known from.
    """

    estimate: float
    error: float
    freedom: float
    confidence: float
    source: Literal["runs", "cards", "history"]

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.estimate - self._half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.estimate + self._half

    @property
    def p_above(self) -> float:
        """Chance of such an estimate or a larger one if the ratio were 1."""
        from scipy.special import stdtr

        if self.error == 0:
            return 0.0 if self.estimate > 0 else 1.0
        return float(stdtr(self.freedom, -self.estimate / self.error))

    @property
    def detectable(self) -> float:
        """The logarithm of the smallest ratio whose interval lies above 1 in :data:`POWER` of cases."""
        return self._half + quantile(POWER, self.freedom) * self.error

    @property
    def _half(self) -> float:
        return quantile((1 + self.confidence) / 2, self.freedom) * self.error if self.error else 0.0


def quantile(share: float, freedom: float) -> float:
    """Return the value below which this share of Student's t lies."""
    from scipy.special import stdtrit  # scipy.stats, which has it too, takes a second to import

    return float(stdtrit(freedom, share))


def ratio_interval(
    blocks: Sequence[Block], lent: Noise | None = None, confidence: float = CONFIDENCE
) -> Interval | None:
    """Return the interval of the logarithm of candidate over baseline; None where the noise is not known.

    The estimate is the mean over the blocks, which count alike. Each side of a block has its own variance
    (Welch). A side with fewer than three runs takes ``lent`` if that is there. With one run on a side and
    nothing lent, several cards tell by how their differences spread (paired t).

    Args:
        blocks: per card that both sides have.
        lent: noise of other runs.
        confidence: of the interval, two-sided.

    Source: B. L. Welch, "The generalization of 'Student's' problem when several different population
        variances are involved", Biometrika 34 (1947); F. E. Satterthwaite, "An approximate distribution of
        estimates of variance components", Biometrics Bulletin 2 (1946).
    """
    if not blocks:
        return None
    differences = [float(np.mean(block.candidate) - np.mean(block.baseline)) for block in blocks]
    estimate = float(np.mean(differences))
    terms = [_variance(side, lent) for block in blocks for side in (block.baseline, block.candidate)]
    known = [term for term in terms if term is not None]
    if len(known) == len(terms):
        error, freedom = _welch(known, len(blocks))
        borrowed = any(term.lent for term in known)
        return Interval(estimate, error, freedom, confidence, "history" if borrowed else "runs")
    if len(blocks) < LEAST_CARDS:
        return None
    error = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    return Interval(estimate, error, len(differences) - 1, confidence, "cards")


@dataclasses.dataclass(frozen=True)
class _Variance:
    """Of the mean of one side of a block."""

    value: float
    freedom: int
    lent: bool


def _variance(values: Sequence[float], lent: Noise | None) -> _Variance | None:
    """Return the variance of the mean of some runs, or None of a single one."""
    if lent is not None and len(values) < LEAST_RUNS:
        return _Variance(lent.deviation**2 / len(values), lent.freedom, lent=True)
    if len(values) == 1:
        return None
    return _Variance(float(np.var(values, ddof=1)) / len(values), len(values) - 1, lent=False)


def _welch(terms: Sequence[_Variance], blocks: int) -> tuple[float, float]:
    """Return the standard error of the mean over blocks, and its degrees of freedom."""
    total = sum(term.value for term in terms)
    if total == 0:
        return 0.0, float(sum(term.freedom for term in terms))
    if all(term.lent for term in terms):  # one and the same estimate, however often it is used
        return math.sqrt(total) / blocks, float(terms[0].freedom)
    freedom = total**2 / sum(term.value**2 / term.freedom for term in terms)
    return math.sqrt(total) / blocks, freedom


def noise_of(groups: Iterable[Sequence[float]]) -> Noise | None:
    """Return the noise within groups of runs that should be equal, or None where no group has two.

    Args:
        groups: logarithms; what differs between groups does not count.
    """
    several = [np.asarray(group, dtype=float) for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return None
    squares = sum(float(np.sum((group - group.mean()) ** 2)) for group in several)
    return Noise(math.sqrt(squares / freedom), freedom)


def runs_needed(deviation: float, target: float, cards: int, confidence: float = CONFIDENCE) -> int | None:
    """Return how many runs a side and card make half of an interval smaller than ``target``.

    Args:
        deviation: noise of a run.
        target: a logarithm.
        cards: how many there are.
        confidence: of the interval.

    Returns:
        At least 2; None where :data:`MOST_RUNS` are not enough.
    """
    share = (1 + confidence) / 2
    for runs in range(2, MOST_RUNS + 1):
        half = quantile(share, 2.0 * (runs - 1) * cards) * deviation * math.sqrt(2 / (runs * cards))
        if half < target:
            return runs
    return None


def holm(values: Sequence[float]) -> list[float]:
    """Return p values after Holm's correction, in their order: each may be held to the level of all.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, largest = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = largest
    return corrected
