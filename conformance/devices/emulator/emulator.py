"""The MLU270 emulator as a device."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import NOTHING_HOSTED, DeviceInfo, Hosted
from conformance.devices.cpu import CpuSession
from conformance.devices.emulator import integer_kernels
from conformance.devices.emulator.rewrite import EmulatedGraph, emulate
from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import tensorflow_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.devices.emulator.profile import Profile
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales


class EmulatorSession(CpuSession):
    """A graph rewritten to the profile's numerics and run by TensorFlow.

    Its device time is this CPU's, and says nothing about the card's speed.
    """

    def __init__(
        self, emulated: EmulatedGraph, fetches: Sequence[str], in_floats: Callable[[], EmulatedGraph]
    ) -> None:
        self._guard, self._fetches, self._in_floats = emulated.guard, tuple(fetches), in_floats
        super().__init__(emulated.graph, fetches if self._guard is None else [*fetches, self._guard])
        self.notes = tuple(f"numerics not modelled, run in float: {name}" for name in emulated.unmodelled)

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return one float32 array per fetch, of values of the precision's float type.

        Integer kernels cannot hand on a NaN. Where one of them may have read any, the graph is rewritten to
        float kernels, from then on.
        """
        results = super().run(feeds)
        if self._guard is not None and not np.isfinite(results[self._guard]):
            self.close()
            self._guard, self._runner = None, GraphRunner(self._in_floats().graph, self._fetches)
            results = super().run(feeds)
        return {name: np.asarray(results[name], np.float32) for name in self._fetches}


class EmulatorDevice:
    """A bit-exact software model of the card's numerics, as far as the profile knows them.

    Args:
        profile: the numeric switches.
        hosted: what is left to the host.
        integers: whether integer kernels sum what is in fixed point; None: where they are exact. No bit of a
            result depends on it.
    """

    def __init__(
        self, profile: Profile, hosted: Hosted = NOTHING_HOSTED, *, integers: bool | None = None
    ) -> None:
        self._profile, self._hosted, self._integers = profile, hosted, integers

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
        rewritten = functools.partial(
            emulate,
            graph,
            fetches,
            precision=precision,
            scales=scales,
            profile=self._profile,
            fuse=fuse,
            on_host=self._hosted.nodes_of(graph),
        )
        integers = integer_kernels.exact() if self._integers is None else self._integers
        in_floats = functools.partial(rewritten, integers=False)
        return EmulatorSession(rewritten(integers=integers), fetches, in_floats)

    def hosting(self, hosted: Hosted) -> EmulatorDevice:
        """Return the same emulator with some operators left to the host."""
        return EmulatorDevice(self._profile, hosted, integers=self._integers)

    def close(self) -> None:
        """Nothing to free: compiled kernels live as long as the process."""
