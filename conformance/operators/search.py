"""The search: hypothesis draws batches of cases, and shrinks one that fails to a single minimal case.

A case that was judged once is not run again, so that shrinking a list costs nothing; only new cases compile.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from conformance.operators.table import TESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypothesis.strategies import DrawFn, SearchStrategy

    from conformance.operators.case import OperatorCase
    from conformance.operators.judged_cases import JudgedCase

    Judge = Callable[[Sequence[OperatorCase]], list[JudgedCase]]

SEED = 14
"""Every search draws the same cases, on every machine."""
OFTEN = 3
"""A batch holds an operator this many times out of one more."""
MOST_TRIALS = 120
"""Cases that are tried to shrink one that fails; each is compiled."""
MOST_BROKEN = 8
"""Of these, how many may break the device: a process that dies costs seconds."""
EXAMPLES = 8
"""Batches per precision, unless the user says otherwise."""


class CaseFails(Exception):  # noqa: N818 - hypothesis sees what happened, the user never does
    """A case of the batch fails. Hypothesis shrinks each type of exception by itself: one per operator."""


@dataclasses.dataclass
class Found:
    """What a search found.

    Attributes:
        judged: every case that was judged, in this order.
        drawn: cases of the batches that hypothesis drew before it shrank any.
        minimal: of each operator that fails, the case that hypothesis shrank it to.
        batches: how many batches were drawn.
    """

    judged: dict[OperatorCase, JudgedCase] = dataclasses.field(default_factory=dict)
    drawn: dict[OperatorCase, None] = dataclasses.field(default_factory=dict)
    minimal: dict[str, JudgedCase] = dataclasses.field(default_factory=dict)
    batches: int = 0


def batches(names: Sequence[str]) -> SearchStrategy[list[OperatorCase]]:
    """Return the strategy of lists of cases, each operator once at most; an empty list is the simplest."""

    @st.composite
    def batch(draw: DrawFn) -> list[OperatorCase]:
        return [TESTS[name].drawn(draw) for name in names if draw(st.integers(0, OFTEN))]

    return batch()


class Search:
    """A search at one precision.

    Args:
        judge: judges a batch on the device.
        examples: how many batches are drawn.
        database: where failures are kept, to be tried first the next time; None: nowhere.
    """

    def __init__(self, judge: Judge, examples: int = EXAMPLES, database: Path | None = None) -> None:
        self._judge, self._examples = judge, examples
        self._database = None if database is None else DirectoryBasedExampleDatabase(database)
        self._error: Exception | None = None
        self._trials = self._broken = 0
        self.found = Found()

    def run(self, names: Sequence[str]) -> Found:
        """Search until no operator of these fails that was not found before.

        Raises:
            Exception: what the judge raised; it says nothing about a single case.
        """
        left = list(names)
        if self._database is not None:
            self._round(left, [Phase.reuse, Phase.shrink])
        while left:
            left = [name for name in left if name not in self.found.minimal]
            before = len(self.found.minimal)
            self._round(left, [Phase.generate, Phase.shrink])
            if len(self.found.minimal) == before:
                break
        return self.found

    def _round(self, names: Sequence[str], phases: Sequence[Phase]) -> None:
        """Let hypothesis search once, and shrink every operator that fails."""
        failing: dict[str, JudgedCase] = {}
        calls = 0

        @seed(SEED)
        @settings(
            max_examples=self._examples,
            database=self._database,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
            report_multiple_bugs=True,
        )
        @given(batches(names))
        def each(cases: list[OperatorCase]) -> None:
            nonlocal calls
            calls += 1
            judged = self._of(cases, new=not failing and calls <= self._examples)
            for item in judged:
                if item.fails:
                    if item.case.name not in failing:
                        self._trials = self._broken = 0
                    failing[item.case.name] = item  # the last one is the smallest
                    raise _failure(item.case.name)

        try:
            each()
        except Exception:
            if not failing and self._error is None:
                raise
        if self._error is not None:
            raise self._error
        self.found.minimal.update(failing)

    def _of(self, cases: Sequence[OperatorCase], *, new: bool) -> list[JudgedCase]:
        """Return the cases judged; what is not known is run, unless that was tried often enough."""
        known = self.found.judged
        unknown = [case for case in dict.fromkeys(cases) if case not in known]
        tried_out = not new and (self._trials >= MOST_TRIALS or self._broken >= MOST_BROKEN)
        if unknown and self._error is None and not tried_out:
            self._run(unknown)
            self._trials += not new
        if new and cases:
            self.found.batches += 1
            self.found.drawn.update(dict.fromkeys(case for case in cases if case in known))
        return [known[case] for case in cases if case in known]

    def _run(self, cases: Sequence[OperatorCase]) -> None:
        try:
            found = self._judge(cases)
        except Exception as error:  # noqa: BLE001 - hypothesis would take it for a failing case; raised later
            self._error = error
            return
        self._broken += any(item.finding.outcome == "broken" for item in found)
        self.found.judged.update({item.case: item for item in found})


_TYPES: dict[str, Any] = {}


def _failure(name: str) -> CaseFails:
    """Return an exception whose type is the operator's own."""
    kind = _TYPES.setdefault(name, type(f"{name} fails", (CaseFails,), {}))
    return kind(name)  # type: ignore[no-any-return]
