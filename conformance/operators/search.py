"""The search: hypothesis draws batches of cases of all operators, and shrinks what fails to one minimal case.

An operator that fails in a batch is searched by itself: lists of its cases alone, which hypothesis shrinks. A
case that was judged once is not run again, so that shrinking a list costs nothing; only new cases compile.

The laws of an operator are held of the first drawn case that has room for them, at each precision, and of
every case where one of them fails and the operator is searched by itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import unittest
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from conformance.operators.judged_cases import NO_LAWS
from conformance.operators.table import EDGES, TESTS, laws_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from hypothesis.strategies import DrawFn, SearchStrategy

    from conformance.operators.case import OperatorCase
    from conformance.operators.judged_cases import JudgedCase, Laws
    from conformance.operators.laws import Derived

    Judge = Callable[[Sequence[OperatorCase], Laws], list[JudgedCase]]
    Again = Callable[[Sequence[JudgedCase]], list[JudgedCase]]

SEED = 14
"""Every search draws the same cases, on every machine."""
OFTEN = 3
"""A batch holds an operator this many times out of one more."""
MOST_TRIALS = 60
"""Cases that are tried to shrink one that fails; each is compiled."""
MOST_BROKEN = 8
"""Of these, how many may break the device: a process that dies costs seconds."""
LONGEST = 6
"""Cases of one operator in a list."""
LISTS = 30
"""Lists of one operator that fails that are drawn, to find it failing again."""


class CaseFails(Exception):
    """A case of a list fails."""


@dataclasses.dataclass
class Found:
    """What a search found.

    Attributes:
        judged: every case that was judged, in this order.
        drawn: cases of the batches of all operators.
        minimal: of each operator that fails, the case that hypothesis shrank it to.
        batches: how many batches of all operators were drawn.
    """

    judged: dict[OperatorCase, JudgedCase] = dataclasses.field(default_factory=dict)
    drawn: dict[OperatorCase, None] = dataclasses.field(default_factory=dict)
    minimal: dict[str, JudgedCase] = dataclasses.field(default_factory=dict)
    batches: int = 0

    @property
    def failing(self) -> list[str]:
        """The operators that fail, in the order in which they were found."""
        return list(dict.fromkeys(item.case.name for item in self.judged.values() if item.fails))


def batches(names: Sequence[str], *, least: int = 0) -> SearchStrategy[list[OperatorCase]]:
    """Return the strategy of batches: each operator once at most, and most of them.

    Hypothesis begins with the simplest batch: of none, or of the plainest case of each where ``least`` is 1.
    """

    @st.composite
    def batch(draw: DrawFn) -> list[OperatorCase]:
        return [TESTS[name].drawn(draw) for name in names if draw(st.integers(least, OFTEN))]

    return batch()


def lists(name: str, longest: int = LONGEST) -> SearchStrategy[list[OperatorCase]]:
    """Return the strategy of lists of cases of one operator: of one where each breaks the device."""
    return st.lists(st.composite(TESTS[name].drawn)(), min_size=1, max_size=longest)


class Search:
    """A search at one precision.

    Args:
        judge: judges a batch on the device, with the cases that laws derive from those in it.
        again: judges cases after their batch was compiled again.
        examples: how many batches are drawn.
        database: directory of what failed before, which is tried first; None: there is none.
        lawful: whose laws are held in batches of all operators.
    """

    def __init__(
        self,
        judge: Judge,
        again: Again,
        examples: int,
        database: Path | None = None,
        lawful: Collection[str] = TESTS,
    ) -> None:
        self._again, self._lawful = again, lawful
        self._judge, self._examples, self._database = judge, examples, database
        self._error: Exception | None = None
        self._trials = self._broken = 0
        self._held: set[tuple[str, str]] = set()
        self.found = Found()

    def run(self, names: Sequence[str]) -> Found:
        """Try what failed before, draw batches, and shrink the operators that fail.

        Raises:
            Exception: what the judge raised; it says nothing about a single case.
        """
        for name in names:
            if self._database is not None and (self._database / name).is_dir():
                self.alone(name, [Phase.reuse, Phase.shrink])
        self._draw(names)
        for name in self.found.failing:
            if name not in self.found.minimal:
                self.alone(name)
        return self.found

    def _draw(self, names: Sequence[str]) -> None:
        """Judge as many batches of all operators as are asked for; none fails here."""

        def each(cases: list[OperatorCase]) -> None:
            cases = [case for case in cases if self._whole(case)]
            known(cases, {case: self._not_held(case) for case in cases})

        def known(cases: list[OperatorCase], laws: Laws = NO_LAWS) -> None:
            self._trials = 0
            judged = self._of(cases, laws)
            self.found.batches += bool(cases)
            self.found.drawn.update(dict.fromkeys(item.case for item in judged))

        def first(cases: list[OperatorCase]) -> None:
            cases = [*cases, *(case for case in EDGES if case.name in names)]
            known(cases)
            if self._error is None:
                found = [self.found.judged[case] for case in dict.fromkeys(cases) if self._whole(case)]
                self.found.judged.update({item.case: item for item in self._again(found)})

        self._hypothesis(first, batches(names, least=1), [Phase.generate], 1)
        self._hypothesis(each, batches(names), [Phase.generate], self._examples + 1)  # the first is empty

    def alone(self, name: str, phases: Sequence[Phase] = (Phase.generate, Phase.shrink)) -> JudgedCase | None:
        """Search one operator by itself; return the minimal case to which hypothesis shrinks what fails."""
        self._trials = self._broken = 0
        failing = self._failing(name)
        lawful = not failing or any(item.beside for item in failing)
        longest = 1 if any(item.finding.outcome == "broken" for item in failing) else LONGEST

        def each(cases: list[OperatorCase]) -> None:
            for item in self._of(cases, {case: laws_of(case) for case in cases} if lawful else NO_LAWS):
                if item.fails:
                    self.found.minimal[name] = item  # hypothesis tries the smallest last
                    raise CaseFails(name)

        self._hypothesis(
            each,
            lists(name, longest),
            phases,
            LISTS,
            None if self._database is None else self._database / name,
        )
        failing = self._failing(name)
        if failing and name not in self.found.minimal:
            self.found.minimal[name] = min(failing, key=lambda item: item.case.elements)
        return self.found.minimal.get(name)

    def _failing(self, name: str) -> list[JudgedCase]:
        """Return what fails of an operator by now."""
        return [item for item in self.found.judged.values() if item.case.name == name and item.fails]

    def _whole(self, case: OperatorCase) -> bool:
        """Whether the operator of a case has not broken the device yet, which costs a process each time."""
        return not any(item.finding.outcome == "broken" for item in self._failing(case.name))

    def _not_held(self, case: OperatorCase) -> list[Derived]:
        """Return what the laws that were not held yet of an operator derive from a case."""
        if case.name not in self._lawful:
            return []
        derived = [item for item in laws_of(case) if (case.name, item.law) not in self._held]
        self._held |= {(case.name, item.law) for item in derived}
        return derived

    def _hypothesis(
        self,
        each: Callable[[list[OperatorCase]], None],
        strategy: SearchStrategy[list[OperatorCase]],
        phases: Sequence[Phase],
        examples: int,
        database: Path | None = None,
    ) -> None:
        """Let hypothesis call ``each``; that a case fails is remembered there."""
        searching = settings(
            max_examples=examples,
            database=None if database is None else DirectoryBasedExampleDatabase(database),
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        with contextlib.suppress(CaseFails, unittest.SkipTest):  # it skips where nothing was kept
            searching(seed(SEED)(given(strategy)(each)))()  # seed would take the database away
        if self._error is not None:
            raise self._error

    def _of(self, cases: Sequence[OperatorCase], laws: Laws) -> list[JudgedCase]:
        """Return the cases judged; what is not known is run, unless that was tried often enough."""
        known = self.found.judged
        unknown = [case for case in dict.fromkeys(cases) if case not in known]
        often = self._trials >= MOST_TRIALS or self._broken >= MOST_BROKEN
        if unknown and self._error is None and not often:
            self._trials += 1
            self._run(unknown, laws)
        return [known[case] for case in cases if case in known]

    def _run(self, cases: Sequence[OperatorCase], laws: Laws) -> None:
        try:
            found = self._judge(cases, laws)
        except Exception as error:  # noqa: BLE001 - hypothesis would take it for a failing case; raised later
            self._error = error
            return
        self._broken += any(item.finding.outcome == "broken" for item in found)
        self.found.judged.update({item.case: item for item in found})
