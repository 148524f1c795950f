"""Cases on a device: a batch is compiled once per precision, and every case of it is judged by itself."""

from __future__ import annotations

import collections
import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.evaluation.evaluation import Evaluation
from conformance.files import sha256
from conformance.judging.bounds import excess
from conformance.judging.cases import OPERATORS, Case
from conformance.operators.batch import BatchNetwork
from conformance.operators.held import BatchExpectations
from conformance.operators.laws import demands_bits
from conformance.operators.table import TESTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from conformance.devices.base import Device
    from conformance.evaluation.stopwatch import Stopwatch
    from conformance.expected.limits import Outside
    from conformance.judging.bounds import Margins
    from conformance.judging.findings import Finding
    from conformance.judging.waivers import WaiverLedger
    from conformance.operators.case import OperatorCase
    from conformance.operators.laws import Derived
    from conformance.precision import Precision

    Array = np.ndarray[Any, Any]
    Laws = Mapping[OperatorCase, Sequence[Derived]]

INSIDE = "case_"
"""What names of nodes in a batch begin with: a note that names one says nothing to a reader of the run."""
KEPT = 24
"""Batches whose goldens are kept, for the next precision."""
NO_LAWS: Laws = MappingProxyType({})
TWICE = 2
"""How often every batch is run: its bits must not change."""


@dataclasses.dataclass(frozen=True)
class JudgedCase:
    """What came out for one case.

    Attributes:
        case: the case.
        finding: the verdict, under the name of the tested operator.
        outside: the documented limits that it leaves, beyond which nothing is promised.
        waived: whether a waiver covers what deviates.
        beside: derived cases that show the failure beside it.
    """

    case: OperatorCase
    finding: Finding
    outside: tuple[Outside, ...]
    waived: bool
    beside: tuple[OperatorCase, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether the device is wrong here, and nobody knew."""
        return self.finding.outcome in ("deviates", "broken") and not self.outside and not self.waived

    @property
    def size(self) -> float:
        """Its largest error over what is allowed; of one that has no verdict, nothing."""
        verdict = self.finding.verdict
        return -1.0 if verdict is None else excess(verdict.needed, verdict.bounds)


class CaseJudge:
    """Judges batches of cases on a device.

    Args:
        device: what is judged.
        margins: margin per operator class.
        ledger: of the run's waivers.
        model: whose documented limits hold.
        stopwatch: tells where the time goes.
        fuse: False runs layer by layer.
        repeat: how often every batch is run.
        steps_stored: whether it is known to store each step of a fused segment, as where that is broken:
            fused or layer by layer, bits are then the same.

    Attributes:
        compiled: how many batches the device compiled, by precision.
        cases: how many cases were run, by precision.
        derived: how many cases were derived from these by laws, by precision.
        moved: of which operators other bits came where a law has parts of an operand, within what right
            devices may give; by law.
        incidents: failures of the device that no case is to blame for.
    """

    def __init__(
        self,
        device: Device,
        margins: Margins,
        ledger: WaiverLedger,
        *,
        model: str,
        stopwatch: Stopwatch | None = None,
        fuse: bool = True,
        repeat: int = TWICE,
        steps_stored: bool = False,
    ) -> None:
        self._steps_stored = steps_stored
        self._device, self._margins, self._ledger, self._model = device, margins, ledger, model
        self._stopwatch, self._fuse, self._repeat = stopwatch, fuse, max(repeat, TWICE)
        self._kept: dict[tuple[OperatorCase, ...], BatchExpectations] = {}
        self.compiled: collections.Counter[Precision] = collections.Counter()
        self.cases: collections.Counter[Precision] = collections.Counter()
        self.derived: collections.Counter[Precision] = collections.Counter()
        self.moved: dict[str, dict[str, None]] = {}
        self.incidents: list[str] = []

    def judged(
        self,
        cases: Sequence[OperatorCase],
        precision: Precision,
        laws: Laws = NO_LAWS,
        *,
        fuse: bool = True,
    ) -> list[JudgedCase]:
        """Judge a batch at a precision; one that breaks the device as a whole is halved.

        Args:
            cases: the batch.
            precision: fixed-point × float width.
            laws: the cases that laws derive from one of the batch: they are compiled with it, and a case
                fails if one of them does.
            fuse: False runs layer by layer.

        Raises:
            DeviceLost: the device is gone for good.
            GoldenError: a case has no reference, which says nothing about the device.
        """
        found = self._at_once(cases, precision, laws, fuse=fuse)
        if len(cases) == 1 or any(item.finding.outcome != "broken" for item in found):
            return found
        middle = len(cases) // 2
        return [
            *self.judged(cases[:middle], precision, laws, fuse=fuse),
            *self.judged(cases[middle:], precision, laws, fuse=fuse),
        ]

    def _at_once(
        self, cases: Sequence[OperatorCase], precision: Precision, laws: Laws, *, fuse: bool
    ) -> list[JudgedCase]:
        """Judge a batch that is compiled once, with what laws derive from it."""
        derived = [(case, item) for case in cases for item in laws.get(case, ())]
        batch = (*cases, *dict.fromkeys(item.case for _, item in derived))
        judged, results = self._run(batch, precision, fuse=fuse)
        self.cases[precision] += len(cases)
        self.derived[precision] += len(batch) - len(cases)
        for case, item in derived:
            said = ""
            if case in results and item.case in results:
                said = item.difference(results[case], results[item.case])
            judged[case] = self._held(judged[case], item, judged[item.case], said)
        return [judged[case] for case in cases]

    def again(self, found: Sequence[JudgedCase], precision: Precision) -> list[JudgedCase]:
        """Return cases that were judged after their batch was compiled twice more: as before, and unfused.

        Raises:
            DeviceLost: the device is gone for good.
        """
        cases = [item.case for item in found]
        same = self.judged(cases, precision)
        compared = [
            _compared(*pair, "when the same graph was compiled again")
            for pair in zip(found, same, strict=True)
        ]
        if not self._fuse:
            return compared
        broken = self.judged(cases, precision, fuse=False)
        return [self._unfused(*pair) for pair in zip(compared, broken, strict=True)]

    def _unfused(self, item: JudgedCase, broken: JudgedCase) -> JudgedCase:
        """Return a case after the law that it gives the same fused and layer by layer."""
        compared = _compared(
            item, broken, "layer by layer, though its profile stores each step of what is fused"
        )
        if compared is item or compared.finding.outcome == "broken" or self._steps_stored:
            return compared
        self.moved.setdefault("fused", {})[item.case.name] = None
        return item

    def _held(self, whole: JudgedCase, derived: Derived, part: JudgedCase, difference: str) -> JudgedCase:
        """Return a case after one of the laws that hold for it."""
        if part.fails and not whole.fails:
            return dataclasses.replace(part, case=whole.case, beside=(part.case,))
        if not difference or whole.fails or whole.outside or part.outside:
            return whole
        if demands_bits(whole.finding.case.op) and whole.finding.verdict is not None:
            said = f"{whole.case.name} gave other bits for {derived.in_words}: {difference}"
            return dataclasses.replace(_deviating(whole, said), beside=(part.case,))
        self.moved.setdefault(derived.law, {})[whole.case.name] = None
        return whole

    def _run(
        self, cases: Sequence[OperatorCase], precision: Precision, *, fuse: bool
    ) -> tuple[dict[OperatorCase, JudgedCase], dict[OperatorCase, Array]]:
        """Judge a batch that is compiled once, each case by itself; return what came out, too."""
        expected, results = self._expected(tuple(cases)), {}
        nodes = expected.network.nodes
        places = dict(zip(nodes, cases, strict=True))

        def watch(case: Case, _: int, result: Any) -> None:
            if result is not None:
                results[places[case.node]] = result

        evaluation = Evaluation(
            self._device,
            expected,
            nodes,
            samples=[0],
            fuse=self._fuse and fuse,
            repeat=self._repeat,
            stopwatch=self._stopwatch,
            watch=watch,
        )
        found = evaluation.own(precision)
        self.compiled[precision] += 1
        self.incidents += evaluation.incidents
        if evaluation.lost is not None:
            raise evaluation.lost
        judged = {
            case: self._judged(case, node, precision, found[node], expected) for node, case in places.items()
        }
        return judged, results

    def _expected(self, cases: tuple[OperatorCase, ...]) -> BatchExpectations:
        """Return what a batch is held to, made once for all precisions."""
        if cases not in self._kept:
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[cases] = BatchExpectations(BatchNetwork(cases), self._margins)
        return self._kept[cases]

    def _judged(
        self,
        case: OperatorCase,
        node: str,
        precision: Precision,
        finding: Finding,
        expected: BatchExpectations,
    ) -> JudgedCase:
        renamed = _renamed(finding, node, case_of(case.name, precision))
        outside = tuple(expected.limits(self._model).outside(_all_of(expected, node), precision))
        verdict = renamed.verdict
        waived = verdict is not None and self._ledger.record(renamed.case, verdict).outcome == "waived"
        return JudgedCase(case, renamed, outside, waived)


def _all_of(expected: BatchExpectations, node: str) -> list[str]:
    """Return all nodes of the case that a node belongs to."""
    scope = f"{node.partition('/')[0]}/"
    return [name for name in expected.network.graph.nodes if name.startswith(scope)]


def _compared(item: JudgedCase, again: JudgedCase, when: str) -> JudgedCase:
    """Return a case, which deviates if it has other bits than the same case had another time."""
    if again.finding.outcome == "broken" and not item.fails:
        told = dataclasses.replace(again.finding, reason=f"{when}: {again.finding.reason}")
        return dataclasses.replace(again, finding=told)
    digests = item.finding.sha256, again.finding.sha256
    if item.finding.verdict is None or not all(digests) or digests[0] == digests[1]:
        return item
    return _deviating(item, f"{item.case.name} gave other bits {when}")


def _deviating(item: JudgedCase, reason: str) -> JudgedCase:
    """Return a case that deviates for another reason than its errors: no waiver covers that."""
    verdict = item.finding.verdict
    assert verdict is not None, "it was judged"
    changed = msgspec.structs.replace(
        verdict, outcome="deviates", reasons=[*verdict.reasons, reason], metrics=None
    )
    return dataclasses.replace(item, finding=dataclasses.replace(item.finding, verdict=changed), waived=False)


def case_of(name: str, precision: Precision) -> Case:
    """Return what records call a tested operator at a precision."""
    return Case(network=OPERATORS, node=name, op=TESTS[name].op, precision=str(precision), mode="own")


def _renamed(finding: Finding, node: str, case: Case) -> Finding:
    """Return a finding under another case, its sentences about the operator and not about its node."""
    verdict = finding.verdict
    if verdict is not None:
        verdict = msgspec.structs.replace(
            verdict,
            reasons=[reason.replace(node, case.node) for reason in verdict.reasons],
            notes=[note.replace(node, case.node) for note in verdict.notes],
        )
    return dataclasses.replace(
        finding,
        case=case,
        notes=tuple(note for note in finding.notes if INSIDE not in note),
        verdict=verdict,
        reason=finding.reason.replace(node, case.node),
        unmodelled=finding.unmodelled.replace(node, case.node),
    )


def together(digests: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return one digest of all results of an operator."""
    return (sha256("\n".join(" ".join(found) for found in digests).encode()),)
