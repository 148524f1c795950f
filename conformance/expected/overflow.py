"""Where even an ideal half device overflows: halves end at 65504, whatever computes with them.

Such elements have no right result. They are those that an ideal device gives otherwise where it saturates
than where it makes an infinity; they are masked, with what they become in later operators, until one makes
the same of both. Everything else of the node is judged as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import locations
from conformance.cached_methods import cached_method
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.graph.cut import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Shares = Mapping[str, Mapping[str, float]]

Array = np.ndarray[Any, Any]
HALF = 16
HALF_LARGEST = 65504.0
SATURATING = f"{locations.IDEAL},half_overflow=saturate"
"""The ideal device but for what becomes of a number beyond the largest half."""
NAMED = 3
"""Nodes that a sentence names; of others it has the number."""


def masked(value: Array, mask: Array) -> Array:
    """Return a tensor with zeros where nothing is right."""
    return np.where(mask, value.dtype.type(0), value)


def differing(infinite: Array, saturated: Array) -> Array | None:
    """Return where the two ideal devices disagree, a NaN with everything; None where they do nowhere."""
    mask = ~((infinite == saturated) & np.isfinite(infinite))
    return mask if mask.any() else None


def may_overflow(values: Iterable[Array]) -> bool:
    """Return whether any of these is beyond the halves, or not finite."""
    return any(not np.abs(value).max(initial=0.0) < HALF_LARGEST for value in values)


class Overflow:
    """What is known of the elements that overflow on an ideal half device.

    Args:
        store: the goldens.
        scales: gives the quantisation scales of a width.
        shares: of elements without a right result, by node and precision, on the worst sample.
    """

    def __init__(
        self, store: GoldenStore, scales: Callable[[FixedBits], QuantizationScales], shares: Shares
    ) -> None:
        self._store, self._scales, self._shares = store, scales, shares

    def share(self, node: str, precision: Precision) -> float:
        """Return the part of a node's elements that has no right result, on the worst sample."""
        return self._shares.get(node, {}).get(str(precision), 0.0)

    def nodes(self, precision: Precision) -> frozenset[str]:
        """Return the nodes of which elements overflow at a precision."""
        return frozenset(name for name, shares in self._shares.items() if shares.get(str(precision)))

    def unjudged(self, node: str, precision: Precision) -> str:
        """Return why a node cannot be judged at a precision; '' where it can, if only in part."""
        return told_share(1.0) if self.share(node, precision) == 1 else ""

    def mask(self, node: str, precision: Precision, sample: int) -> Array | None:
        """Return which elements of a node that is fed with goldens have no right result; None: all have."""
        if not self.share(node, precision):
            return None
        part = self._part(node)
        feeds = golden_feeds(self._store, part.inputs, sample)
        scales = self._scales(precision.fixed_bits)
        results = []
        for profile in (locations.IDEAL, SATURATING):
            device = EmulatorDevice(read_profile(profile, locations.DEVICES))
            opened = device.open(part, [node], precision=precision, scales=scales, fuse=False)
            with opened as session:
                results.append(session.run(feeds)[node])
        return differing(*results)

    @cached_method
    def _part(self, node: str) -> FrozenGraph:
        return cut(self._store.network.graph, key_shapes(self._store), [node])


def told_share(share: float) -> str:
    """Return that a share of a node's elements overflows, in words."""
    return f"overflows even on an ideal half device, {percent(share)} of its elements"


def percent(share: float) -> str:
    """Return a share in percent; what is not nothing and not all never looks so."""
    if 0 < share < 0.01:
        return "less than 1 %"
    return f"{min(99, round(100 * share)) if share < 1 else 100} %"


def told(shares: Shares, nodes: Iterable[str]) -> Iterator[str]:
    """Yield a sentence on nodes that overflow, if any of these do: how many, and the first with its share."""
    worst = {name: max(shares[name].values()) for name in nodes if shares.get(name)}
    if not worst:
        return
    named = [f"{name} ({percent(share)} of its elements)" for name, share in list(worst.items())[:NAMED]]
    more = f" and {len(worst) - NAMED} more" if len(worst) > NAMED else ""
    verb = "overflows" if len(worst) == 1 else "overflow"
    yield (
        f"at fp16 {', '.join(named)}{more} {verb} even on an ideal half device, which ends at 65504: no "
        "device can be right there, and what has no right result is not judged"
    )
