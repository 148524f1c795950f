"""The emulator part by part: parts of a network that are alike are rewritten and loaded once.

What one part hands to another was stored, as everything is where no operators are fused: rounded to the
float type of the precision, so that no bit depends on where a network is parted. Alike parts differ in the
scales of their inputs, which are fed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.fixed_point import fed_factors
from conformance.graph.operators import FIXED_POINT

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping

    from conformance.devices.emulator.emulator import EmulatorSession
    from conformance.devices.emulator.profile import Profile
    from conformance.graph.alike import Part, Parts
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]


def of_filters(graph: FrozenGraph, scales: Mapping[FixedBits, QuantizationScales]) -> dict[str, Hashable]:
    """Return, by fixed-point operator, the scales of its filter: alike parts have the same ones."""
    return {
        name: tuple(entry.scales.get(f"{name}/filter") for entry in scales.values())
        for name, node in graph.nodes.items()
        if node.op in FIXED_POINT
    }


class EmulatedParts:
    """The parts of a graph at one precision.

    Args:
        parts: the graph in parts.
        profile: the numeric switches.
        precision: fixed-point × float width.
        scales: quantisation scales of its width.
    """

    def __init__(
        self, parts: Parts, profile: Profile, precision: Precision, scales: QuantizationScales
    ) -> None:
        self._parts, self._device = parts, EmulatorDevice(profile)
        self._profile, self._precision, self._scales = profile, precision, scales
        self._loaded: dict[Hashable, tuple[Part, EmulatorSession]] = {}

    def compute(self, wanted: Collection[str], fed: dict[str, Array]) -> Iterator[tuple[str, Array]]:
        """Yield nodes and what they compute, as float32, producers first.

        Args:
            wanted: the nodes.
            fed: what placeholders of the graph are fed with, more of which may come between two nodes; what
                parts hand on is put there, too.
        """
        for part in self._parts.needed(wanted, fed):
            results = self._computed(part, [fed[name] for name in part.reads])
            for name, value in results.items():
                if name in self._parts.handed:
                    fed[self._parts.handed[name]] = value
                elif name in wanted:
                    yield name, value

    def _computed(self, part: Part, reads: list[Array]) -> dict[str, Array]:
        """Return what a part computes from what it reads, by the graph of the first one that is like it."""
        first, session = self._loaded.get(part.like) or self._load(part)
        feeds = dict(zip(first.reads, reads, strict=True))
        for own, name in zip(part.nodes, first.nodes, strict=True):
            if self._parts.graph.nodes[own].op in FIXED_POINT:
                factors = fed_factors(own, self._scales, self._precision, self._profile)
                given = {f"{name}/{key}": np.float64(value) for key, value in factors.items()}
                feeds |= {key: value for key, value in given.items() if key in session.feeds}
        results = session.run(feeds)
        return {own: results[name] for own, name in zip(part.fetches, first.fetches, strict=True)}

    def _load(self, part: Part) -> tuple[Part, EmulatorSession]:
        session = self._device.open(
            self._parts.graph.prune(part.fetches),
            part.fetches,
            precision=self._precision,
            scales=self._scales,
            fuse=False,
            factors_fed=True,
        )
        self._loaded[part.like] = (part, session)
        return part, session

    def close(self) -> None:
        """Free the graphs."""
        for _, session in self._loaded.values():
            session.close()
        self._loaded.clear()
