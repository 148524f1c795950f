"""What pictures and charts show of a device, run for them alone: no record is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance import locations
from conformance.judging.bounds import read_margins
from conformance.preparation import scales_directory
from conformance.quantization.files import read_scales
from conformance.report.grids import Grid
from conformance.report.judged import goldens_of, judged, picture_outputs
from conformance.report.series import Measured
from conformance.runs.evaluation import Evaluation
from conformance.runs.fused import FusedOutputs, fused_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    import numpy as np

    from conformance.devices.base import Device
    from conformance.goldens import GoldenStore
    from conformance.networks import Network, Output
    from conformance.precision import Precision
    from conformance.report.meeting import Meeting

    Array = np.ndarray[Any, Any]


def grids_on(
    device: Device,
    store: GoldenStore,
    meeting: Meeting,
    precisions: Sequence[Precision],
    say: Callable[[str], object] = lambda _: None,
) -> list[Grid]:
    """Run the fused network at every precision on all inputs of a grid, one grid per picture.

    Raises:
        GoldenError: goldens do not fit the network.
        UsageError: a file of scales is missing or wrong.
    """
    network, outputs = store.network, picture_outputs(store)
    scales = {
        bits: read_scales(scales_directory(store), bits, network.graph)
        for bits in dict.fromkeys(precision.fixed_bits for precision in precisions)
    }
    say("what the CPU computes")
    goldens = goldens_of(store, meeting, [output.name for output in outputs])
    found: dict[str, FusedOutputs] = {}
    for precision in precisions:
        say(f"the fused network at {precision}, {len(meeting.feeds)} times")
        found[str(precision)] = fused_outputs(
            device, network, precision, scales[precision.fixed_bits], meeting.feeds
        )
    return [_grid(network, meeting, output, goldens[output.name], found) for output in outputs]


def measured_on(
    device: Device,
    store: GoldenStore,
    nodes: Iterable[str],
    precisions: Sequence[Precision],
    say: Callable[[str], object] = lambda _: None,
) -> list[Measured]:
    """Run the network at every precision, fusion broken at these nodes, and return their errors.

    Raises:
        GoldenError: goldens or attainable errors are missing or do not fit the network.
        UsageError: a file of scales is missing or wrong.
    """
    names, simulated = tuple(nodes), device.info().simulated
    evaluation = Evaluation(device, store, read_margins(locations.MARGINS), names)
    measured = []
    for precision in precisions:
        say(f"errors of {len(names)} nodes at {precision}")
        found = evaluation.chained(precision)
        measured += [Measured(name, str(precision), found[name].metrics, simulated) for name in names]
    return measured


def _grid(
    network: Network,
    meeting: Meeting,
    output: Output,
    goldens: Sequence[Array],
    found: Mapping[str, FusedOutputs],
) -> Grid:
    shown = [
        judged(
            network,
            meeting,
            output,
            precision,
            goldens,
            [results.get(output.name) for results in outcome.values],
            outcome.problems.get(output.name),
        )
        for precision, outcome in found.items()
    ]
    return Grid(output, goldens, shown)
