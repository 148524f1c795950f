"""The network as it ships, on any inputs: what its outputs are at a precision, or why there are none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.devices.checked_run import checked_run
from conformance.runs.device_runs import Problem, problem_of, problems_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from conformance.devices.base import Device
    from conformance.networks import Network
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales


@dataclasses.dataclass(frozen=True)
class FusedOutputs:
    """What came out.

    Attributes:
        values: for each of the inputs what the device returned, by output; whatever that is.
        problems: by output, why nothing was returned.
    """

    values: list[dict[str, Any]]
    problems: dict[str, Problem] = dataclasses.field(default_factory=dict)


def fused_outputs(
    device: Device,
    network: Network,
    precision: Precision,
    scales: QuantizationScales,
    feeds: Sequence[Mapping[str, np.ndarray[Any, Any]]],
) -> FusedOutputs:
    """Run the fused network on each of the feeds; what the device does wrong is a problem, not an error."""
    outputs = [output.name for output in network.outputs]
    try:
        with device.open(network.graph, outputs, precision=precision, scales=scales) as session:
            values = [checked_run(session, fed)[0] for fed in feeds]
        return FusedOutputs(values, problems_of(session))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what a device raises is a finding about it
        problem = problem_of(error)
        return FusedOutputs([{} for _ in feeds], dict.fromkeys(outputs, problem))
