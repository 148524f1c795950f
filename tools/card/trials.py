"""Running the network of the evidence on the emulator, with one switch of its profile changed at a time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.devices.base import CPU, EMULATOR, DeviceRequest
from conformance.devices.emulator.profile import ALTERNATIVES, read_profile
from conformance.devices.registry import opened_device
from conformance.errors import UsageError, near_names
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.own_scales import own_scales
from conformance.locations import DEVICES
from conformance.precision import Precision
from conformance.quantization.calibration import largest_magnitudes
from conformance.quantization.parameter_file import QuantizationScales

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from card.listing import Listing
    from conformance.graph.frozen import FrozenGraph

    Array = np.ndarray[Any, Any]

BITS, LARGEST = 8, 127
TRANSPOSED = "Conv2DBackpropInput"
HALF, FLOAT = Precision(BITS, 16), Precision(BITS, 32)


@dataclasses.dataclass(frozen=True)
class Trial:
    """A network with its scales and what it is fed, by placeholder."""

    graph: FrozenGraph
    scales: QuantizationScales
    feeds: Mapping[str, Array]

    def on_emulator(self, profile: str, precision: Precision = HALF) -> Array:
        """Return the output of the emulator, fused."""
        return self._on(DeviceRequest(EMULATOR, profile=profile), precision)

    def on_cpu(self) -> Array:
        """Return the output in float32, nothing in fixed point."""
        return self._on(DeviceRequest(CPU), FLOAT)

    def calibrated(self) -> Trial | None:
        """Return it with inputs of transposed convolutions scaled by their data; None if it has none.

        Cambricon's tool scales them by its first argument, which is a shape.
        """
        inputs = {f"{node.name}/input" for node in self.graph.nodes.values() if node.op == TRANSPOSED}
        if not inputs:
            return None
        largest = largest_magnitudes(self.graph, [self.feeds])
        by_data = {key: LARGEST / largest[key] for key in inputs}
        scales = dataclasses.replace(self.scales, scales={**self.scales.scales, **by_data})
        return dataclasses.replace(self, scales=scales)

    def _on(self, request: DeviceRequest, precision: Precision) -> Array:
        output = self.graph.outputs[0]
        with opened_device(request) as device:
            opened = device.open(self.graph, [output], precision=precision, scales=self.scales)
            with opened as session:
                return session.run(self.feeds)[output]


def trial(listing: Listing, graph: Path, fed: Array) -> Trial:
    """Return the network of a list, read from ``graph``.

    Raises:
        UsageError: it cannot be read, or brings no scales of its width along.
    """
    frozen = load_frozen_graph(graph, [listing.output])
    scales = own_scales(frozen).get(BITS)
    if scales is None:
        raise UsageError(f"{graph} brings no scales for int{BITS} along; give the graph that was quantised")
    return Trial(frozen, QuantizationScales(bits=BITS, scales=scales), {listing.input: fed})


def changes(profile: str, switches: Sequence[str]) -> list[str]:
    """Return every other value of each switch, as ``switch=value``.

    Args:
        profile: whose values are not among them, as ``--profile`` takes it.
        switches: those to change; none: all.

    Raises:
        UsageError: profile or switch is unknown.
    """
    base = read_profile(profile, DEVICES)
    for name in switches:
        if name not in ALTERNATIVES:
            raise UsageError(f"switch {name!r} is unknown{near_names(name, list(ALTERNATIVES))}")
    return [
        f"{name}={value}"
        for name in switches or ALTERNATIVES
        for value in ALTERNATIVES[name]
        if value != getattr(base, name)
    ]
