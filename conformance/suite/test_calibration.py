"""The scales that the device's own framework finds, against those that every run here uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.evaluation.calibration import judge_calibration
from conformance.plugin.conclusion import require

if TYPE_CHECKING:
    from conformance.plugin.execution import Run


@pytest.mark.mlu
@pytest.mark.calibration
def test_scales(conformance_run: Run, network: str, bits: int) -> None:
    """Calibration by the device's framework gives our scales to 6 digits, of every tensor and no other."""
    findings = judge_calibration(conformance_run.of(network), bits)
    require("conforms", conformance_run.record(*findings))
