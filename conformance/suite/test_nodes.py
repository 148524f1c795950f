"""Own error of every key node: what it adds itself when fed with goldens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conformance.plugin.execution import Run
    from conformance.precision import Precision


@pytest.mark.mlu
@pytest.mark.own
def test_node(conformance_run: Run, own_case: tuple[Precision, str]) -> None:
    """The node's own error is within its bound: attainable error × margin."""
    precision, node = own_case
    conformance_run.settle(conformance_run.evaluation.own(precision)[node])
