"""The scales that the device's own framework finds, against those that every run here uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.runs.calibrated import judge_calibration

if TYPE_CHECKING:
    from conformance.plugin.execution import Run


@pytest.mark.mlu
@pytest.mark.calibration
@pytest.mark.parametrize(
    "bits",
    [
        pytest.param(8, id="int8", marks=pytest.mark.int8),
        pytest.param(16, id="int16", marks=pytest.mark.int16),
    ],
)
def test_scales(conformance_run: Run, bits: int) -> None:
    """Calibration by the device's framework gives our scales to 6 digits, of every tensor and no other."""
    conformance_run.settle(*judge_calibration(conformance_run.evaluation, bits))
