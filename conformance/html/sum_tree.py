"""The tree of a sum as a drawing: terms below, a line for every addition above them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.html.charts import Chart, colour
from conformance.probing.orders import BY_WORDS
from conformance.probing.shape import shown, tree, without

if TYPE_CHECKING:
    from conformance.probing.shape import Tree

TERMS = 256
"""Of the sums whose order a probe reads."""
SIZE, BOX = (6.2, 2.0), (0.02, 0.12, 0.96, 0.85)
TURNED = 20
"""Terms from which on their numbers stand upright."""


class Place(NamedTuple):
    """Where a sum stands in a drawing."""

    x: float
    y: float


def sum_tree(order: str, name: str) -> str:
    """Return a drawing of the order of a sum of 256 terms; '' for an order that is not known.

    Args:
        order: in words.
        name: unique on the page.
    """
    known = BY_WORDS.get(order)
    if known is None:
        return ""
    kept = shown(known, TERMS)
    drawn = without(tree(known, range(TERMS)), frozenset(kept))
    chart = Chart(SIZE, BOX)
    leaves: list[int] = []
    top = _draw(chart.axes, drawn, leaves)
    chart.axes.plot([top.x, top.x], [top.y, top.y * 1.06], color=colour("ink"), linewidth=0.9)
    chart.axes.set_axis_off()
    chart.axes.set_xlim(-0.6, len(leaves) - 0.4)
    for place, term in enumerate(leaves):
        turned = 90 if len(leaves) > TURNED else 0
        chart.axes.text(
            place, -0.03 * top.y, str(term), ha="center", va="top", rotation=turned, color=colour("faint")
        )
    return chart.svg(name, f"{len(leaves)} of {TERMS} terms, summed {order}")


def _draw(axes: Any, part: Tree | None, leaves: list[int]) -> Place:
    """Draw a part of a tree; return where its sum stands."""
    if not isinstance(part, tuple):
        leaves.append(part or 0)
        return Place(len(leaves) - 1, 0)
    below = [_draw(axes, item, leaves) for item in part]
    here = Place(sum(place.x for place in below) / len(below), 1 + max(place.y for place in below))
    for place in below:
        axes.plot([place.x, place.x, here.x], [place.y, here.y, here.y], color=colour("own"), linewidth=0.9)
    axes.plot(here.x, here.y, "o", color=colour("own"), markersize=2.4, markeredgewidth=0)
    return here
