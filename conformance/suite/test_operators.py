"""Operators by themselves: batches of cases that hypothesis draws, one verdict per operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.plugin.conclusion import require

if TYPE_CHECKING:
    from conformance.plugin.execution import Run
    from conformance.precision import Precision


@pytest.mark.mlu
@pytest.mark.own
@pytest.mark.operators
def test_operator(conformance_run: Run, network: str, precision: Precision, operator: str) -> None:  # noqa: ARG001 - what it is recorded under
    """No case of the operator fails; one that does is shrunk to a minimal one."""
    finding = conformance_run.operators.at(precision)[operator]
    require("conforms", conformance_run.record(finding))
