"""TensorFlow's own opinion of a graph: whether it opens it, and which types it infers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.graph.dataflow import tensor_types

if TYPE_CHECKING:
    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph


def inferred_types(graph: FrozenGraph) -> dict[str, list[TensorType]]:
    """Return for each node the types of its outputs.

    Raises:
        UsageError: TensorFlow does not open the graph.
    """
    try:
        return tensor_types(graph)
    except (ValueError, TypeError, KeyError) as error:
        first = next(iter(str(error).splitlines()), "")
        raise UsageError(f"TensorFlow refuses the frozen graph of {graph.source}: {first}") from error
