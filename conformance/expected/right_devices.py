"""Results held to right devices of a precision: the same bits as one, or else within what all may give.

A device that gives the same bits as an exemplary right one conforms; that takes one run. Only where bits
differ is it derived what right devices may give there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import locations
from conformance.cached_methods import cached_method
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.expected.enclosing.enclosure import Enclosure, enclosure, unenclosed
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.graph.cut import cut
from conformance.graph.operators import FIXED_POINT
from conformance.judging.conformity import Conformity, conformity, identical

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.devices.emulator.emulator import EmulatorSession
    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]

EXEMPLARY = "arithmetic=float32,half_rounding=ties-away,half_tiny=smallest"
"""Switches of the ideal profile: as exact, faster, and as a card rounds halves."""


class RightDevices:
    """What right devices give at the nodes of a network, each fed with goldens.

    Args:
        store: the goldens.
        scales: gives the quantisation scales of a width.
        sum_factor: lambda of the allowance for sums.
    """

    def __init__(
        self, store: GoldenStore, scales: Callable[[FixedBits], QuantizationScales], sum_factor: float
    ) -> None:
        self._store, self._scales, self._sum_factor = store, scales, sum_factor
        self._known: dict[tuple[str, int, int, str], Conformity] = {}

    @cached_method
    def ideal_device(self) -> EmulatorDevice:
        """Return the exemplary right device."""
        return EmulatorDevice(read_profile(f"{locations.IDEAL},{EXEMPLARY}", locations.DEVICES))

    @cached_method
    def part(self, node: str) -> FrozenGraph:
        """Return what computes a node from goldens."""
        return cut(self._store.network.graph, key_shapes(self._store), [node])

    @cached_method
    def derivable(self, node: str) -> bool:
        """Return whether it can be derived what right devices give at a node."""
        return not unenclosed(self.part(node))

    @cached_method
    def quantises(self, node: str) -> bool:
        """Return whether what computes a node from goldens computes in fixed point."""
        return any(item.op in FIXED_POINT for item in self.part(node).nodes.values())

    def enclosure(self, node: str, precision: Precision, sample: int) -> Enclosure:
        """Return what right devices may give at a node on a sample."""
        part, scales = self.part(node), self._scales(precision.fixed_bits)
        feeds = golden_feeds(self._store, part.inputs, sample)
        return enclosure(part, feeds, precision, scales, self._sum_factor)

    def derived(self, node: str, precision: Precision, sample: int, result: Array) -> Conformity:
        """Compare a result with what right devices may give."""
        found = self.enclosure(node, precision, sample)
        return conformity(found.value, found.radius, result, precision.float_bits)

    def run(self, precision: Precision, nodes: Sequence[str]) -> RightRun:
        """Return what compares the results of a run of the cut graph at a precision."""
        return RightRun(self, self._store, self._scales(precision.fixed_bits), precision, nodes, self._known)


class RightRun:
    """The results of one run, sample by sample, beside those of right devices.

    Args:
        right: what right devices give.
        store: the goldens.
        scales: of the precision.
        precision: fixed-point × float width.
        nodes: what is judged.
        known: what came out of results before, by node, sample, float width and digest.
    """

    def __init__(
        self,
        right: RightDevices,
        store: GoldenStore,
        scales: QuantizationScales,
        precision: Precision,
        nodes: Sequence[str],
        known: dict[tuple[str, int, int, str], Conformity],
    ) -> None:
        self._right, self._store, self._scales, self._precision = right, store, scales, precision
        self._known = known
        derivable = [node for node in nodes if right.derivable(node)]
        self._groups = {
            quantised: tuple(node for node in derivable if right.quantises(node) == quantised)
            for quantised in (False, True)
        }
        self._sessions: dict[bool, tuple[EmulatorSession, tuple[str, ...]]] = {}
        self._results: dict[tuple[bool, int], dict[str, Array]] = {}

    def held(self, node: str, sample: int, result: Array, digest: str) -> Conformity | None:
        """Return the conformity of a finite result of the right shape; None where nothing is derived.

        Args:
            node: the node.
            sample: the sample, one after the other.
            result: what the device returned.
            digest: SHA-256 of it.
        """
        if not self._right.derivable(node):
            return None
        quantised = self._right.quantises(node)
        key = (node, sample, self._precision.float_bits, digest)
        if not quantised and key in self._known:
            return self._known[key]
        exemplary = self._exemplary(quantised, sample).pop(node)
        found = (
            identical(result)
            if np.array_equal(exemplary, result)
            else self._right.derived(node, self._precision, sample, result)
        )
        if not quantised:
            self._known[key] = found
        return found

    def close(self) -> None:
        """Close the exemplary device's sessions."""
        for session, _ in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._results.clear()

    def _exemplary(self, quantised: bool, sample: int) -> dict[str, Array]:  # noqa: FBT001 - names a group
        """Return the results of the exemplary right device at the nodes of a group that are not used yet."""
        if (quantised, sample) not in self._results:
            session, inputs = self._sessions.get(quantised) or self._opened(quantised)
            results = session.run(golden_feeds(self._store, inputs, sample))
            self._results = {key: kept for key, kept in self._results.items() if key[0] != quantised}
            self._results[quantised, sample] = results
        return self._results[quantised, sample]

    def _opened(self, quantised: bool) -> tuple[EmulatorSession, tuple[str, ...]]:  # noqa: FBT001
        nodes = self._groups[quantised]
        graph = cut(self._store.network.graph, key_shapes(self._store), nodes)
        session = self._right.ideal_device().open(
            graph, nodes, precision=self._precision, scales=self._scales, fuse=False
        )
        self._sessions[quantised] = session, graph.inputs
        return self._sessions[quantised]
