"""What a graph that is cut at its key nodes is fed with: goldens, and the network's inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.graph.cut import cut_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from conformance.goldens import GoldenStore


def key_shapes(store: GoldenStore) -> dict[str, list[int]]:
    """Return the shape of each key node's golden: where a graph is cut, and what is fed there."""
    return {node.name: node.samples[0].shape for node in store.manifest.key}


def golden_feeds(store: GoldenStore, inputs: Sequence[str], sample: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the feeds of a cut graph: network inputs, and goldens for the placeholders of nodes."""
    fed = {cut_input(node.name): node.name for node in store.manifest.nodes}
    return {
        name: store.get(fed[name], sample) if name in fed else store.network.feeds(sample)[name]
        for name in inputs
    }
