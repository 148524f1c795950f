"""Where the error of a network begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.diagnosis.model import Culprit, NodeErrors


def where_born(errors: Sequence[NodeErrors], culprits: Sequence[Culprit], judgeable: Sequence[str]) -> str:
    """Return where the error begins: the first culprit of all, else the node that adds most."""
    order = {name: place for place, name in enumerate(judgeable)}
    if begun := [culprit.nodes[0] for culprit in culprits if culprit.kind in ("operator", "node", "fused")]:
        return min(begun, key=order.__getitem__)
    if culprits and culprits[0].kind == "precision":
        return culprits[0].worst
    return max(errors, key=lambda item: item.own or 0.0).node if errors else ""
