"""Pictures of a run, from what it left behind: records, kept outputs, inputs and goldens. No device."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.judging.cases import Case
from conformance.precision import PRECISIONS
from conformance.report.drawing import drawn, save
from conformance.report.grid_layout import paired
from conformance.report.grids import Grid, Shown, device_words, sheet_of, summary_lines
from conformance.report.on_device import goldens_of, picture_outputs
from conformance.report.series import measured_in, panel_of, save_chart, series_steps, table_lines
from conformance.runs.outputs import kept_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from conformance.goldens import GoldenStore
    from conformance.network_file import Output
    from conformance.precision import Precision
    from conformance.report.grid_layout import GridLayout
    from conformance.report.grids import Judgement
    from conformance.report.series import Panel
    from conformance.runs.records import Record

PICTURES = "pictures"
"""Where a run's pictures lie, in its directory."""
JUDGEMENTS: dict[str, Judgement] = {
    "conforms": "accepted",
    "deviates": "NOT accepted",
    "waived": "NOT accepted",
    "unsupported": "unsupported",
    "unmodelled": "unmodelled",
    "broken": "broken",
}


@dataclasses.dataclass(frozen=True)
class Drawn:
    """The files that were written, none where there was nothing to draw, and what they show as text."""

    files: list[Path]
    figures: list[str]
    tables: list[str]


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What a run left behind.

    Attributes:
        directory: the run directory.
        records: all that was judged, of any network.
        device: the device's information, by name.
    """

    directory: Path
    records: Sequence[Record]
    device: Mapping[str, Any]

    def of(self, network: str) -> list[Record]:
        """Return the records of a network."""
        return [record for record in self.records if record.network == network]


def draw_run(
    run: FinishedRun,
    store: GoldenStore,
    picture: Path,
    chart: Path,
    precisions: Sequence[Precision] = PRECISIONS,
) -> Drawn:
    """Draw what a run shows of a network.

    Args:
        run: the finished run.
        store: the goldens of one of its networks.
        picture: file for the outputs that are pictures.
        chart: file for the errors of series against the step.
        precisions: of which something is shown.

    Raises:
        ConformanceError: goldens do not fit, or matplotlib is not there.
        OSError: a file cannot be written.
    """
    made = Drawn([], [], [])
    if grids := _grids(run, store, precisions):
        simulated = any(record.simulated for record in run.of(store.network.name))
        words, layout = device_words(run.device), _layout(store)
        save(drawn(sheet_of(store.network, words, layout, grids, simulated=simulated)), picture)
        made.files.append(picture)
        made.figures.extend(summary_lines(grids))
    if panels := series_panels(run, store, precisions):
        save_chart(panels, f"{store.network.name} on {device_words(run.device)}", chart)
        made.files.append(chart)
        made.tables.extend(table_lines(panels))
    return made


def has_pictures(run: FinishedRun, store: GoldenStore) -> bool:
    """Return whether :func:`draw_run` would draw something."""
    outputs = picture_outputs(store)
    return any(_records(run, store, output, PRECISIONS) for output in outputs) or bool(
        series_panels(run, store)
    )


def series_panels(
    run: FinishedRun, store: GoldenStore, precisions: Sequence[Precision] = PRECISIONS
) -> list[Panel]:
    """Return the series of a network of which the run measured something."""
    wanted = set(map(str, precisions))
    measured = [item for item in measured_in(run.records, store.network.name) if item.precision in wanted]
    panels = [
        panel_of(series, steps, measured)
        for series, steps in zip(store.network.series, series_steps(store), strict=True)
    ]
    return [panel for panel in panels if panel.curves]


def _layout(store: GoldenStore) -> GridLayout:
    return paired(store.network, range(store.network.samples))


def _grids(run: FinishedRun, store: GoldenStore, precisions: Sequence[Precision]) -> list[Grid]:
    """Return a grid per picture that the run judged."""
    found = {}
    for output in picture_outputs(store):
        shown = [_shown(run, record, store) for record in _records(run, store, output, precisions)]
        if shown:
            found[output.name] = (output, shown)
    if not found:
        return []
    goldens = goldens_of(store, _layout(store), list(found))
    return [Grid(output, goldens[output.name], shown) for output, shown in found.values()]


def _records(
    run: FinishedRun, store: GoldenStore, output: Output, precisions: Sequence[Precision]
) -> list[Record]:
    """Return the records of an output of the fused network by precision; those of timed runs keep none."""
    by_case = {record.case: record for record in run.of(store.network.name)}
    name, operator = store.network.name, store.node(output.name).op
    cases = [
        Case(network=name, node=output.name, op=operator, precision=str(precision), mode="fused")
        for precision in precisions
    ]
    return [by_case[str(case)] for case in cases if str(case) in by_case]


def _shown(run: FinishedRun, record: Record, store: GoldenStore) -> Shown:
    values = [
        kept_output(run.directory, record, sample) for sample in _layout(store).samples if sample is not None
    ]
    return Shown(
        record.precision,
        values,
        JUDGEMENTS[record.outcome],
        record.reached,
        "; ".join([*filter(None, [record.unmodelled]), *record.reasons, *record.notes][:1]),
        f"waived: {record.waiver}" if record.outcome == "waived" else "",
    )
