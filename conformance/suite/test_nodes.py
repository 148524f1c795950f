"""Own error of every key node: what it adds itself when fed with goldens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.plugin.conclusion import require

if TYPE_CHECKING:
    from conformance.plugin.execution import Run
    from conformance.precision import Precision


@pytest.mark.mlu
@pytest.mark.own
def test_node(conformance_run: Run, network: str, precision: Precision, node: str) -> None:
    """The node's own error is within its bound: attainable error × margin."""
    finding = conformance_run.of(network).own(precision)[node]
    require("conforms", conformance_run.record(finding))
