"""The vendor's calibration against ours: the same network, the same samples, the same scales to 6 digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from conformance.evaluation.device_runs import Attempt
from conformance.graph.operators import FLOAT_PRODUCTS
from conformance.graph.own_scales import of_shapes
from conformance.judging.cases import Case
from conformance.judging.findings import Finding, Problem
from conformance.judging.verdicts import Verdict
from conformance.quantization.calibration import (
    calibrate,
    calibrated_tensors,
    largest_magnitudes,
    quantized_tensors,
)
from conformance.quantization.scale_rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from conformance.evaluation.evaluation import Evaluation
    from conformance.graph.frozen import FrozenGraph
    from conformance.quantization.calibration import Magnitudes
    from conformance.quantization.parameter_file import QuantizationScales

DIGITS = 1e-5
"""Relative difference of two numbers that agree to 6 significant digits but for the rounding of the last."""


@runtime_checkable
class Calibrates(Protocol):
    """A device whose framework calibrates by itself."""

    def calibrate(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        samples: Iterable[Mapping[str, np.ndarray[Any, Any]]],
        bits: int,
    ) -> QuantizationScales:
        """Return the framework's own scales of ``graph`` on ``samples``.

        Raises:
            Unsupported: it does not calibrate.
            DeviceError: it should, but fails.
        """
        ...


def judge_calibration(evaluation: Evaluation, bits: int) -> list[Finding]:
    """Return a finding per operator with scales: its scales as the device finds them, held against ours.

    The device may follow any documented rule, the same one everywhere; a note says which one it is.
    """
    network = evaluation.network
    operators: dict[str, list[str]] = {}
    for key in calibrated_tensors(network.graph):
        operators.setdefault(key.rpartition("/")[0], []).append(key)
    cases = {
        node: Case(
            network=network.name,
            node=node,
            op=network.graph.nodes[node].op,
            precision=f"int{bits}",
            mode="calibration",
        )
        for node in operators
    }
    found = _found(evaluation, bits)
    if isinstance(found, Problem):
        return [Finding.of(case, found) for case in cases.values()]
    told, ours = _nearest(evaluation, found)
    notes = (told, *of_shapes(network.graph, found.scales, bits))
    needless = quantized_tensors(network.graph, FLOAT_PRODUCTS).keys() - found.scales.keys()
    keys = {
        node: [key for key in listed if key not in needless and key in ours]
        for node, listed in operators.items()
    }
    return [
        Finding(case, "judged", _verdict(found.scales, ours, keys[node]), notes=notes)
        if keys[node]
        else Finding.of(case, Problem("unsupported", "the framework does not quantise it"))
        for node, case in cases.items()
    ]


def _nearest(evaluation: Evaluation, found: QuantizationScales) -> tuple[str, Mapping[str, float]]:
    """Return what the device's scales follow, in words, and what they should be by that.

    It is the network's parameter file or, by a calibration of ours, a documented rule: what misses least, the
    file or the earlier rule where two miss as many.
    """
    network = evaluation.network
    largest = largest_magnitudes(network.graph, map(network.feeds, range(network.samples)))
    by_file = evaluation.expected.scales(found.bits).scales
    wanted = {"the network's parameter file": _of_values(by_file, largest)}
    for name, rule in RULES.items():
        scales = calibrate(largest, found.bits, name).scales
        wanted[f"the rule {name} ({rule.evidence}: {rule.source})"] = _of_values(scales, largest)

    def misses(scales: Mapping[str, float]) -> int:
        return sum(not _agree(found.scales[key], scales[key]) for key in scales.keys() & found.scales.keys())

    best = min(wanted, key=lambda words: misses(wanted[words]))
    agreeing = [words for words, scales in wanted.items() if misses(scales) == misses(wanted[best])]
    return f"the framework's scales are nearest to those of {' and of '.join(agreeing)}", wanted[best]


def _of_values(scales: Mapping[str, float], largest: Magnitudes) -> dict[str, float]:
    """Return the scales that values decide: any is right for a tensor of zeros."""
    return {key: scale for key, scale in scales.items() if key not in largest.zero}


def _found(evaluation: Evaluation, bits: int) -> QuantizationScales | Problem:
    """Return the device's own scales, or why there are none."""
    device, network = evaluation.device, evaluation.network
    if not isinstance(device, Calibrates):
        return Problem("unsupported", "the device's framework does not calibrate")
    samples = [network.feeds(sample) for sample in range(network.samples)]
    attempt = Attempt()
    with attempt.watched():
        return device.calibrate(network.graph, list(evaluation.expected.outputs), samples, bits)
    evaluation.learn(attempt)
    assert attempt.problem is not None, "it returned nothing"
    return attempt.problem


def _verdict(found: Mapping[str, float], ours: Mapping[str, float], keys: Sequence[str]) -> Verdict:
    reasons = [
        f"{key} has scale {found.get(key)}, but should have {ours[key]}"
        for key in keys
        if key not in found or not _agree(found[key], ours[key])
    ]
    return Verdict(outcome="deviates" if reasons else "conforms", reasons=reasons)


def _agree(found: float, ours: float) -> bool:
    return abs(found - ours) <= DIGITS * ours
