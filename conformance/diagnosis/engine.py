"""A diagnosis from beginning to end, in as few runs as can show what it says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from conformance.diagnosis.culprits import failing, grouped, inner_nodes, origins
from conformance.diagnosis.fusion import breaking_node
from conformance.diagnosis.model import Culprit, Diagnosis, Effect
from conformance.diagnosis.network_errors import errors_along
from conformance.diagnosis.reasons import with_reasons
from conformance.diagnosis.repairs import host_tried, precisions_tried, ranked
from conformance.graph.operators import FIXED_POINT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.diagnosis.forwards import Forwards
    from conformance.diagnosis.model import NodeErrors, Quality
    from conformance.precision import Precision
    from conformance.runs.evaluation import Finding

MOST_EFFECTS = 3
"""Culprits whose effect is measured, the farthest off first: one run each."""


class Diagnosing:
    """One diagnosis in progress.

    Args:
        forwards: runs the network.
        precision: what is diagnosed.
    """

    def __init__(self, forwards: Forwards, precision: Precision) -> None:
        self._forwards, self._precision, self._store = forwards, precision, forwards.store
        self._graph = self._store.network.graph
        self._key = [node.name for node in self._store.manifest.key]
        self._judgeable = [node.name for node in self._store.manifest.nodes]
        self._remarks: list[str] = []

    def result(self) -> Diagnosis:
        """Run what is needed and return what was found."""
        started, forwards = time.perf_counter(), self._forwards
        quality = forwards.fused(self._precision)
        forwards.keep_pictures(self._precision)
        own = forwards.own(self._precision, self._key, [forwards.sample])
        chained, chained_quality = forwards.chained(self._precision, self._key)
        errors = self._errors(own, chained)
        if quality.accepted and not failing(errors):
            quality, own = self._all_samples_in_turn(quality, own)
            errors = self._errors(own, chained)
        culprits = self._culprits(own, errors, quality, chained_quality)
        culprits = [self._with_effect(index, culprit, quality) for index, culprit in enumerate(culprits)]
        choices = precisions_tried(forwards, self._precision, quality)
        choices = ranked([*choices, *host_tried(forwards, culprits, choices)])
        return self._diagnosis(
            quality=quality,
            chained_quality=chained_quality,
            errors=errors,
            born=_born(errors, culprits),
            culprits=with_reasons(_by_effect(culprits), self._precision, forwards),
            choices=choices,
            recommended=0 if choices[0].quality.accepted else None,
            seconds=time.perf_counter() - started,
        )

    def _diagnosis(self, **found: object) -> Diagnosis:
        info = self._forwards.device.info()
        return Diagnosis(
            network=self._store.network.name,
            precision=str(self._precision),
            device=info.kind,
            simulated=info.simulated,
            profile=info.profile,
            sample=self._forwards.sample,
            forwards=self._forwards.count,
            remarks=self._remarks,
            **found,  # type: ignore[arg-type]
        )

    def _errors(self, own: Mapping[str, Finding], chained: Mapping[str, Finding]) -> list[NodeErrors]:
        evaluation = self._forwards.evaluation()
        attains = {name: evaluation.attains(name, self._precision) for name in {*own, *chained}}
        return errors_along(self._graph, own, chained, attains)

    def _all_samples_in_turn(
        self, quality: Quality, own: dict[str, Finding]
    ) -> tuple[Quality, dict[str, Finding]]:
        """Run all samples one after the other: a device that hands out old results is right at first."""
        others = [index for index in range(self._store.network.samples) if index != self._forwards.sample]
        samples = [*others, self._forwards.sample]
        if not others:
            return quality, own
        quality = self._forwards.fused(self._precision, samples)
        if quality.accepted:
            return quality, own
        self._remarks.append("the first sample alone came out right; own errors are those of all samples in turn")
        return quality, self._forwards.own(self._precision, self._key, samples)

    def _culprits(
        self,
        own: Mapping[str, Finding],
        errors: Sequence[NodeErrors],
        quality: Quality,
        chained_quality: Quality,
    ) -> list[Culprit]:
        if failing(errors):
            return self._by_own_errors(own, errors)
        if quality.accepted:
            return []
        return [self._by_fusion(quality)] if chained_quality.accepted else self._by_precision(errors)

    def _by_own_errors(self, own: Mapping[str, Finding], errors: Sequence[NodeErrors]) -> list[Culprit]:
        """Blame nodes that fail by themselves, after a look into pieces of the cut graph with several operators."""
        nodes = inner_nodes(self._graph, errors, self._key, self._judgeable)
        found = self._forwards.own(self._precision, nodes, [self._forwards.sample]) if nodes else {}
        inner = self._errors(found, {})
        begun = origins(self._graph, errors, inner, self._key)
        failures = {name: finding.reason for name, finding in {**own, **found}.items() if finding.reason}
        return sorted(grouped(begun, [*errors, *inner], failures), key=_size, reverse=True)

    def _by_fusion(self, quality: Quality) -> Culprit:
        """Blame the node that fails only when it is fused with others."""
        node, after = breaking_node(
            self._key, lambda nodes: self._forwards.fused(self._precision, broken=nodes)
        )
        effect = Effect(before=quality, after=after)
        return Culprit(what=node, kind="fused", nodes=[node], worst=node, effect=effect)

    def _by_precision(self, errors: Sequence[NodeErrors]) -> list[Culprit]:
        """Blame the precision: every operator does what it should, and that is too little."""
        fixed = [item for item in errors if item.op in FIXED_POINT]
        if not fixed:
            return []
        return [
            Culprit(
                what=", ".join(sorted({item.op for item in fixed})),
                kind="precision",
                nodes=[item.node for item in fixed],
                worst=max(fixed, key=lambda item: item.own or 0.0).node,
            )
        ]

    def _with_effect(self, index: int, culprit: Culprit, quality: Quality) -> Culprit:
        """Measure what goldens in place of a culprit do to the outputs."""
        outputs = {output.name for output in self._store.network.outputs}
        nodes = [name for name in self._all_of(culprit) if name not in outputs]
        if culprit.effect is not None or index >= MOST_EFFECTS or not nodes:
            return culprit
        after = self._forwards.fused(self._precision, goldens=nodes)
        return msgspec.structs.replace(culprit, effect=Effect(before=quality, after=after))

    def _all_of(self, culprit: Culprit) -> list[str]:
        """Return the nodes of a culprit: of an operator type all, also those that were not looked at."""
        if culprit.kind != "operator":
            return culprit.nodes
        return [name for name in self._judgeable if self._graph.nodes[name].op == culprit.what]


def _size(culprit: Culprit) -> float:
    return float("inf") if culprit.excess is None else culprit.excess


def _by_effect(culprits: Sequence[Culprit]) -> list[Culprit]:
    """Return the culprits, the largest gain of the outputs' PSNR first, those without a measured one last."""
    return sorted(culprits, key=lambda item: (-_gain(item), -_size(item)))


def _gain(culprit: Culprit) -> float:
    effect = culprit.effect
    if effect is None:
        return float("-inf")
    before, after = (_decibels(quality) for quality in (effect.before, effect.after))
    return after - before


def _decibels(quality: Quality) -> float:
    """Return the PSNR; of exact outputs a lot, of outputs that are no numbers nothing."""
    if quality.psnr is not None:
        return quality.psnr
    return 1e3 if quality.accepted else 0.0


def _born(errors: Sequence[NodeErrors], culprits: Sequence[Culprit]) -> str:
    """Return where the error begins: the first failing node, else the first that adds most."""
    if failing(errors):
        return failing(errors)[0].node
    if culprits:
        return culprits[0].worst
    return max(errors, key=lambda item: item.own or 0.0).node
