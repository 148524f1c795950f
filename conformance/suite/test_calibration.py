"""The scales that the device's own framework finds, against those that every run here uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.evaluation.calibration import judge_calibration
from conformance.plugin.conclusion import require
from conformance.quantization.calibration import calibrated_tensors

if TYPE_CHECKING:
    from conformance.plugin.execution import Run


@pytest.mark.mlu
@pytest.mark.calibration
def test_scales(conformance_run: Run, network: str, bits: int) -> None:
    """Calibration by the device's framework gives our scales to 6 digits, of every tensor and no other."""
    evaluation = conformance_run.of(network)
    if not calibrated_tensors(evaluation.network.graph):
        pytest.skip(f"network {network} has nothing to calibrate")
    findings = judge_calibration(evaluation, bits)
    require("conforms", conformance_run.record(*findings))
