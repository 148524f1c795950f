"""What goldens show of the numbers that documented limits are about: seen once, when bounds are made."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import locations
from conformance.devices.emulator.profile import ProfileFile
from conformance.devices.limits import OF_VALUES
from conformance.files import read_toml
from conformance.graph.frozen import data_inputs, output_index, producer
from conformance.graph.operators import known
from conformance.graph.sums import reduced_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.devices.limits import Limit, Quantity
    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import Node

    Array = np.ndarray[Any, Any]
    Ranges = dict[str, dict[str, tuple[float, float]]]


@functools.cache
def limits_of(model: str) -> dict[str, Limit]:
    """Return the documented limits of a model by name, from the profile that describes it."""
    for path in sorted(locations.DEVICES.glob("*.toml")):
        profile = read_toml(path, ProfileFile, "device profile")
        if profile.model == model and profile.limit:
            return profile.limit
    return {}


@functools.cache
def looked_at() -> dict[str, frozenset[Quantity]]:
    """Return which quantities of which operators any profile has a limit of."""
    wanted: dict[str, frozenset[Quantity]] = {}
    for path in sorted(locations.DEVICES.glob("*.toml")):
        for limit in read_toml(path, ProfileFile, "device profile").limit.values():
            if limit.quantity in OF_VALUES:
                for op in limit.operators:
                    wanted[op] = wanted.get(op, frozenset()) | {limit.quantity}
    return wanted


class SeenRanges:
    """The smallest and largest values of what limits are about, over all samples.

    Args:
        store: the goldens.

    Attributes:
        found: by node and quantity.
    """

    def __init__(self, store: GoldenStore) -> None:
        self._store, self._graph = store, store.network.graph
        self._key = {node.name for node in store.manifest.key}
        self.found: Ranges = {}

    def add(self, sample: int, goldens: Mapping[str, Array]) -> None:
        """Look at some nodes on one sample.

        Args:
            sample: the sample.
            goldens: the nodes, with their goldens; what they read is among them, stored, or a feed.
        """
        for name, golden in goldens.items():
            for quantity in sorted(looked_at().get(self._graph.nodes[name].op, ())):
                values = self._values(quantity, name, sample, goldens, golden)
                if values is not None and values.size:
                    self._keep(name, quantity, float(values.min()), float(values.max()))

    def _keep(self, name: str, quantity: str, low: float, high: float) -> None:
        entry = self.found.setdefault(name, {})
        before = entry.get(quantity, (low, high))
        # NumPy's minimum, unlike Python's, hands on a NaN
        entry[quantity] = float(np.minimum(before[0], low)), float(np.maximum(before[1], high))

    def _values(
        self, quantity: Quantity, name: str, sample: int, goldens: Mapping[str, Array], golden: Array
    ) -> Array | None:
        """Return the values of a quantity; None where they are not there."""
        node = self._graph.nodes[name]
        if quantity == "result":
            return golden
        if quantity == "magnitude":
            return np.asarray(np.abs(golden[golden != 0]))
        position = known(node.op).divisor
        at = position.position if quantity == "divisor" and position is not None else 0
        operand = self._operand(data_inputs(node)[at], sample, goldens)
        if operand is None or quantity in ("input", "divisor"):
            return operand
        return _about_the_mean(quantity, operand, reduced_axes(self._graph, node, operand.ndim))

    def _operand(self, tensor: str, sample: int, goldens: Mapping[str, Array]) -> Array | None:
        name = producer(tensor)
        constant = self._graph.constant(tensor)
        if constant is not None or output_index(tensor):
            return constant
        if name in goldens:
            return goldens[name]
        feeds = self._store.network.feeds(sample)
        if name in self._key or name in feeds:
            return feeds[name] if name in feeds else self._store.get(name, sample)
        node: Node = self._graph.nodes[name]
        return self._operand(node.input[0], sample, goldens) if known(node.op).hands_on == "tensor" else None


def _about_the_mean(quantity: str, operand: Array, axes: tuple[int, ...] | None) -> Array | None:
    """Return the means over axes, or the deviations from them."""
    if axes is None or not operand.size:
        return None
    wide = operand.astype(np.float64, copy=False)
    means = wide.mean(axis=axes, keepdims=True)
    if quantity == "mean":
        return np.asarray(means)
    above, below = wide.max(axis=axes, keepdims=True) - means, means - wide.min(axis=axes, keepdims=True)
    return np.stack([above, -below])
