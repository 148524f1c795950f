"""Networks that repeat themselves, as unrolled recurrent ones do: in parts; each kind is loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator.parts import of_filters
from conformance.expected.golden_feeds import key_shapes
from conformance.graph.alike import Parts
from conformance.graph.cut import cut, cut_input
from conformance.graph.dataflow import topological

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.devices.emulator.parts import EmulatedParts
    from conformance.goldens import GoldenStore
    from conformance.precision import FixedBits
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]

MANY = 100
"""Nodes that are asked for, from which it is worth looking whether a network repeats itself."""


def repeated(
    store: GoldenStore, scales: Mapping[FixedBits, QuantizationScales], names: Sequence[str]
) -> Parts | None:
    """Return a network that is cut at its key nodes, in parts; None where they are not alike.

    Args:
        store: the network's goldens.
        scales: quantisation scales by bit width.
        names: nodes to compute.
    """
    if len(names) < MANY:
        return None
    graph = store.network.graph
    whole = cut(graph, key_shapes(store), names)
    parts = Parts(whole, names, of_filters(graph, scales), topological(graph))
    return parts if parts.repeats else None


def along(parts: EmulatedParts, feeds: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    """Return what key nodes compute along the whole network: each is fed with what those before it computed.

    Args:
        parts: of the network, cut at its key nodes.
        feeds: the network's inputs.
        names: the key nodes.
    """
    fed, found = dict(feeds), {}
    for name, result in parts.compute(names, fed):
        fed[cut_input(name)] = found[name] = result
    return found
