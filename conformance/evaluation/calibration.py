"""The vendor's calibration against ours: the same network, the same samples, the same scales to 6 digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from conformance.evaluation.device_runs import Attempt
from conformance.judging.cases import Case
from conformance.judging.findings import Finding, Problem
from conformance.judging.verdicts import Verdict
from conformance.quantization.calibration import quantized_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from conformance.evaluation.evaluation import Evaluation
    from conformance.graph.frozen import FrozenGraph
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
    """Return a finding per fixed-point operator: its scales as the device finds them, held against ours."""
    network = evaluation.network
    ours = evaluation.expected.scales(bits).scales
    operators: dict[str, list[str]] = {}
    for key in quantized_tensors(network.graph):
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
    return [
        Finding(case, "judged", _verdict(found.scales, ours, operators[node])) for node, case in cases.items()
    ]


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
        if key not in found or not abs(found[key] - ours[key]) <= DIGITS * ours[key]
    ]
    return Verdict(outcome="deviates" if reasons else "conforms", reasons=reasons)
