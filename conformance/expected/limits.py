"""Which nodes of a network a vendor promises nothing of: goldens' numbers against documented limits."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from conformance.devices.limits import OF_VALUES, shown
from conformance.expected.ranges import limits_of
from conformance.graph.retype import attribute
from conformance.graph.sums import same_padding, sum_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from conformance.devices.limits import Limit
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.graph.sums import ShapeOf
    from conformance.precision import Precision

    Ranges = Mapping[str, Mapping[str, tuple[float, float]]]

WORDS = {
    "elements": "{} elements",
    "mean": "a mean of {}",
    "deviation": "values {} from their mean",
    "input": "inputs of {}",
    "divisor": "a divisor of {}",
    "result": "results of {}",
    "magnitude": "results as small as {}",
    "channels": "{} channels",
    "padding": "{} rows and columns of padding around a dilated window",
    "type": "a result of type {}",
    "sorted": "the attribute sorted = {}",
    "extrapolation": "an extrapolation value of {}",
}
"""How a number outside of a limit is told."""

BEYOND = "outside of the vendor's documented range"


@dataclasses.dataclass(frozen=True)
class Outside:
    """A node outside of a documented limit.

    Attributes:
        name: of the limit.
        limit: the limit.
        node: the node.
        op: its operator type.
        found: what it has there: a number, or a type.
    """

    name: str
    limit: Limit
    node: str
    op: str
    found: float | str

    @property
    def in_words(self) -> str:
        """What the node has, and what is documented."""
        found = self.found if isinstance(self.found, str) else shown(self.found)
        return f"{WORDS[self.limit.quantity].format(found)} (documented: {self.limit.in_words})"


class Limits:
    """The documented limits of a model on one network.

    Args:
        model: what the device is, such as ``MLU270``.
        graph: the network.
        shape_of: returns the shapes of its tensors, as far as they are known.
        ranges: what goldens show, by node and quantity; empty where there are none.
        remedy: what to do where they show nothing.
    """

    def __init__(
        self, model: str, graph: FrozenGraph, shape_of: ShapeOf, ranges: Ranges, remedy: str = ""
    ) -> None:
        self._limits, self._graph, self._shape_of, self._ranges = limits_of(model), graph, shape_of, ranges
        self._remedy = remedy

    def outside(self, nodes: Iterable[str], precision: Precision) -> list[Outside]:
        """Return where nodes leave the limits of a precision, in the order of the nodes."""
        found = []
        for name in nodes:
            node = self._graph.nodes[name]
            for key, limit in self._limits.items():
                if node.op in limit.operators and limit.holds_at(precision):
                    value = self._outside(node, limit)
                    found += [] if value is None else [Outside(key, limit, name, node.op, value)]
        return found

    def unchecked(self, nodes: Iterable[str]) -> list[str]:
        """Return a sentence that names nodes whose goldens should show something for a limit, and do not."""
        wanted = {op for item in self._limits.values() if item.quantity in OF_VALUES for op in item.operators}
        unknown = [
            name for name in nodes if self._graph.nodes[name].op in wanted and name not in self._ranges
        ]
        if not unknown:
            return []
        more = f" and {len(unknown) - 1} more nodes" if unknown[1:] else ""
        sentence = (
            f"whether {unknown[0]}{more} lie within the vendor's documented ranges is not known: the "
            f"attainable errors have no ranges of what they read; {self._remedy}"
        )
        return [sentence]

    def _outside(self, node: Node, limit: Limit) -> float | str | None:
        """Return what lies outside of a limit, None where nothing is known to."""
        if limit.quantity == "type":
            found = _type_of(node)
            return found if found not in limit.types else None
        ends = self._ranges.get(node.name, {}).get(limit.quantity) or self._counted(node, limit)
        if ends is None or limit.admits(*ends):
            return None
        return max((end for end in ends if not limit.admits(end, end)), key=abs)

    def _counted(self, node: Node, limit: Limit) -> tuple[float, float] | None:
        """Return what the graph alone shows of a quantity."""
        count: float | None = None
        if limit.quantity == "elements":
            count = sum_of(self._graph, node.name, self._shape_of).numbers
        elif limit.quantity == "channels":
            shape = self._shape_of(node.input[0])
            first = attribute(node, "data_format").s.startswith(b"NC")
            count = None if shape is None else shape[1 if first else -1]
        elif limit.quantity == "padding":
            count = self._dilated_padding(node)
        elif limit.quantity == "sorted":
            count = int(attribute(node, "sorted").b)
        elif limit.quantity == "extrapolation":
            count = attribute(node, "extrapolation_value").f
        return None if count is None else (count, count)

    def _dilated_padding(self, node: Node) -> int | None:
        """Return the padding of a dilated convolution along rows and columns, channels last."""
        dilations = tuple(attribute(node, "dilations").list.i)[1:3]
        if max(dilations, default=1) == 1 or attribute(node, "padding").s == b"VALID":
            return 0
        image, window = self._shape_of(node.input[0]), self._shape_of(node.input[1])
        if image is None or window is None or None in image[1:3] or None in window[:2]:
            return None
        sizes = [(size - 1) * step + 1 for size, step in zip(window[:2], dilations, strict=True)]  # type: ignore[operator]
        strides = tuple(attribute(node, "strides").list.i)[1:3]
        return sum(map(sum, map(same_padding, image[1:3], sizes, strides)))  # type: ignore[arg-type]


def _type_of(node: Node) -> str:
    from conformance.graph.lazy_tensorflow import tensorflow

    return str(tensorflow().as_dtype(attribute(node, "DstT").type).name)


def told(outside: Iterable[Outside]) -> Iterator[str]:
    """Yield a sentence per limit and operator: at how many nodes, the farthest one, and who documents it."""
    groups: dict[tuple[str, str], dict[str, Outside]] = {}
    for item in outside:
        groups.setdefault((item.name, item.op), {})[item.node] = item
    for (_, op), nodes in groups.items():
        worst = max(nodes.values(), key=lambda item: 0.0 if isinstance(item.found, str) else abs(item.found))
        where = worst.node if len(nodes) == 1 else f"{len(nodes)} nodes, the farthest is {worst.node}"
        yield f"{BEYOND}: {op} at {where}: {worst.in_words}; {worst.limit.source}"
