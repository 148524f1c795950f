"""Verdicts: structure first, then NaN and Inf, then numbers; nothing passes by broadcasting or absence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from conformance.errors import GoldenError
from conformance.judging.bounds import ErrorValues, largest_values
from conformance.judging.comparison import Comparison, against, distinct
from conformance.judging.conformity import Conformity
from conformance.numerics.metrics import Metrics, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

HIDDEN_SIZE = 0.01
"""Relative difference of norms from which on an acceptance of cosine alone is warned of."""

Criterion = Literal["cosine_distance", "mse", "max_abs", "worst_channel_mse"]


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network's own limits on its outputs: those that are given, at least one.

    Attributes:
        cosine: the least cosine between golden and result, in (0, 1].
        psnr: the least peak signal-to-noise ratio in dB, over the output's value range.
        answers: the least part of right answers, in (0, 1], of every output that gives answers.
    """

    cosine: float | None = None
    psnr: float | None = None
    answers: float | None = None

    def __post_init__(self) -> None:
        for name in ("cosine", "answers"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"{name} is {value}, but should be above 0 and at most 1")
        if self.psnr is not None and not math.isfinite(self.psnr):
            raise ValueError(f"psnr is {self.psnr}, but should be finite")
        if not self.in_words:
            raise ValueError("nothing is demanded; give cosine, psnr or answers")

    @property
    def of_direction(self) -> bool:
        """Whether the cosine alone is demanded, which does not see how large an output is."""
        return self.psnr is None and self.answers is None

    @property
    def in_words(self) -> str:
        """What is demanded: ``cosine 0.999 and 40 dB``."""
        texts = {
            "cosine {:g}": self.cosine,
            "{:g} dB": self.psnr,
            "{:g} % right answers": None if self.answers is None else 100 * self.answers,
        }
        return " and ".join(text.format(value) for text, value in texts.items() if value is not None)


class Reached(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the worst sample of an output reached: the acceptance that would have passed.

    Attributes:
        cosine: None where every golden is zero, so that no cosine is defined.
        psnr: in dB; None where it is infinite, that is every result equals its golden.
        answers: part of right answers; None for an output that gives no answers.
    """

    cosine: float | None
    psnr: float | None
    answers: float | None = None

    @classmethod
    def worst(cls, found: Sequence[Reached]) -> Reached | None:
        """Return the worst of several, each figure by itself; None of none."""
        if not found:
            return None
        figures = {
            name: min((value for item in found if (value := getattr(item, name)) is not None), default=None)
            for name in cls.__struct_fields__
        }
        return cls(**figures)

    @property
    def in_words(self) -> list[str]:
        """``cosine 0.9989667``, ``39.1 dB`` and, of an output that gives answers, ``95.0% right answers``."""
        cosine, psnr, answers = self.in_cells
        return [
            "cosine undefined" if cosine is None else f"cosine {cosine}",
            "exact" if self.psnr is None else f"{psnr} dB",
            *([] if answers is None else [f"{answers} right answers"]),
        ]

    @property
    def in_cells(self) -> tuple[str | None, str, str | None]:
        """Cosine, PSNR in dB and right answers for a table; None where there is no such figure."""
        return (
            None if self.cosine is None else f"{self.cosine:.7f}",
            "exact" if self.psnr is None else f"{self.psnr:.1f}",
            None if self.answers is None else f"{self.answers:.1%}",
        )

    def meets(self, acceptance: Acceptance) -> bool:
        """Return whether this is enough; what is undefined or infinite is."""
        return all(
            found is None or least is None or found >= least
            for found, least in (
                (self.cosine, acceptance.cosine),
                (self.psnr, acceptance.psnr),
                (self.answers, acceptance.answers),
            )
        )


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The outcome of one comparison, and why.

    Attributes:
        outcome: ``conforms`` only if every check passed.
        reasons: one sentence per failed check; empty if and only if the outcome is ``conforms``.
        notes: what a reader should know although it failed nothing.
        metrics: the errors, the worst of all samples; None where they could not be computed.
        attainable: the bound without its margin: what an ideal device attains; None for an acceptance.
        bounds: what the errors were compared with; None for an acceptance.
        needed: the smallest bounds that would have passed; None where none would.
        acceptance: what an output was compared with; None for bounds.
        reached: what the worst sample reached, for an acceptance.
        conformity: the result beside what right devices of its precision give; bounds and needed are then
            of the differences from an ideal one. None where it is held to the golden.
        cost: the errors of an ideal device of the precision against the golden: what the precision costs.
    """

    outcome: Literal["conforms", "deviates"]
    reasons: list[str]
    notes: list[str] = []
    metrics: Metrics | None = None
    attainable: ErrorValues | None = None
    bounds: ErrorValues | None = None
    needed: ErrorValues | None = None
    acceptance: Acceptance | None = None
    reached: Reached | None = None
    conformity: Conformity | None = None
    cost: ErrorValues | None = None


def judge_comparisons(comparisons: Sequence[Comparison], bounds: ErrorValues) -> Verdict:
    """Judge samples of a node that were compared one by one: every error must be at most its limit.

    Where the golden is infinite the result must be the same infinity; such elements count as exact in the
    errors. The cosine is not compared for a golden that is zero everywhere, and a note says so. Metrics and
    needed are the worst of all samples.

    Raises:
        GoldenError: there is none.
    """
    _require(comparisons)
    reasons = [reason for item in comparisons for reason in (*item.reasons, *_excesses(item, bounds))]
    needed = [item.needed for item in comparisons if item.needed is not None]
    whole = largest_values(needed) if len(needed) == len(comparisons) else None
    return _verdict(comparisons, reasons, bounds=bounds, needed=whole)


def accept_comparisons(
    comparisons: Sequence[Comparison], acceptance: Acceptance, value_range: float
) -> Verdict:
    """Judge samples of an output: cosine, PSNR and right answers of each must be at least the accepted ones.

    The sentences name the worst sample. Form, NaN and Inf are judged as everywhere.

    Args:
        comparisons: one per sample.
        acceptance: the network's limits.
        value_range: distance between the output's largest and smallest possible value, for the PSNR.

    Raises:
        GoldenError: there is none.
    """
    _require(comparisons)
    reasons = [reason for item in comparisons for reason in item.reasons]
    found = None if reasons else reached(comparisons, value_range)
    reasons += _shortfalls(comparisons, acceptance, value_range)
    verdict = _verdict(comparisons, reasons, acceptance=acceptance, reached=found)
    return msgspec.structs.replace(verdict, notes=[*verdict.notes, *_other_sizes(comparisons)])


def _other_sizes(comparisons: Sequence[Comparison]) -> list[str]:
    """Return a sentence about the sample whose size differs most, if by more than a cosine may hide."""
    sized = [(item.gain, item.where) for item in comparisons if item.gain is not None]
    gain, where = max(sized, key=lambda pair: abs(pair[0] - 1), default=(1.0, ""))
    if abs(gain - 1) <= HIDDEN_SIZE:
        return []
    size = f"{where} is {gain:.3g} times as large as its golden (norms)"
    return [f"{size}, which a cosine does not see; add psnr to [acceptance]"]


def _verdict(comparisons: Sequence[Comparison], reasons: list[str], **held_to: Any) -> Verdict:
    """Return a verdict with what all samples say; it has metrics only if every sample has."""
    metrics = [item.metrics for item in comparisons if item.metrics is not None]
    return Verdict(
        outcome="deviates" if reasons else "conforms",
        reasons=reasons,
        notes=[note for item in comparisons for note in item.notes],
        metrics=worst(metrics) if len(metrics) == len(comparisons) else None,
        **held_to,
    )


def _require(comparisons: Sequence[Comparison]) -> None:
    if not comparisons:
        raise GoldenError("nothing was compared, so there is no verdict; run at least one sample")


def _excesses(item: Comparison, bounds: ErrorValues) -> list[str]:
    """Return one sentence per error of one sample that is above its limit, the largest error first."""
    if item.needed is None or item.metrics is None:
        return []
    where, channel = item.where, item.metrics.worst_channel
    names: dict[Criterion, str] = {
        "max_abs": f"{item.worst_values} (largest error",
        "mse": f"{where} deviates overall (mean squared error",
        "worst_channel_mse": f"channel {channel} of {where} deviates (mean squared error",
        "cosine_distance": f"{where} points elsewhere than its golden (cosine distance",
    }
    pairs = {name: (getattr(item.needed, name), getattr(bounds, name)) for name in names}
    return [
        f"{names[name]} {against(*pair, '> bound')})" for name, pair in pairs.items() if pair[0] > pair[1]
    ]


def reached(comparisons: Sequence[Comparison], value_range: float) -> Reached:
    """Return cosine and PSNR of the worst sample of an output, each on its own."""
    cosines = [cosine for item in comparisons if (cosine := _cosine(item)) is not None]
    psnr = min(_psnr(item, value_range) for item in comparisons)
    return Reached(
        cosine=min(cosines, default=None),
        psnr=psnr if math.isfinite(psnr) else None,
        answers=min((item.answers.share for item in comparisons if item.answers), default=None),
    )


def _shortfalls(comparisons: Sequence[Comparison], acceptance: Acceptance, value_range: float) -> list[str]:
    """Return a sentence for each criterion whose worst sample is not accepted."""
    compared = [item for item in comparisons if item.metrics is not None]
    cosines = [(cosine, item.where) for item in compared if (cosine := _cosine(item)) is not None]
    psnrs = [(_psnr(item, value_range), item.where) for item in compared]
    return [
        *_shortfall(cosines, "cosine", "", acceptance.cosine),
        *_shortfall(psnrs, "PSNR", " dB", acceptance.psnr),
        *_too_few_answers(compared, acceptance.answers),
    ]


def _too_few_answers(compared: Sequence[Comparison], accepted: float | None) -> list[str]:
    """Return the sentence for the sample with the least part of right answers if that is too small."""
    counted = [(item.answers, item.where) for item in compared if item.answers is not None]
    if accepted is None or not counted:
        return []
    answers, where = min(counted, key=lambda pair: pair[0].share)
    if answers.share >= accepted:
        return []
    found = f"{answers.right} of {answers.total} answers right ({answers.share:.1%})"
    return [f"{where} has {found}, but at least {100 * accepted:g} % are accepted"]


def _shortfall(reached: list[tuple[float, str]], name: str, unit: str, accepted: float | None) -> list[str]:
    """Return the sentence for the worst of ``reached`` (value and tensor) if it is below ``accepted``."""
    if accepted is None or not reached or min(reached)[0] >= accepted:
        return []
    value, where = min(reached)
    texts = distinct(value, accepted)
    return [f"{where} reaches a {name} of {texts[0]}{unit}, but at least {texts[1]}{unit} is accepted"]


def _cosine(item: Comparison) -> float | None:
    """Return the cosine; 0 for a zero result of a golden that is not zero, None for a zero golden."""
    return None if item.golden_is_zero or item.needed is None else 1.0 - item.needed.cosine_distance


def _psnr(item: Comparison, value_range: float) -> float:
    """Return the PSNR in dB, infinite where the result equals its golden."""
    return math.inf if item.metrics is None else item.metrics.psnr(value_range)
