"""The CPU as a device: stock TensorFlow in float32, whatever the precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.base import DeviceInfo, SessionBase
from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import tensorflow_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales


class CpuSession(SessionBase):
    """A graph run by TensorFlow's float32 kernels, the literal graph, nothing quantised."""

    notes: tuple[str, ...] = ("stock TensorFlow float32: the precision is ignored",)

    def __init__(self, graph: FrozenGraph, fetches: Sequence[str]) -> None:
        self._runner = GraphRunner(graph, fetches)

    @property
    def device_seconds(self) -> float:
        """Time of the last run, in seconds."""
        return self._runner.seconds

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return one array per fetch."""
        return self._runner(feeds)

    def close(self) -> None:
        """Free the graph; what XLA compiled for its shapes stays for the next session."""
        self._runner.close()


class CpuDevice:
    """TensorFlow in float32, whatever the precision: more exact than that can be, so it does not conform."""

    runs_ahead = True

    def info(self) -> DeviceInfo:
        """Return what the device is."""
        framework = f"tensorflow {tensorflow_version()}"
        return DeviceInfo(kind="cpu", model="CPU", simulated=True, framework=framework)

    def open(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        *,
        precision: Precision,  # noqa: ARG002 - part of the interface
        scales: QuantizationScales,  # noqa: ARG002
        fuse: bool = True,  # noqa: ARG002
    ) -> CpuSession:
        """Load ``graph``; precision, scales and fusion do not matter here."""
        return CpuSession(graph, fetches)

    def close(self) -> None:
        """Nothing to free."""
