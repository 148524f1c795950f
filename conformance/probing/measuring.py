"""Running the sheets of a probe on a device: together where it can be done, one by one where that breaks."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import DeviceLost, Unsupported
from conformance.evaluation.device_runs import DeviceRun
from conformance.probing.sheet import printed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.devices.base import Device
    from conformance.precision import Precision
    from conformance.probing.sheet import Printed, Sheet

    Array = np.ndarray[Any, Any]
    Experiment = Callable[[Sheet], None]

REPEATS = 2
"""How often every session runs: what differs is told."""
MOST_COMPILATIONS = 40
"""Per precision: a card compiles slowly."""


@dataclasses.dataclass
class Measured:
    """What a device gave at one precision.

    Attributes:
        precision: at which.
        results: arrays of the right shape, by fetch.
        inputs: what predictions start from: feeds and constants, by name.
        lost: why a fetch gave no result, by its name.
        unstable: fetches that gave other bits when they were run again.
        others: what unstable fetches gave in further runs.
        unsupported: why the device does not offer this precision; '' where it does.
        compilations: how often a graph was compiled.
        seconds: wall time.
    """

    precision: Precision
    results: dict[str, Array] = dataclasses.field(default_factory=dict)
    inputs: dict[str, Array] = dataclasses.field(default_factory=dict)
    lost: dict[str, str] = dataclasses.field(default_factory=dict)
    unstable: list[str] = dataclasses.field(default_factory=list)
    others: dict[str, list[Array]] = dataclasses.field(default_factory=dict)
    unsupported: str = ""
    compilations: int = 0
    seconds: float = 0.0


def measured(
    device: Device,
    precision: Precision,
    experiments: Sequence[Experiment],
    told: Callable[[str], object] = lambda _: None,
) -> Measured:
    """Return what a device gives for experiments at one precision.

    They are compiled as one graph; where that breaks, each by itself, so that what breaks loses its own
    answers only.

    Args:
        device: the device.
        precision: at which it runs.
        experiments: what to run.
        told: gets a word before each compilation.

    Raises:
        DeviceLost: the device is gone.
    """
    found, started = Measured(precision), time.perf_counter()
    together = printed(precision, experiments)
    told(f"{precision}: {len(together.fetches)} experiments in one graph")
    error = _run(device, together, found)
    if isinstance(error, Unsupported) and not found.results and _declined(device, precision, found):
        found.unsupported = str(error) or "the device does not offer it"
    elif missing := set(together.fetches) - set(found.results):
        _one_by_one(device, experiments, found, missing, told)
    found.seconds = time.perf_counter() - started
    return found


def _declined(device: Device, precision: Precision, found: Measured) -> bool:
    """Whether the device declines even the plainest graph."""
    plainest = printed(precision, [_plainest])
    return isinstance(_run(device, plainest, found), Unsupported)


def _plainest(sheet: Sheet) -> None:
    x = sheet.feed("plainest/x", np.ones(8))
    sheet.compute("plainest", "Add", [x, x])


def _one_by_one(
    device: Device,
    experiments: Sequence[Experiment],
    found: Measured,
    missing: set[str],
    told: Callable[[str], object],
) -> None:
    """Run by themselves those experiments that gave nothing together with the others."""
    for index, experiment in enumerate(experiments):
        alone = printed(found.precision, [experiment])
        if not missing.intersection(alone.fetches):
            continue
        if found.compilations >= MOST_COMPILATIONS:
            found.lost |= dict.fromkeys(missing.intersection(alone.fetches), "no compilation was left for it")
            continue
        told(f"{found.precision}: experiment {index + 1} of {len(experiments)} by itself")
        _run(device, alone, found)


def _run(device: Device, sheet: Printed, found: Measured) -> BaseException | None:
    """Compile and run a sheet; keep what came out, and why the rest did not."""
    found.compilations += 1
    found.inputs |= sheet.inputs

    def opening() -> Any:
        return device.open(
            sheet.graph, sheet.fetches, precision=found.precision, scales=sheet.scales, fuse=True
        )

    run = DeviceRun(opening)
    runs: list[dict[str, Array]] = []
    with run:
        runs += [run(sheet.feeds) for _ in range(REPEATS)]
    if run.lost is not None:
        raise DeviceLost(str(run.lost)) from run.lost
    problems = run.problems(sheet.fetches)
    for fetch in sheet.fetches:
        values = [results[fetch] for results in runs if fetch in results]
        _keep(found, fetch, values, sheet.shapes[fetch])
        if fetch not in found.results:
            problem = problems.get(fetch)
            found.lost[fetch] = problem.reason if problem else "the device returned no such array"
    return run.error


def _keep(found: Measured, fetch: str, values: Sequence[Any], shape: tuple[int | None, ...]) -> None:
    """Keep the results of the runs of one fetch, if they are arrays of numbers of the shape that is right."""
    try:
        arrays = [np.asarray(value, np.float64) for value in values]
    except (TypeError, ValueError):
        return
    if not arrays or any(array.shape != shape for array in arrays):
        return
    found.results[fetch] = arrays[0]
    found.lost.pop(fetch, None)
    if any(not np.array_equal(array, arrays[0], equal_nan=True) for array in arrays[1:]):
        found.unstable.append(fetch)
        found.others[fetch] = arrays[1:]
