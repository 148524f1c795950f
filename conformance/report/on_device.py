"""What pictures and charts show of a device, run for them alone: no record is made."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from conformance import locations
from conformance.evaluation.device_runs import DeviceRun
from conformance.evaluation.evaluation import Evaluation
from conformance.evaluation.modelling import not_modelled
from conformance.expected.expectations import Expectations
from conformance.expected.scales import scales_directory
from conformance.graph.segments import reference
from conformance.judging.bounds import read_margins
from conformance.judging.comparison import compare_sample
from conformance.judging.verdicts import accept_comparisons
from conformance.quantization.files import read_scales
from conformance.report.grids import Grid, Shown
from conformance.report.pixels import is_picture_shape
from conformance.report.series import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np

    from conformance.devices.base import Device
    from conformance.goldens import GoldenStore
    from conformance.judging.comparison import Comparison
    from conformance.judging.findings import Problem
    from conformance.network_file import Output
    from conformance.networks import Network
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales
    from conformance.report.grid_layout import GridLayout
    from conformance.report.grids import Judgement

    Array = np.ndarray[Any, Any]
    Ran = tuple[list[dict[str, Any]], DeviceRun]
    """What the device returned for each of the inputs, by output, and the run, which knows of failures."""


def picture_outputs(store: GoldenStore) -> list[Output]:
    """Return the outputs that are pictures, by the shapes of their goldens.

    Raises:
        GoldenError: there are no goldens.
    """
    return [
        output
        for output in store.network.outputs
        if is_picture_shape(tuple(store.node(output.name).samples[0].shape))
    ]


def goldens_of(store: GoldenStore, layout: GridLayout, names: Sequence[str]) -> dict[str, list[Array]]:
    """Return the outputs' goldens for every cell: the stored ones of samples, others computed as they were.

    Raises:
        GoldenError: goldens are missing or damaged, or do not fit the network.
    """
    store.ensure(names)
    computed = functools.cache(lambda: reference(store.network.graph, names, layout.feeds[0]))
    cells = [
        computed().at_once(fed) if sample is None else {name: store.get(name, sample) for name in names}
        for fed, sample in zip(layout.feeds, layout.samples, strict=True)
    ]
    return {name: [cell[name].astype("float32") for cell in cells] for name in names}


def judged(
    network: Network,
    layout: GridLayout,
    output: Output,
    precision: str,
    goldens: Sequence[Array],
    values: Sequence[Any],
    problem: Problem | None = None,
    unmodelled: str = "",
) -> Shown:
    """Return an output's results with what the worst of them reached, and whether that is accepted.

    Args:
        network: whose acceptance holds.
        layout: the cells of the grid.
        output: whose results these are.
        precision: at which.
        goldens: one per cell.
        values: one per cell, whatever the device returned.
        problem: why there are none.
        unmodelled: why they say nothing of a card.
    """
    if problem is not None:
        return Shown(precision, values, problem.state, reason=problem.reason)
    compared = [
        _compared(network, output, *cell) for cell in zip(layout.samples, goldens, values, strict=True)
    ]
    verdict = accept_comparisons(compared, network.acceptance, output.span)
    if verdict.outcome == "conforms" and unmodelled:
        return Shown(precision, values, "unmodelled", verdict.reached, unmodelled)
    judgement: Judgement = "accepted" if verdict.outcome == "conforms" else "NOT accepted"
    return Shown(precision, values, judgement, verdict.reached, "; ".join(verdict.reasons[:1]))


def _compared(network: Network, output: Output, sample: int | None, golden: Array, value: Any) -> Comparison:
    """Compare a result with its golden, and its answers, if it gives any, with the sample's truth."""
    found = compare_sample(golden, value, output.name)
    if output.answers is None or found.metrics is None or sample is None:
        return found
    truth = network.truth(output, sample, golden.shape)
    return dataclasses.replace(found, answers=output.answers.count(value, truth))


def grids_on(
    device: Device,
    store: GoldenStore,
    layout: GridLayout,
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
        bits: read_scales(scales_directory(store), bits, network.graph, store.command)
        for bits in dict.fromkeys(precision.fixed_bits for precision in precisions)
    }
    say("what the CPU computes")
    goldens = goldens_of(store, layout, [output.name for output in outputs])
    found: dict[str, Ran] = {}
    for precision in precisions:
        say(f"the fused network at {precision}, {len(layout.feeds)} times")
        found[str(precision)] = _fused_outputs(
            device, network, precision, scales[precision.fixed_bits], layout.feeds
        )
    return [_grid(network, layout, output, goldens[output.name], found) for output in outputs]


def _fused_outputs(
    device: Device,
    network: Network,
    precision: Precision,
    scales: QuantizationScales,
    feeds: Sequence[Mapping[str, Array]],
) -> Ran:
    """Run the network as it ships; what the device does wrong is a problem, not an error."""
    outputs = [output.name for output in network.outputs]
    with DeviceRun(lambda: device.open(network.graph, outputs, precision=precision, scales=scales)) as run:
        return [run(fed) for fed in feeds], run
    return [{} for _ in feeds], run


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
    evaluation = Evaluation(device, Expectations(store, read_margins(locations.MARGINS)), names)
    measured = []
    for precision in precisions:
        say(f"errors of {len(names)} nodes at {precision}")
        found = evaluation.chained(precision)
        measured += [Measured(name, str(precision), found[name].metrics, simulated) for name in names]
    return measured


def _grid(
    network: Network,
    layout: GridLayout,
    output: Output,
    goldens: Sequence[Array],
    found: Mapping[str, Ran],
) -> Grid:
    shown = [
        judged(
            network,
            layout,
            output,
            precision,
            goldens,
            [results.get(output.name) for results in values],
            run.problems([output.name]).get(output.name),
            not_modelled(network.graph, [output.name], run.unmodelled, precision).get(output.name, ""),
        )
        for precision, (values, run) in found.items()
    ]
    return Grid(output, goldens, shown)
