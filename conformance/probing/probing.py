"""The whole course of a probe: measure at every precision, answer every question, describe the rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from conformance.errors import InfrastructureError
from conformance.precision import PRECISIONS
from conformance.probing.answers import answers
from conformance.probing.measuring import measured
from conformance.probing.properties import EXPERIMENTS as MORE
from conformance.probing.properties import curves, properties
from conformance.probing.questions import EXPERIMENTS
from conformance.probing.result import Probe
from conformance.runs.environment import named_values

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from conformance.devices.base import Device
    from conformance.precision import Precision
    from conformance.probing.measuring import Measured


def probed(
    device: Device,
    *,
    base: str,
    today: dt.date,
    precisions: Sequence[Precision] = PRECISIONS,
    told: Callable[[str], object] = lambda _: None,
) -> Probe:
    """Return what a device's results tell of its arithmetic.

    Args:
        device: the device.
        base: name of the profile whose values stand where nothing was found.
        today: the date of the probe.
        precisions: at which it is probed.
        told: gets a word before each compilation.

    Raises:
        DeviceLost: the device is gone.
        InfrastructureError: nothing came out at any precision.
    """
    started, spent = time.perf_counter(), time.process_time()
    runs = [measured(device, precision, [*EXPERIMENTS, *MORE], told) for precision in precisions]
    if not any(run.results for run in runs):
        raise InfrastructureError(f"the device gave no result at any precision: {_why(runs)}")
    offered = [run for run in runs if not run.unsupported]
    found = answers(offered)
    return Probe(
        date=today.isoformat(),
        device=named_values(device.info(), "device"),
        answers=found,
        base=base,
        properties=properties(offered, found),
        curves=curves(offered, found),
        compilations={str(run.precision): run.compilations for run in runs},
        seconds=round(time.perf_counter() - started, 1),
        processor=round(time.process_time() - spent, 1),
        declined={str(run.precision): run.unsupported for run in runs if run.unsupported},
        lost={f"{run.precision} {fetch}": why for run in offered for fetch, why in run.lost.items()},
    )


def _why(runs: Sequence[Measured]) -> str:
    for run in runs:
        if said := run.unsupported or next(iter(run.lost.values()), ""):
            return said
    return "it returned nothing"
