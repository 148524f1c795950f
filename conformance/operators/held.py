"""What a device is held to on a batch: the same as on a network, worked out on the fly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import locations
from conformance.cached_methods import cached_method
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.expected.attainable import AttainableFile
from conformance.expected.expectations import Expectations
from conformance.expected.ranges import SeenRanges
from conformance.expected.right_devices import RightDevices
from conformance.judging.comparison import attained
from conformance.operators.batch import BatchStore

if TYPE_CHECKING:
    from conformance.expected.enclosing.enclosure import Enclosure
    from conformance.judging.bounds import Attainable, Margins
    from conformance.operators.batch import BatchNetwork
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Array = np.ndarray[Any, Any]


HALF, LARGEST_HALF = 16, 65504.0


class KeptRightDevices(RightDevices):
    """What right devices give at the nodes of a batch, worked out once per precision."""

    @cached_method
    def enclosure(self, node: str, precision: Precision, sample: int) -> Enclosure:
        """Return what right devices may give at a node."""
        return super().enclosure(node, precision, sample)


class BatchExpectations(Expectations):
    """What every device is held to on a batch.

    Args:
        network: the batch.
        margins: margin per operator class.
    """

    network: BatchNetwork

    def __init__(self, network: BatchNetwork, margins: Margins) -> None:
        super().__init__(BatchStore(network), margins)
        self._batch = network
        ranges = SeenRanges(self.store)
        ranges.add(0, {name: self.store.get(name, 0) for name in network.nodes})
        self.__dict__["attainable"] = AttainableFile("", "", {}, {}, {}, ranges.found)
        factor = margins.sum_allowance.factor
        self.__dict__["right"] = KeptRightDevices(self.store, self.scales, factor, {})

    @cached_method
    def scales(self, bits: FixedBits) -> QuantizationScales:  # type: ignore[override]
        """Return the scales of this width."""
        return self._batch.scales(bits)

    @cached_method
    def attains(self, node: str, precision: Precision) -> Attainable:
        """Return what an ideal device attains at a node."""
        golden = self.store.get(node, 0)
        return attained([golden], [self._ideal(node, precision)])

    def _ideal(self, node: str, precision: Precision) -> Array:
        """Return what an ideal device gives: what is derived, rounded once, or else what it computes."""
        if not self.right.derivable(node):
            return self._computed(precision)[node]
        value = self.right.enclosure(node, precision, 0).value
        if precision.float_bits == HALF:
            value = np.clip(value, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)
        return np.asarray(value, np.float32)

    @cached_method
    def _computed(self, precision: Precision) -> dict[str, Array]:
        """Return what the ideal device gives at the nodes for which nothing is derived."""
        names = [name for name in self._batch.nodes if not self.right.derivable(name)]
        device = EmulatorDevice(read_profile(locations.IDEAL, locations.DEVICES))
        part, scales = self._batch.graph.prune(names), self.scales(precision.fixed_bits)
        with device.open(part, names, precision=precision, scales=scales, fuse=False) as session:
            results: dict[str, Array] = session.run(
                {name: self._batch.feeds(0)[name] for name in part.inputs}
            )
        return results
