"""Where an error arises that only fusion makes: fusion is broken at more and more nodes until it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.diagnosis.quality import decibels, plainly_worse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.diagnosis.model import Quality


def breaking_node(nodes: Sequence[str], right: Callable[[Sequence[str]], bool]) -> str:
    """Return the node at which breaking fusion makes the difference.

    Bisection over the order of the nodes: with fusion broken at all of them what is looked at is right, at
    none it is not, so there is a first node whose break makes it right.

    Args:
        nodes: producers first.
        right: tells whether it is right with fusion broken at these; asked at most log2(nodes) + 1 times.
    """
    good, bad = len(nodes), 0
    while good - bad > 1:
        middle = (good + bad) // 2
        if right(nodes[:middle]):
            good = middle
        else:
            bad = middle
    return nodes[good - 1]


def fusion_spoils(fused: Quality, chained: Quality) -> bool:
    """Return whether outputs are plainly better with fusion broken."""
    return not fused.accepted and plainly_worse(fused, than=chained)


def nearer_to_chained(found: Quality, fused: Quality, chained: Quality) -> bool:
    """Return whether outputs are as good as with fusion broken everywhere rather than nowhere."""
    if chained.accepted:
        return found.accepted
    return 2 * decibels(found) > decibels(fused) + decibels(chained)
