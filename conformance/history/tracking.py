"""A history made of run directories: every figure run by run, its steps, and its noise."""

from __future__ import annotations

import collections
import dataclasses
import os
import sqlite3
from typing import TYPE_CHECKING

import numpy as np

from conformance import __version__
from conformance.errors import EXIT_INCONCLUSIVE, ConformanceError
from conformance.gating.statistics import noise_of
from conformance.history.change_points import ALPHA, LEAST
from conformance.history.differences import LABELS
from conformance.history.figures import figures
from conformance.history.history_file import BrokenRun, History, Noise, Series, TrackedRun
from conformance.history.index_file import index_connection
from conformance.history.run_index import INDEX, RunIndex
from conformance.history.steps import Course, steps_of
from conformance.runs.finished import is_run, run_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from conformance.history.figures import Figure
    from conformance.history.run_figures import SeriesKey
    from conformance.history.run_index import IndexedRun

    Broken = list[tuple[str, str]]


class NothingReadable(ConformanceError):
    """Every run of a history is broken."""

    exit_code = EXIT_INCONCLUSIVE


def read_runs(
    directories: Sequence[Path],
    *,
    keep: bool,
    progress: Callable[[int, int, str], object],
    note: Callable[[str], object],
) -> tuple[list[IndexedRun], Broken]:
    """Return the runs of directories, in the order in which they started, and those that are skipped.

    Args:
        directories: run directories, or directories of run directories; a run in two of them counts once.
        keep: whether a directory of run directories gets an index, so that it is read faster next time.
        progress: is told how many of how many runs were read.
        note: is told where an index cannot be kept.

    Raises:
        UsageError: one of them holds no run.
    """
    places = {root: run_paths(root) for root in {path.resolve(): path for path in directories}.values()}
    runs: dict[str, IndexedRun] = {}
    broken: dict[str, str] = {}
    for root, paths in places.items():
        file = root / INDEX if keep and not is_run(root) else None
        found = _indexed(root, paths, file, progress, note)
        place = f"{root.resolve()}{os.sep}"
        runs |= {os.path.normpath(place + path): run for path, run in found[0].items()}
        broken |= {os.path.normpath(place + path): reason for path, reason in found[1].items()}
    ordered, copies = _without_copies(sorted(runs.values(), key=lambda run: (run.started, run.path)))
    return ordered if len(places) == 1 else _sharing(ordered), sorted([*broken.items(), *copies])


def _indexed(
    root: Path,
    paths: Sequence[Path],
    file: Path | None,
    progress: Callable[[int, int, str], object],
    note: Callable[[str], object],
) -> tuple[dict[str, IndexedRun], dict[str, str]]:
    """Return the runs of a directory and what is broken, by path; a failing index is done without."""
    try:
        with index_connection(file, note) as connection:
            index = RunIndex(root, connection)
            index.update(paths, progress)
            return index.runs, index.broken
    except sqlite3.Error as error:
        if file is None:
            raise
        note(f"the index {file} failed ({error}), so every run is read")
        return _indexed(root, paths, None, progress, note)


def _without_copies(runs: Sequence[IndexedRun]) -> tuple[list[IndexedRun], Broken]:
    """Return each run once, and its copies, such as one that was judged again: they started at one moment."""
    once: list[IndexedRun] = []
    copies: Broken = []
    for run in runs:
        if once and run.started == once[-1].started:
            copies.append(
                (run.path, f"run {run.path} is {once[-1].path} again: both started at {run.started}")
            )
        else:
            once.append(run)
    return once, copies


def _sharing(runs: Sequence[IndexedRun]) -> list[IndexedRun]:
    """Return runs of which those with equal environments share one object, whichever index they are from."""
    own = {id(run.environment): run.environment for run in runs}
    first: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
    shared = {key: first.setdefault(tuple(found.items()), found) for key, found in own.items()}
    return [dataclasses.replace(run, environment=shared[id(run.environment)]) for run in runs]


def history_of(
    directories: Sequence[Path], runs: Sequence[IndexedRun], broken: Broken, slower: float
) -> History:
    """Return the history of runs.

    Args:
        directories: where they were read.
        runs: in the order in which they started.
        broken: runs that are skipped, and why.
        slower: the least change of the device time that counts as a step.
    """
    return History(
        version=__version__,
        alpha=ALPHA,
        least=LEAST,
        directories=[str(path) for path in directories],
        runs=[_tracked(run) for run in runs],
        broken=[BrokenRun(path=path, reason=reason) for path, reason in broken],
        series=_series(runs, figures(slower)),
    )


def _tracked(run: IndexedRun) -> TrackedRun:
    labels = {name: run.environment.get(f"device.{name}", "") for name in LABELS}
    return TrackedRun(path=run.path, started=run.started, **labels)


def _series(runs: Sequence[IndexedRun], known: Sequence[Figure]) -> list[Series]:
    """Return all series, figures in their own order."""
    by_name = {figure.name: figure for figure in known}
    order = {figure.name: place for place, figure in enumerate(known)}
    found: dict[SeriesKey, list[tuple[int, float]]] = collections.defaultdict(list)
    for number, run in enumerate(runs):
        for key, value in run.values:
            found[key].append((number, value))
    keys = sorted(found, key=lambda key: (key.network, key.precision, key.card, order[key.figure]))
    return [_one(key, found[key], runs, by_name[key.figure]) for key in keys]


def _one(
    key: SeriesKey, points: list[tuple[int, float]], runs: Sequence[IndexedRun], figure: Figure
) -> Series:
    numbers, values = zip(*points, strict=True)
    environments = [runs[number].environment for number in numbers]
    course = Course(figure, numbers, np.asarray(values), environments)
    return Series(
        network=key.network,
        precision=key.precision,
        card=key.card,
        figure=figure.name,
        unit=figure.unit,
        better=figure.better,
        ratio=figure.ratio,
        effect=figure.effect,
        runs=list(numbers),
        values=list(values),
        steps=steps_of(course),
        noise=_noise(course),
    )


def _noise(course: Course) -> Noise | None:
    """Return how much runs of one environment differ; None where each has one of its own."""
    groups: dict[int, list[float]] = collections.defaultdict(list)
    scaled: NDArray[np.float64] = course.figure.scaled(course.values)
    for environment, value in zip(course.environments, scaled, strict=True):
        groups[id(environment)].append(float(value))
    several = [group for group in groups.values() if len(group) > 1]
    noise = noise_of(several)
    if noise is None:
        return None
    return Noise(
        runs=sum(map(len, several)),
        groups=len(several),
        deviation=course.figure.change(noise.deviation),
        largest=course.figure.change(max(max(group) - min(group) for group in several)),
    )
