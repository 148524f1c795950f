"""Results held against the network's acceptance, for the headings of pictures."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.graph.reference import Reference, rounded
from conformance.judging.comparison import compare_sample
from conformance.judging.verdicts import accept_comparisons
from conformance.report.grids import Shown
from conformance.report.pixels import is_picture_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from conformance.goldens import GoldenStore
    from conformance.judging.comparison import Comparison
    from conformance.networks import Network, Output
    from conformance.report.grids import Judgement
    from conformance.report.meeting import Meeting
    from conformance.runs.device_runs import Problem

    Array = np.ndarray[Any, Any]


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


def goldens_of(store: GoldenStore, meeting: Meeting, names: Sequence[str]) -> dict[str, list[Array]]:
    """Return the outputs' goldens for every cell: the stored ones of samples, others computed as they were.

    Raises:
        GoldenError: goldens are missing or damaged, or do not fit the network.
    """
    store.ensure(names)
    strange = [fed for fed, sample in zip(meeting.feeds, meeting.samples, strict=True) if sample is None]
    computed = iter(Reference(store.network.graph).compute(names, strange) if strange else ())
    cells: list[Mapping[str, Array]] = [
        next(computed) if sample is None else {name: store.get(name, sample) for name in names}
        for sample in meeting.samples
    ]
    return {name: [rounded(cell[name]) for cell in cells] for name in names}


def judged(
    network: Network,
    meeting: Meeting,
    output: Output,
    precision: str,
    goldens: Sequence[Array],
    values: Sequence[Any],
    problem: Problem | None = None,
) -> Shown:
    """Return an output's results with what the worst of them reached, and whether that is accepted.

    Args:
        network: whose acceptance holds.
        meeting: the cells of the grid.
        output: whose results these are.
        precision: at which.
        goldens: one per cell.
        values: one per cell, whatever the device returned.
        problem: why there are none.
    """
    if problem is not None:
        return Shown(precision, values, problem.state, reason=problem.reason)
    compared = [
        _compared(network, output, *cell) for cell in zip(meeting.samples, goldens, values, strict=True)
    ]
    verdict = accept_comparisons(compared, network.acceptance, output.span)
    judgement: Judgement = "accepted" if verdict.outcome == "conforms" else "NOT accepted"
    return Shown(precision, values, judgement, verdict.reached, "; ".join(verdict.reasons[:1]))


def _compared(
    network: Network,
    output: Output,
    sample: int | None,
    golden: Array,
    value: Any,  # noqa: ANN401 - whatever a device returned
) -> Comparison:
    """Compare a result with its golden, and its answers, if it gives any, with the sample's truth."""
    found = compare_sample(golden, value, output.name)
    if output.answers is None or found.metrics is None or sample is None:
        return found
    truth = network.truth(output, sample, golden.shape)
    return dataclasses.replace(found, answers=output.answers.count(value, truth))
