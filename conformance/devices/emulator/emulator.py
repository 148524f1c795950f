"""The MLU270 emulator as a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import NOTHING_HOSTED, DeviceInfo, Hosted
from conformance.devices.cpu import CpuSession
from conformance.devices.emulator.rewrite import EmulatedGraph, emulate
from conformance.graph.lazy_tensorflow import tensorflow_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.devices.emulator.profile import Profile
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales


class EmulatorSession(CpuSession):
    """A graph rewritten to the profile's numerics and run by TensorFlow.

    Its device time is this CPU's, and says nothing about the card's speed.
    """

    def __init__(self, emulated: EmulatedGraph, fetches: Sequence[str]) -> None:
        super().__init__(emulated.graph, fetches)
        self.notes = tuple(f"numerics not modelled, run in float: {name}" for name in emulated.unmodelled)

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return one float32 array per fetch, of values of the precision's float type."""
        return {name: np.asarray(value, np.float32) for name, value in super().run(feeds).items()}


class EmulatorDevice:
    """A bit-exact software model of the card's numerics, as far as the profile knows them.

    Args:
        profile: the numeric switches.
        hosted: what is left to the host.
    """

    def __init__(self, profile: Profile, hosted: Hosted = NOTHING_HOSTED) -> None:
        self._profile, self._hosted = profile, hosted

    def info(self) -> DeviceInfo:
        """Return what the device is."""
        return DeviceInfo(
            kind="emulator",
            model=self._profile.model,
            simulated=True,
            framework=f"tensorflow {tensorflow_version()}",
            profile=self._profile.title,
        )

    def open(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        *,
        precision: Precision,
        scales: QuantizationScales,
        fuse: bool = True,
    ) -> EmulatorSession:
        """Rewrite ``graph`` and load it; see :class:`conformance.devices.base.Device`."""
        emulated = emulate(
            graph,
            fetches,
            precision=precision,
            scales=scales,
            profile=self._profile,
            fuse=fuse,
            on_host=self._hosted.nodes_of(graph),
        )
        return EmulatorSession(emulated, fetches)

    def hosting(self, hosted: Hosted) -> EmulatorDevice:
        """Return the same emulator with some operators left to the host."""
        return EmulatorDevice(self._profile, hosted)

    def close(self) -> None:
        """Nothing to free: compiled kernels live as long as the process."""
