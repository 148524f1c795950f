"""The whole network: errors along the chain, and the fused outputs against the network's acceptance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conformance.plugin.execution import Run
    from conformance.precision import Precision


@pytest.mark.mlu
@pytest.mark.chained
def test_chained_errors(conformance_run: Run, network: str, precision: Precision) -> None:
    """Every judged node of the uncut network gives finite numbers in the right shape; errors are recorded."""
    conformance_run.settle(*conformance_run.of(network).chained(precision).values())


@pytest.mark.mlu
@pytest.mark.fused
def test_fused_outputs(conformance_run: Run, network: str, precision: Precision) -> None:
    """Every output of the fused network meets the acceptance."""
    conformance_run.settle(*conformance_run.of(network).fused(precision).values())
