"""What a graph computes in float64 on the CPU: the arithmetic of goldens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.execution import GraphRunner
from conformance.graph.retype import to_float64

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph

Array = np.ndarray[Any, Any]


class Reference:
    """A graph made ready to be computed in float64.

    Args:
        graph: the graph, in float32 as it ships.
    """

    def __init__(self, graph: FrozenGraph) -> None:
        self._wide, _ = to_float64(graph)

    def compute(
        self, nodes: Sequence[str], feeds: Iterable[Mapping[str, Array]]
    ) -> Iterator[dict[str, Array]]:
        """Yield, for each feeds in turn, what the nodes compute, in float64; :func:`rounded` makes a golden.

        Raises:
            UsageError: the feeds do not fit the graph.
            InfrastructureError: a kernel failed.
        """
        run = GraphRunner(self._wide, nodes)
        for fed in feeds:
            yield run({name: fed[name] for name in run.feeds})


def rounded(value: Array) -> Array:
    """Return a result of float64 arithmetic rounded once to float32, as goldens are."""
    return value.astype(np.float32)
