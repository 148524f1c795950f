"""Who is to blame: nodes that fail by themselves or only when fused, or the precision."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from conformance.diagnosis.culprits import FAILED, REFINED, Segments, grouped
from conformance.diagnosis.model import Culprit
from conformance.diagnosis.network_errors import errors_along, own_squares
from conformance.diagnosis.quality import decibels, plainly_worse
from conformance.graph.operators import FIXED_POINT
from conformance.precision import parse_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from conformance.diagnosis.forward_passes import ForwardPasses
    from conformance.diagnosis.model import NodeErrors, Quality
    from conformance.judging.findings import Finding
    from conformance.precision import Precision


class Blame:
    """Finds culprits at one precision.

    Args:
        passes: runs the network.
        precision: what is diagnosed.

    Attributes:
        remarks: what a reader should know of how they were found.
        bisections: passes that were spent on finding nodes that fail only when fused.
        inner: errors of the nodes inside failing segments that were looked into.
    """

    def __init__(self, passes: ForwardPasses, precision: Precision) -> None:
        self._passes, self._precision = passes, precision
        manifest, self._graph = passes.store.manifest, passes.store.network.graph
        self._key = [node.name for node in manifest.key]
        self._judgeable = [node.name for node in manifest.nodes]
        self._segments = Segments(self._graph, self._key, self._judgeable)
        self.remarks: list[str] = []
        self.bisections = 0
        self.inner: list[NodeErrors] = []

    def errors(self, own: Mapping[str, Finding], chained: Mapping[str, Finding]) -> list[NodeErrors]:
        """Return the errors of the nodes of ``own``."""
        attains = self._passes.expected.attains
        attainable = {name: attains(name, self._precision) for name in {*own, *chained}}
        return errors_along(self._graph, own, chained, attainable)

    def by_own_errors(
        self, own: Mapping[str, Finding], errors: Sequence[NodeErrors], samples: Sequence[int]
    ) -> list[Culprit]:
        """Blame nodes that fail by themselves, after a look into segments with several operators."""
        unclear = self._segments.unclear(errors)
        nodes = self._segments.to_judge(unclear)
        found = self._passes.own(self._precision, nodes, samples) if nodes else {}
        self.inner = inner = self.errors(found, {})
        if len(unclear) > REFINED:
            self.remarks.append(
                f"of {len(unclear)} failing parts of the network the first {REFINED} were looked into"
            )
        culprits = grouped(
            self._segments.origins(errors, inner),
            [self._graph.nodes[name].op for name in self._segments.looked_at(errors, inner)],
            failures({**own, **found}),
        )
        return [*culprits, *self._fused_inside(self._segments.cleared(errors, inner), samples)]

    def _fused_inside(self, cleared: Sequence[str], samples: Sequence[int]) -> list[Culprit]:
        """Blame the node whose fetching makes the first of these key nodes right."""
        if not cleared:
            return []
        end = cleared[0]

        def right(nodes: Sequence[str]) -> bool:
            return self._passes.own(self._precision, [end, *nodes], samples)[end].outcome not in FAILED

        node = self._bisected(self._segments.inside(end), right)
        if len(cleared) > 1:
            others = ", ".join(cleared[1:])
            self.remarks.append(
                f"{others}, too, came right when the nodes before were fetched; {end} was looked into"
            )
        return [Culprit(what=node, kind="fused", nodes=[node], worst=node)]

    def by_fusion(self, fused: Quality, chained: Quality, samples: Sequence[int]) -> Culprit:
        """Blame the key node at which breaking fusion makes the outputs right."""

        def right(nodes: Sequence[str]) -> bool:
            found = self._passes.fused(self._precision, samples, broken=nodes)
            return nearer_to_chained(found, fused, chained)

        node = self._bisected(self._key, right)
        return Culprit(what=node, kind="fused", nodes=[node], worst=node)

    def _bisected(self, nodes: Sequence[str], right: Callable[[Sequence[str]], bool]) -> str:
        before = self._passes.count
        node = breaking_node(nodes, right)
        self.bisections += self._passes.count - before
        return node


def breaking_node(nodes: Sequence[str], right: Callable[[Sequence[str]], bool]) -> str:
    """Return the node at which breaking fusion makes the difference.

    Bisection over the order of the nodes: with fusion broken at all of them what is looked at is right, at
    none it is not, so there is a first node whose break makes it right.

    Args:
        nodes: producers first.
        right: tells whether it is right with fusion broken at these; asked at most log2(nodes) + 1 times.
    """
    good, bad = len(nodes), 0
    while good - bad > 1:
        middle = (good + bad) // 2
        if right(nodes[:middle]):
            good = middle
        else:
            bad = middle
    return nodes[good - 1]


def fusion_spoils(fused: Quality, chained: Quality) -> bool:
    """Return whether outputs are plainly better with fusion broken."""
    return not fused.accepted and plainly_worse(fused, than=chained)


def nearer_to_chained(found: Quality, fused: Quality, chained: Quality) -> bool:
    """Return whether outputs are as good as with fusion broken everywhere rather than nowhere."""
    if chained.accepted:
        return found.accepted
    return 2 * decibels(found) > decibels(fused) + decibels(chained)


def blamed_precision(
    precision: Precision,
    errors: Sequence[NodeErrors],
    accepted: Callable[[Precision], bool],
    overflowing: Collection[str] = (),
) -> list[Culprit]:
    """Blame the precision: every operator does what it should, and that is too little.

    Fixed point is to blame where a wider one is accepted, the float type where float32 is; where that does
    not tell, the float type if it overflows, else the operators whose errors together are larger.

    Args:
        precision: what is diagnosed.
        errors: of the key nodes.
        accepted: tells whether another precision is accepted.
        overflowing: nodes that overflow even on an ideal device of the precision.
    """
    fixed = [item for item in errors if item.op in FIXED_POINT]
    others = [item for item in errors if item.op not in FIXED_POINT]
    wider_fixed = accepted(parse_precision(f"int16-{precision.floating}"))
    wider_float = accepted(parse_precision(f"{precision.fixed}-fp32"))
    blamed = others if overflowing else max((fixed, others), key=own_squares)
    if wider_fixed != wider_float:
        blamed = fixed if wider_fixed else others
    if not blamed:
        return []
    what, nodes = ", ".join(sorted({item.op for item in blamed})), [item.node for item in blamed]
    worst = max(blamed, key=lambda item: (item.node in overflowing, item.own or 0.0))
    return [Culprit(what=what, kind="precision", nodes=nodes, worst=worst.node)]


def the_device(own: Mapping[str, Finding]) -> Culprit:
    """Blame the device, which could not compute any node: with what it said most often."""
    broken = [finding for finding in own.values() if finding.state == "broken"]
    ((message, _),) = collections.Counter(finding.reason for finding in broken).most_common(1)
    nodes = [finding.case.node for finding in broken]
    failure = f"It said: {message}"
    return Culprit(what="the device", kind="device", nodes=nodes, worst=nodes[0], failure=failure)


def failures(found: Mapping[str, Finding]) -> dict[str, str]:
    """Return a sentence for every node that gave nothing to compare."""
    return {name: text for name, finding in found.items() if (text := _failure(finding))}


def _failure(finding: Finding) -> str:
    if finding.state in ("broken", "unsupported"):
        verb = "could not compute it" if finding.state == "broken" else "does not offer it"
        return f"The device {verb}: {finding.reason}"
    verdict = finding.verdict
    return verdict.reasons[0] if verdict and verdict.metrics is None and verdict.reasons else ""


def origin_of(errors: Sequence[NodeErrors], culprits: Sequence[Culprit], judgeable: Sequence[str]) -> str:
    """Return where the error begins: the first culprit of all, else the node that adds most."""
    order = {name: place for place, name in enumerate(judgeable)}
    if begun := [culprit.nodes[0] for culprit in culprits if culprit.kind in ("operator", "node", "fused")]:
        return min(begun, key=order.__getitem__)
    if culprits and culprits[0].kind == "precision":
        return culprits[0].worst
    return max(errors, key=lambda item: item.own or 0.0).node if errors else ""
