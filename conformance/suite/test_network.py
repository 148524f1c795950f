"""The whole network: errors along the chain, and the fused outputs against the network's acceptance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.plugin.conclusion import require

if TYPE_CHECKING:
    from conformance.plugin.execution import Run
    from conformance.precision import Precision


@pytest.mark.mlu
@pytest.mark.chained
def test_chained_errors(conformance_run: Run, network: str, precision: Precision) -> None:
    """Every judged node of the uncut network gives finite numbers in the right shape; errors are recorded."""
    findings = conformance_run.of(network).chained(precision)
    require("measured", conformance_run.record(*findings.values()))


@pytest.mark.mlu
@pytest.mark.fused
def test_fused_outputs(conformance_run: Run, network: str, precision: Precision) -> None:
    """Every output of the fused network meets the acceptance."""
    findings = conformance_run.of(network).fused(precision)
    require("conforms", conformance_run.record(*findings.values()))
