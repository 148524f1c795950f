"""Operators that draw random numbers: what rests on them differs from run to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError
from conformance.graph.dataflow import computed_from
from conformance.graph.segments import reference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from conformance.graph.frozen import FrozenGraph

    Array = np.ndarray[Any, Any]

RANDOM = frozenset(
    {
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "RandomGamma",
        "RandomPoisson",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "StatefulUniform",
        "TruncatedNormal",
    }
)
"""Those that keep a state of their own; what is drawn from a seed that is an input is always the same."""


def refuse_random_numbers(graph: FrozenGraph, nodes: Collection[str], feeds: Mapping[str, Array]) -> None:
    """Refuse a graph in which nodes come out otherwise every time, because random numbers reach them.

    Only a graph with random operators is run, twice; masks that are always one, for example, harm nothing.

    Raises:
        UsageError: a node's results of two runs differ.
    """
    sources = [node for node in graph.nodes.values() if node.op in RANDOM]
    reached = set().union(*computed_from(graph, [node.name for node in sources]).values()).intersection(nodes)
    if not reached:
        return
    made = reference(graph, [name for name in nodes if name in reached], feeds)
    first, second = made.at_once(feeds), made.at_once(feeds)
    for name, value in first.items():
        if not np.array_equal(value, second[name], equal_nan=True):
            more = f" and {len(sources) - 1} more" if sources[1:] else ""
            raise UsageError(
                f"node {name!r} of {graph.source} comes out otherwise every time, because random numbers of "
                f"{sources[0].name} ({sources[0].op}){more} reach it, so nothing can be judged; freeze the "
                "network for inference (`mlu-conformance freeze` takes out dropout that keeps everything), "
                "or cut it off after them"
            )
