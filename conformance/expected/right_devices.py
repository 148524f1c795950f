"""Results held to right devices of a precision: the same bits as one, or else within what all may give.

A device that gives the same bits as a right one conforms; digests of what the ideal device and another right
one give are kept beside the attainable errors, so that this costs nothing. Only where bits differ it is
derived what right devices may give there.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.cached_methods import cached_method
from conformance.expected.enclosing.enclosure import Enclosure, enclosure, unenclosed
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.expected.overflow import masked
from conformance.files import sha256
from conformance.graph.cut import cut
from conformance.graph.dataflow import topological
from conformance.graph.frozen import data_inputs, output_index, producer
from conformance.graph.operators import FIXED_POINT
from conformance.judging.conformity import Conformity, conformity, identical
from conformance.npy import let_go

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]

OTHER_WAY = "arithmetic=float32,half_rounding=ties-away,half_tiny=smallest,half_overflow=saturate"
"""Switches that make of the ideal profile another right device, as exact as it."""
DIGITS = 16
"""Of a digest that are kept."""


def digest(result: Array) -> str:
    """Return what is kept of a right device's result."""
    return sha256(np.ascontiguousarray(result).reshape(-1).view(np.uint8).data)[:DIGITS]


class FromGoldens:
    """What computes the nodes of a network from the goldens of key nodes before them.

    Args:
        store: the goldens.
    """

    def __init__(self, store: GoldenStore) -> None:
        self._graph, self._key = store.network.graph, key_shapes(store)

    def derivable(self, node: str) -> bool:
        """Return whether it can be derived what right devices give at a node that is fed with goldens."""
        return node not in self._not_derivable

    def quantises(self, node: str) -> bool:
        """Return whether what computes a node computes in fixed point, so that its width matters."""
        return node in self._quantising

    @functools.cached_property
    def _not_derivable(self) -> set[str]:
        return self._behind(lambda node: bool(unenclosed([node])))

    @functools.cached_property
    def _quantising(self) -> set[str]:
        return self._behind(lambda node: node.op in FIXED_POINT)

    def _behind(self, test: Callable[[Node], bool]) -> set[str]:
        """Return the nodes that pass a test, and those that are computed from them, not from goldens of them.

        In a loop a node may stand before what it is computed from: then all are looked at once more.
        """
        found = {name for name, node in self._graph.nodes.items() if test(node)}
        order, before = [name for name in topological(self._graph) if name not in found], -1
        while before != len(found):
            before = len(found)
            for name in order:
                if any(self._hands_on(tensor, found) for tensor in data_inputs(self._graph.nodes[name])):
                    found.add(name)
        return found

    def _hands_on(self, tensor: str, found: Collection[str]) -> bool:
        source = producer(tensor)
        return source in found and not (source in self._key and output_index(tensor) == 0)


def _where_known(found: Enclosure, mask: Array) -> Enclosure:
    """Return an enclosure that holds exactly zero where nothing is right."""
    chance = None if found.chance is None else tuple(masked(part, mask) for part in found.chance)
    return Enclosure(masked(found.value, mask), masked(found.radius, mask), chance)  # type: ignore[arg-type]


class RightDevices:
    """What right devices give at the nodes of a network, each fed with goldens.

    Args:
        store: the goldens.
        scales: gives the quantisation scales of a width.
        sum_factor: lambda of the allowance for sums.
        digests: of right devices' results, by node and precision, one string per sample.
    """

    def __init__(
        self,
        store: GoldenStore,
        scales: Callable[[FixedBits], QuantizationScales],
        sum_factor: float,
        digests: Mapping[str, Mapping[str, Sequence[str]]],
    ) -> None:
        self._store, self._scales, self._sum_factor = store, scales, sum_factor
        self._digests, self._from_goldens = digests, FromGoldens(store)
        self._known: dict[tuple[str, int, int, str], Conformity] = {}

    def held(
        self,
        node: str,
        precision: Precision,
        sample: int,
        result: Array,
        sha: str,
        mask: Array | None = None,
    ) -> Conformity | None:
        """Return the conformity of a result of the right shape; None where nothing is derived, or not finite.

        Args:
            node: the node.
            precision: fixed-point × float width.
            sample: the sample.
            result: what the device returned.
            sha: SHA-256 of it.
            mask: elements that have no right result; None: all have.
        """
        kept = self._digests.get(node, {}).get(str(precision), ())
        if sample < len(kept) and sha[:DIGITS] in kept[sample].split():
            return identical(result)
        if not self.derivable(node) or (mask is None and not np.isfinite(result).all()):
            return None
        if mask is not None or self.quantises(node):
            return self.derived(node, precision, sample, result, mask)
        key = (node, sample, precision.float_bits, sha)
        if key not in self._known:
            self._known[key] = self.derived(node, precision, sample, result)
        return self._known[key]

    def derived(
        self, node: str, precision: Precision, sample: int, result: Array, mask: Array | None = None
    ) -> Conformity:
        """Compare a result with what right devices may give."""
        found = self.enclosure(node, precision, sample)
        if mask is not None:
            found, result = _where_known(found, mask), masked(result, mask)
        return conformity(*found[:2], result, precision.float_bits, chance=found.chance)

    def enclosure(self, node: str, precision: Precision, sample: int) -> Enclosure:
        """Return what right devices may give at a node on a sample."""
        part, scales = self.part(node), self._scales(precision.fixed_bits)
        feeds = golden_feeds(self._store, part.inputs, sample)
        found = enclosure(part, feeds, precision, scales, self._sum_factor)
        for value in feeds.values():
            let_go(value)
        return found

    @cached_method
    def part(self, node: str) -> FrozenGraph:
        """Return what computes a node from goldens."""
        return self._cut.prune([node])

    @functools.cached_property
    def _cut(self) -> FrozenGraph:
        """The whole network, cut at its key nodes."""
        graph = self._store.network.graph
        return cut(graph, key_shapes(self._store), list(graph.nodes))

    def derivable(self, node: str) -> bool:
        """Return whether it can be derived what right devices give at a node."""
        return self._from_goldens.derivable(node)

    def quantises(self, node: str) -> bool:
        """Return whether what computes a node from goldens computes in fixed point."""
        return self._from_goldens.quantises(node)
