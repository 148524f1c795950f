"""Which nodes add most where no culprit does: each is within its bound, together they make the error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.diagnosis.model import Contributor
from conformance.diagnosis.reasons import explained

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.diagnosis.model import Culprit, NodeErrors
    from conformance.goldens import GoldenStore
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

MOST = 3
"""Nodes that are named, each with its reasons."""


def contributors(
    errors: Sequence[NodeErrors],
    culprits: Iterable[Culprit],
    precision: Precision,
    store: GoldenStore,
    scales: QuantizationScales,
    sample: int,
) -> list[Contributor]:
    """Return the nodes that add most, with their reasons; none where culprits add more than all others.

    Own errors, relative to the nodes' goldens, have nothing to do with each other, so that they add as
    squares. What lies between a node and the output counts them for more or less: they are a ranking, and no
    measured effect.

    Args:
        errors: of the key nodes.
        culprits: what is to blame; the precision itself is no node.
        precision: what is diagnosed.
        store: goldens of the network.
        scales: of its fixed-point tensors, of the precision's width.
        sample: whose goldens show the reasons.
    """
    blamed = {node for culprit in culprits if culprit.kind != "precision" for node in culprit.nodes}
    others = [item for item in errors if item.node not in blamed]
    total, of_others = _squares(errors), _squares(others)
    if total == 0 or 2 * of_others <= total:
        return []
    most = sorted(others, key=lambda item: -(item.own or 0.0))[:MOST]
    reasons = explained([item.node for item in most], precision, store, scales, sample)
    return [
        Contributor(
            node=item.node,
            op=item.op,
            own=item.own or 0.0,
            share=(item.own or 0.0) ** 2 / total,
            reasons=reasons[item.node],
        )
        for item in most
        if item.own
    ]


def _squares(errors: Iterable[NodeErrors]) -> float:
    return sum((item.own or 0.0) ** 2 for item in errors)
