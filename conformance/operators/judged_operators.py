"""All operators on a device: one search per precision, one finding per operator and precision."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

import msgspec

from conformance.cached_methods import cached_method
from conformance.errors import UsageError
from conformance.expected.limits import BEYOND
from conformance.judging.findings import Finding
from conformance.operators.judged_cases import NO_LAWS, case_of, together
from conformance.operators.reproducing import write_reproduction
from conformance.operators.search import Search
from conformance.operators.table import PRODUCTS, laws_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from conformance.devices.limits import Limit
    from conformance.operators.case import OperatorCase
    from conformance.operators.judged_cases import CaseJudge, JudgedCase, Laws
    from conformance.operators.search import Found
    from conformance.precision import Precision


class JudgedOperators:
    """Operators on a device.

    Args:
        judge: judges batches on it.
        names: of the tested operators.
        examples: batches per precision.
        failures: directory in which failures are kept, to be tried first the next time; None: none.
        reproductions: directory in which a failing case is written as a network; None: none.

    Attributes:
        notes: what a reader should know.
    """

    def __init__(
        self,
        judge: CaseJudge,
        names: Sequence[str],
        *,
        examples: int,
        failures: Path | None = None,
        reproductions: Path | None = None,
    ) -> None:
        self._judge, self._names, self._examples = judge, tuple(names), examples
        self._failures, self._reproductions = failures, reproductions
        self._searched: dict[Precision, Found] = {}

    @cached_method
    def at(self, precision: Precision) -> dict[str, Finding]:
        """Search at a precision, and return a finding per operator.

        Raises:
            DeviceLost: the device is gone for good.
            UsageError: an operator was never drawn.
        """

        def judged(cases: Sequence[OperatorCase], laws: Laws) -> list[JudgedCase]:
            return self._judge.judged(cases, precision, laws)

        def again(found: Sequence[JudgedCase]) -> list[JudgedCase]:
            return self._judge.again(found, precision)

        database = None if self._failures is None else self._failures / str(precision)
        lawful = self._lawful(precision)
        search = Search(judged, again, self._examples, database, lawful)
        found = self._searched[precision] = search.run(self._names)
        return {name: self._finding(name, precision, found) for name in self._names}

    def _lawful(self, precision: Precision) -> Collection[str]:
        """Return whose laws are held: what is not in fixed point is the same at both of its widths."""
        same = any(other.float_bits == precision.float_bits for other in self._searched)
        return PRODUCTS if same else self._names

    def _finding(self, name: str, precision: Precision, found: Found) -> Finding:
        cases = [item for item in found.judged.values() if item.case.name == name]
        if not cases:
            raise UsageError(
                f"no case of {name} was drawn in {self._examples} batches; raise --examples, or select fewer "
                "operators"
            )
        if name in found.minimal:
            return self._failed(found.minimal[name], precision)
        inside = [item for item in cases if not item.outside]
        if not inside:
            limit = cases[0].outside[0]
            said = f"all {len(cases)} cases are {BEYOND}: {limit.in_words}; {limit.limit.source}"
            return Finding(case_of(name, precision), "unsupported", reason=said)
        worst = max(inside, key=_gravity)
        digests = [item.finding.sha256 for case, item in found.judged.items() if case in found.drawn]
        own = [found.judged[case].finding.sha256 for case in found.drawn if case.name == name]
        return dataclasses.replace(worst.finding, sha256=together(own or digests))

    def _failed(self, item: JudgedCase, precision: Precision) -> Finding:
        """Return the finding of a minimal case, with all that repeats it."""
        laws = {item.case: laws_of(item.case)} if item.beside else NO_LAWS
        (alone,) = self._judge.judged([item.case], precision, laws)
        told = [f"minimal case: {'; '.join(item.case.in_words)}"]
        if not alone.fails:
            told.append("it fails beside other cases in one graph, but not when it is run alone")
        if self._reproductions is not None:
            written = write_reproduction([item.case, *item.beside], precision, self._reproductions)
            told.append(f"as a network: {written}")
        finding = alone.finding if alone.fails else item.finding
        if finding.verdict is None:
            return dataclasses.replace(finding, reason="; ".join([finding.reason, *told]))
        reasons = [*finding.verdict.reasons, *told]
        return dataclasses.replace(finding, verdict=msgspec.structs.replace(finding.verdict, reasons=reasons))

    @property
    def incidents(self) -> list[str]:
        """Failures of the device that no case is to blame for."""
        return self._judge.incidents

    @property
    def notes(self) -> list[str]:
        """How much was searched, and what lies outside of what the vendor documents."""
        if not self._searched:
            return []
        cases, compiled, derived = self._judge.cases, self._judge.compiled, self._judge.derived
        each = ", ".join(f"{precision} {compiled[precision]}" for precision in self._searched)
        drawn = sum(found.batches for found in self._searched.values())
        searched = (
            f"{len(self._names)} operators, {sum(cases.values())} cases, {sum(derived.values())} that laws "
            f"derive from them, {drawn} batches drawn; {sum(compiled.values())} compilations ({each})"
        )
        return [searched, *self._moved(), *self._outside()]

    def _moved(self) -> list[str]:
        """Return a sentence per law that right devices need not keep bit for bit, and this one does not."""
        return [
            f"law of {law}: other bits, within what right devices may give: {', '.join(names)}"
            for law, names in self._judge.moved.items()
        ]

    def _outside(self) -> list[str]:
        """Return a sentence per documented limit: how many cases of which operators leave it."""
        counts: dict[str, tuple[Limit, collections.Counter[str]]] = {}
        for found in self._searched.values():
            for item in found.judged.values():
                for outside in item.outside:
                    _, named = counts.setdefault(outside.name, (outside.limit, collections.Counter()))
                    named[item.case.name] += 1
        return [
            f"{BEYOND}, and not held against the device: "
            f"{', '.join(f'{count} cases of {name}' for name, count in sorted(named.items()))} "
            f"({limit.quantity} {limit.in_words}); {limit.source}"
            for limit, named in counts.values()
        ]


def _gravity(item: JudgedCase) -> tuple[bool, float]:
    """Return how grave a finding is: what deviates first, then the largest error."""
    return item.finding.outcome == "deviates", item.size
