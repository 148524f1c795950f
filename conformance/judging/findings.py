"""What came out for one case: a verdict, or why there is none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from conformance.judging.cases import Case
    from conformance.judging.verdicts import Verdict
    from conformance.numerics.metrics import Metrics

State = Literal["judged", "measured", "unsupported", "broken"]


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why a device gave no result: it declares that it cannot, or it broke."""

    state: Literal["unsupported", "broken"]
    reason: str


@dataclasses.dataclass(frozen=True)
class Finding:
    """What came out for one case.

    Attributes:
        case: what was judged.
        state: ``judged``, ``measured`` (chained errors have no bound), ``unsupported`` or ``broken``.
        verdict: the verdict, or the errors of a measured case; None where nothing could be compared.
        reason: why there is no verdict.
        sha256: of the outputs, one per sample.
        seconds: device time over all samples of the run that the case was part of.
        notes: what the device says of its run.
        unmodelled: why the result says nothing of a card, where the emulator does not model it.
    """

    case: Case
    state: State
    verdict: Verdict | None = None
    reason: str = ""
    sha256: tuple[str, ...] = ()
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    unmodelled: str = ""

    @property
    def metrics(self) -> Metrics | None:
        """The errors, where there are any."""
        return self.verdict.metrics if self.verdict else None

    @property
    def outcome(self) -> str:
        """``conforms``, ``unmodelled`` instead, or ``deviates`` where it was judged, else its state."""
        found = self.verdict.outcome if self.state == "judged" and self.verdict else self.state
        return "unmodelled" if found == "conforms" and self.unmodelled else found

    @classmethod
    def of(cls, case: Case, problem: Problem) -> Finding:
        """Return the finding of a case that the device could not run."""
        return cls(case, problem.state, reason=problem.reason)
