"""The MLU270 emulator as a device."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import NOTHING_HOSTED, DeviceInfo, Hosted
from conformance.devices.cpu import CpuSession
from conformance.devices.emulator import integer_kernels
from conformance.devices.emulator.rewrite import EmulatedGraph, emulate
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

    def __init__(self, rewritten: Callable[..., EmulatedGraph], fetches: Sequence[str]) -> None:
        self._rewritten, self._fetches = rewritten, tuple(fetches)
        self._in_floats: set[str] = set()
        self._load(rewritten())

    @property
    def feeds(self) -> tuple[str, ...]:
        """What it is fed with."""
        return self._emulated.graph.inputs

    def _load(self, emulated: EmulatedGraph) -> None:
        self._emulated = emulated
        guards = [] if emulated.guard is None else [emulated.guard]
        super().__init__(emulated.graph, [*self._fetches, *guards])
        self.unmodelled = emulated.unmodelled
        self.notes = (
            *(f"numerics not modelled, run in float: {name}" for name in emulated.unmodelled),
            *(f"inside a loop or a branch, run in float on the host: {name}" for name in emulated.in_loops),
        )

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return one float32 array per fetch, of values of the precision's float type.

        Where an operator read numbers that its integer kernel is not made for, the graph is run again with
        float kernels, and from then on.
        """
        results = super().run(feeds)
        while again := self._without_integers(results):
            self.close()
            self._load(again)
            results = super().run(feeds)
        return {name: np.asarray(results[name], np.float32) for name in self._fetches}

    def _without_integers(self, results: Mapping[str, np.ndarray[Any, Any]]) -> EmulatedGraph | None:
        """Return a graph with fewer integer kernels, if guards say that some results are not right."""
        if self._emulated.guard is None:
            return None
        no_nan, *exact = np.isfinite(results[self._emulated.guard])
        if not all(exact):
            rounded = [name for name, fine in zip(self._emulated.checked, exact, strict=True) if not fine]
            self._in_floats.update(rounded)
            return self._rewritten(in_floats=self._in_floats)
        return None if no_nan else self._rewritten(integers_from=None)


class EmulatorDevice:
    """A bit-exact software model of the card's numerics, as far as the profile knows them.

    Args:
        profile: the numeric switches.
        hosted: what is left to the host.
        integers: whether integer kernels sum what is in fixed point; None: where they are exact on this
            processor, and faster. No bit of a result depends on it.
    """

    runs_ahead = True

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
        factors_fed: bool = False,
    ) -> EmulatorSession:
        """Rewrite ``graph`` and load it; see :class:`conformance.devices.base.Device`.

        With ``factors_fed``, what the scales of inputs become is fed; see :func:`.fixed_point.fed_factors`.
        """
        rewritten = functools.partial(
            emulate,
            graph,
            fetches,
            precision=precision,
            scales=scales,
            profile=self._profile,
            fuse=fuse,
            on_host=self._hosted.nodes_of(graph),
            factors_fed=factors_fed,
        )
        return EmulatorSession(functools.partial(rewritten, integers_from=self._integers_from), fetches)

    @property
    def _integers_from(self) -> int | None:
        """How many products an operator must have for integer kernels to sum it; None: none may."""
        if self._integers is None:
            return integer_kernels.WORTHWHILE if integer_kernels.exact() else None
        return 0 if self._integers else None

    def hosting(self, hosted: Hosted) -> EmulatorDevice:
        """Return the same emulator with some operators left to the host."""
        return EmulatorDevice(self._profile, hosted, integers=self._integers)

    def close(self) -> None:
        """Nothing to free: compiled kernels live as long as the process."""
