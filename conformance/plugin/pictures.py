"""The pictures of a run: outputs are kept while it judges, and drawn when it has ended.

They are for people: that one cannot be kept or drawn is a note, and never an outcome of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.report.finished_run import PICTURES, FinishedRun, draw_run, has_pictures
from conformance.report.on_device import picture_outputs
from conformance.report.series import series_steps
from conformance.runs.outputs import OutputKeeper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from conformance.evaluation.evaluation import Evaluation
    from conformance.goldens import GoldenStore
    from conformance.runs.journal import Journal

TABLES = pytest.StashKey[list[str]]()
"""Errors of series against the step, as lines of text."""


def keeper_of(evaluations: Mapping[str, Evaluation], directory: Path) -> OutputKeeper:
    """Return what keeps the outputs that are pictures, after it was made to see every result."""
    names = {
        name: [output.name for output in picture_outputs(evaluation.store)]
        for name, evaluation in evaluations.items()
    }
    keeper = OutputKeeper(directory, names)
    for evaluation in evaluations.values():
        evaluation.watch = keeper.watch
    return keeper


def draw(journal: Journal, stores: Iterable[GoldenStore], *, whole: bool) -> list[str]:
    """Draw the pictures of a run that has ended, and return the tables of its series.

    Args:
        journal: the run, whose records are written.
        stores: goldens of its networks.
        whole: whether it came to its end; of a run that was cut off nobody waits for pictures.
    """
    path = journal.directory.path
    how = f"`mlu-conformance show --from-run {path}` draws them"
    run = FinishedRun(path, journal.records, dict(journal.devices[0].device) if journal.devices else {})
    if not whole:
        if any(has_pictures(run, store) for store in stores):
            journal.note(f"the run was cut off, so it has no pictures; {how}")
        return []
    tables: list[str] = []
    for store in stores:
        name = store.network.name
        files = (path / PICTURES / f"{name}.png", path / PICTURES / f"{name}-series.png")
        try:
            _note_unseen(journal, run, store)
            tables += draw_run(run, store, *files).tables
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the records are more than pictures
            journal.note(f"pictures of {name} could not be drawn ({type(error).__name__}: {error}); {how}")
    return tables


def _note_unseen(journal: Journal, run: FinishedRun, store: GoldenStore) -> None:
    """Say of which series no node was judged, although errors along the network were."""
    chained = {record.node for record in run.of(store.network.name) if record.mode == "chained"}
    for series, steps in zip(store.network.series, series_steps(store), strict=True):
        if chained and not chained & set(steps):
            journal.note(
                f"no node of [[series]] {series.name!r} of {store.network.name} was judged, so it has no "
                f"chart; select {series.nodes!r} with --nodes"
            )
