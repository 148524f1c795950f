"""Where an error arises that only fusion makes: fusion is broken at more and more nodes until it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.diagnosis.model import Quality


def breaking_node(nodes: Sequence[str], broken: Callable[[Sequence[str]], Quality]) -> tuple[str, Quality]:
    """Return the node at which breaking fusion makes the outputs acceptable, and how good they are then.

    Bisection over the order of the nodes: with fusion broken at all of them the outputs are accepted, at none
    they are not, so there is a first node whose break makes the difference.

    Args:
        nodes: producers first.
        broken: runs the network with fusion broken at some nodes.
    """
    good, bad = len(nodes), 0
    quality = None
    while good - bad > 1:
        middle = (good + bad) // 2
        found = broken(nodes[:middle])
        if found.accepted:
            good, quality = middle, found
        else:
            bad = middle
    return nodes[good - 1], quality or broken(nodes[:good])
