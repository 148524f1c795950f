"""Speed of the fused single-core path, and the accuracy of the very outputs that were timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.evaluation.timing import DEVICE_CLOCK, time_fused
from conformance.plugin.conclusion import require
from conformance.runs.shards import TIMED

if TYPE_CHECKING:
    from conformance.plugin.execution import Run
    from conformance.precision import Precision


@pytest.mark.mlu
@pytest.mark.fused
@pytest.mark.benchmark(timer=DEVICE_CLOCK)
def test_fused_speed(conformance_run: Run, network: str, precision: Precision, benchmark: Any) -> None:
    """Time the network as it ships, in device seconds; what was timed must meet the acceptance."""
    with time_fused(conformance_run.of(network), precision) as timed:
        benchmark.group = timed.group
        benchmark.extra_info.update(timed.description())
        benchmark.pedantic(timed.run, rounds=conformance_run.rounds, iterations=1)
    records = conformance_run.record(*timed.findings(), suffix=TIMED)
    require("conforms", records, told=conformance_run.told_before(records, TIMED))
