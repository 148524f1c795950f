"""A diagnosis from beginning to end, in as few runs as can show what it says."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import msgspec

from conformance.diagnosis.blame import Blame, blamed_precision, fusion_spoils, origin_of, the_device
from conformance.diagnosis.counterfactuals import Counterfactuals
from conformance.diagnosis.culprits import failing
from conformance.diagnosis.model import Diagnosis, Quality
from conformance.diagnosis.quality import decibels, plainly_worse
from conformance.diagnosis.reasons import Explanations, with_repeats
from conformance.diagnosis.repairs import (
    WIDEST,
    Repairs,
    farthest_off_first,
    helps,
    largest_effect_first,
    ranked,
    recommended,
    stand_ins,
    with_effect,
)
from conformance.expected.overflow import told
from conformance.expected.roofline import ModelledTime
from conformance.quantization.calibration import quantized_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from conformance.diagnosis.forward_passes import ForwardPasses
    from conformance.diagnosis.model import Choice, Culprit, Effect, NodeErrors
    from conformance.judging.findings import Finding
    from conformance.precision import Precision
    from conformance.probing.result import Probe

MOST_PASSES = 9
"""Network passes of a diagnosis where own errors show the culprit; what would be one more is left out. Not
counted are those of a network that is written otherwise, those that fetch what reaches a culprit, and those
that confirm on other samples what is recommended, one for each sample."""
FIRST_PASSES = 3
"""Of these, so many before anything is known: fused, node by node, chained."""
MOST_EFFECTS = 3
"""Culprits whose effect is measured, the farthest off first: one run each."""
MOST_SAMPLES = 5
"""Samples that are run one after the other where one alone came out right."""


UNKNOWN = Quality(accepted=True)
"""Of outputs that may well be accepted: what helps was not measured."""


@dataclasses.dataclass(frozen=True)
class Observations:
    """What the runs of the precision itself showed.

    Attributes:
        quality: of the fused outputs.
        chained_quality: of the outputs with fusion broken at every key node.
        own: findings of the key nodes, fed with goldens.
        errors: of the key nodes.
    """

    quality: Quality
    chained_quality: Quality
    own: Mapping[str, Finding]
    errors: Sequence[NodeErrors]


class Diagnosing:
    """One diagnosis in progress.

    Args:
        passes: runs the network.
        precision: what is diagnosed.
        probe: of the device, where there is one.
    """

    def __init__(self, passes: ForwardPasses, precision: Precision, probe: Probe | None = None) -> None:
        self._probe = probe
        self._passes, self._precision, self._store = passes, precision, passes.store
        self._graph = self._store.network.graph
        self._key = [node.name for node in self._store.manifest.key]
        self._judgeable = [node.name for node in self._store.manifest.nodes]
        self._samples = [passes.sample]
        self._most = MOST_PASSES
        self._blame = Blame(passes, precision)
        self._times = ModelledTime(passes.expected, passes.device.info().model)
        self._remarks: list[str] = []

    def result(self) -> Diagnosis:
        """Run what is needed and return what was found.

        Raises:
            DeviceLost: the device is gone for good.
            GoldenError: goldens or attainable errors do not fit the network.
        """
        started = time.perf_counter()
        seen = self._observe(self._fused(self._samples), self._samples)
        if seen.errors and not failing(seen.errors):
            seen = self._observe_more_samples(seen)
        repairs = Repairs(self._passes, self._times, self._precision, seen.quality, self._samples)
        culprits = self._tried(self._culprits(seen, repairs), seen, repairs)
        choices = self._confirmed(repairs)
        scales = self._passes.expected.scales(self._precision.fixed_bits)
        limits = self._passes.expected.limits(self._passes.device.info().model)
        own = {item.node: item.own for item in (*seen.errors, *self._blame.inner)}
        explanations = Explanations(
            self._store,
            self._precision,
            scales,
            self._passes.sample,
            limits,
            self._passes.expected.overflow,
            own,
            self._probe,
        )
        return self._diagnosis(
            dataclasses.replace(seen, quality=repairs.of_precision),
            culprits=explanations.with_reasons(with_repeats(culprits, self._passes.repeats)),
            contributors=explanations.contributors(seen.errors, culprits),
            choices=choices,
            recommended=recommended(choices, self._precision),
            born=origin_of(seen.errors, [item for item in culprits if helps(item)], self._judgeable),
            seconds=time.perf_counter() - started,
        )

    def _diagnosis(self, seen: Observations, **found: object) -> Diagnosis:
        info = self._passes.device.info()
        incidents = [f"the device failed, and no node is to blame: {text}" for text in self._passes.incidents]
        return Diagnosis(
            network=self._store.network.name,
            precision=str(self._precision),
            device=info.kind,
            simulated=info.simulated,
            profile=info.profile,
            sample=self._passes.sample,
            quality=seen.quality,
            chained_quality=seen.chained_quality,
            errors=list(seen.errors),
            forwards=self._passes.count,
            quantised=bool(quantized_tensors(self._graph)),
            remarks=[
                *self._overflow(),
                *self._remarks,
                *self._blame.remarks,
                *incidents,
                *filter(None, [self._times.remark]),
            ],
            **found,  # type: ignore[arg-type]
        )

    def _overflow(self) -> Iterator[str]:
        """Yield what overflows even on an ideal half device, at a precision with halves."""
        if self._precision.float_bits == 16:
            yield from told(self._passes.expected.attainable.overflow, self._judgeable)

    def _confirmed(self, repairs: Repairs) -> list[Choice]:
        """Return the choices ranked, the recommended one accepted on other samples of the network, too."""
        others = [index for index in range(self._store.network.samples) if index not in self._samples]
        others = others[: MOST_SAMPLES - 1]
        while others and (best := recommended(ranked(repairs.choices), self._precision)) is not None:
            if not (missed := repairs.missed(ranked(repairs.choices)[best], others)):
                break
            self._remarks.append(missed)
        return ranked(repairs.choices)

    def _fused(self, samples: Sequence[int]) -> Quality:
        quality = self._passes.fused(self._precision, samples)
        self._passes.keep_pictures(self._precision)
        return quality

    def _observe(self, quality: Quality, samples: Sequence[int]) -> Observations:
        """Run the nodes by themselves, and the network with fusion broken at them."""
        passes = self._passes
        own = passes.own(self._precision, self._key, samples)
        if not any(finding.state == "judged" for finding in own.values()):
            return Observations(quality, quality, own, [])
        chained, chained_quality = passes.chained(self._precision, self._key, samples)
        return Observations(quality, chained_quality, own, self._blame.errors(own, chained))

    def _observe_more_samples(self, seen: Observations) -> Observations:
        """Run all samples one after the other: a device that hands out old results is right at first."""
        others = [index for index in range(self._store.network.samples) if index != self._passes.sample]
        if not others:
            return seen
        samples = [*others[: MOST_SAMPLES - 1], self._passes.sample]
        self._most += len(samples)
        if not plainly_worse(quality := self._fused(samples), seen.quality):
            return seen
        self._samples = samples
        self._remarks.append(
            f"sample {self._passes.sample} alone came out better; shown is the worst of the samples "
            f"{', '.join(map(str, samples))}, run one after the other"
        )
        found = self._observe(quality, samples)
        self._most = self._passes.count + (MOST_PASSES - FIRST_PASSES) * len(samples)
        return found

    def _culprits(self, seen: Observations, repairs: Repairs) -> list[Culprit]:
        if not seen.errors:
            broken = any(finding.state == "broken" for finding in seen.own.values())
            return [the_device(seen.own)] if broken else []
        culprits = []
        if failing(seen.errors):
            culprits = self._blame.by_own_errors(seen.own, seen.errors, self._samples)
        if fusion_spoils(seen.quality, seen.chained_quality):
            culprits.append(self._blame.by_fusion(seen.quality, seen.chained_quality, self._samples))
        self._most += self._blame.bisections
        if culprits or seen.quality.accepted:
            return culprits
        self._try_precisions(repairs)
        return self._by_precision(seen, repairs)

    def _by_precision(self, seen: Observations, repairs: Repairs) -> list[Culprit]:
        """Blame the precision, at the nodes that do what they should."""
        failed = {item.node for item in failing(seen.errors)}
        right = [item for item in seen.errors if item.node not in failed]
        overflowing = self._passes.expected.overflow.nodes(self._precision)
        return blamed_precision(self._precision, right, repairs.accepted, overflowing)

    def _tried(self, culprits: Sequence[Culprit], seen: Observations, repairs: Repairs) -> list[Culprit]:
        """Measure what culprits do and what repairs the network, as far as runs may be spent on it."""
        if culprits and self._affords(1):
            repairs.try_precision(WIDEST)
        left_over = len(repairs.untried) if repairs.accepted(WIDEST) else 1
        measured = list(self._measured(farthest_off_first(culprits), seen.quality, left_over))
        if repairs.accepted(WIDEST):
            self._try_precisions(repairs)
        if measured and all(item.kind != "precision" for item in measured):
            left = self._without(measured, seen.quality)
            if not left.accepted:
                self._try_precisions(repairs)
                measured += self._measured(self._by_precision(seen, repairs), seen.quality, 0, left)
        if self._affords(1):
            repairs.try_host([culprit for culprit in measured if helps(culprit)])
        before = self._passes.count
        repairs.try_rewrites([culprit for culprit in measured if helps(culprit)])
        self._most += self._passes.count - before
        self._try_precisions(repairs)
        if untried := ", ".join(map(str, reversed(repairs.untried))):
            self._remarks.append(f"{untried}: not run, to keep the forward passes few")
        errors = {item.node: item for item in seen.errors}
        return largest_effect_first(measured, errors, self._graph.outputs)

    def _measured(
        self, culprits: Sequence[Culprit], before: Quality, left_over: int, left: Quality | None = None
    ) -> Iterator[Culprit]:
        """Measure the effects of the first culprits; of the very first whatever it costs.

        Args:
            culprits: the culprits.
            before: the outputs as they are.
            left_over: runs that must be left for other things.
            left: the outputs without the culprits that were found before.
        """
        for index, culprit in enumerate(culprits):
            nodes = stand_ins(culprit, culprits, self._graph, self._judgeable)
            wanted = index == 0 or (index < MOST_EFFECTS and self._affords(1 + left_over))
            if nodes and wanted:
                effect = self._effect([culprit], nodes, before)
                if effect.how == "wider" and left is not None:
                    effect = msgspec.structs.replace(effect, before=left)
                yield with_effect(culprit, effect)
            else:
                yield culprit

    def _effect(self, culprits: Sequence[Culprit], nodes: Sequence[str], before: Quality) -> Effect:
        without = Counterfactuals(self._passes, self._precision, self._samples)
        effect = without.effect(culprits, nodes, before)
        self._most += without.spent
        return effect

    def _without(self, culprits: Sequence[Culprit], before: Quality) -> Quality:
        """Return how good the outputs are without the culprits that help, together, as far as is known."""
        helping = [item for item in culprits if helps(item)]
        effects = [item.effect.after for item in helping if item.effect is not None]
        if before.accepted or not helping:
            return before
        if len(effects) < len(helping):
            return UNKNOWN
        best = max(effects, key=lambda quality: (quality.accepted, decibels(quality)))
        if best.accepted or len(helping) == 1 or not self._affords(1):
            return best
        inner = [stand_ins(item, culprits, self._graph, self._judgeable) for item in helping]
        return self._effect(helping, [name for nodes in inner for name in nodes], before).after

    def _try_precisions(self, repairs: Repairs) -> None:
        for precision in repairs.untried:
            if self._affords(1):
                repairs.try_precision(precision)

    def _affords(self, times: int) -> bool:
        """Return whether the samples may be run so many times more."""
        return self._passes.count + times * len(self._samples) <= self._most
