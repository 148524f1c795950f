"""The public interface of a device. Third parties, the fault tests and the hardware driver all use it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from conformance.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import numpy as np

    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales


@dataclasses.dataclass(frozen=True)
class DeviceInfo:
    """What a device is.

    Attributes:
        kind: ``emulator``, ``cpu``, ``cambricon``, or a third party's word.
        model: what it is or stands for, such as ``MLU270``.
        simulated: whether results come from anything but the card itself.
        driver, firmware, runtime, framework: versions, empty where there are none.
        profile: an emulator's numeric profile, with the switches that were changed.
    """

    kind: str
    model: str
    simulated: bool
    driver: str = ""
    firmware: str = ""
    runtime: str = ""
    framework: str = ""
    profile: str = ""


class Unsupported(DeviceError):  # noqa: N818 - a declaration, not a failure
    """A device declares that it does not offer this precision or operator."""


@runtime_checkable
class Session(Protocol):
    """A graph compiled by a device for one precision. A context manager."""

    def run(self, feeds: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Return one array per fetch; feeds are float32 arrays by placeholder name."""
        ...

    @property
    def device_seconds(self) -> float:
        """Device time of the last run, in seconds."""
        ...

    def close(self) -> None:
        """Free what the session holds; safe to call twice."""
        ...

    def __enter__(self) -> Session: ...  # noqa: PYI034 - Self is of Python 3.11

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Device(Protocol):
    """Anything that runs a frozen graph at a precision."""

    def info(self) -> DeviceInfo:
        """Return what the device is."""
        ...

    def open(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        *,
        precision: Precision,
        scales: QuantizationScales,
        fuse: bool = True,
    ) -> Session:
        """Compile ``graph`` for these fetches.

        Args:
            graph: its placeholders are the feeds.
            fetches: names of nodes whose first output is returned; fetching inside a graph breaks fusion
                there.
            precision: fixed-point width × float width.
            scales: quantisation scales of every fixed-point operator.
            fuse: False runs layer by layer.

        Raises:
            Unsupported: the device does not offer this.
            DeviceError: it should, but fails.
        """
        ...

    def close(self) -> None:
        """Free the device; safe to call twice."""
        ...


class SessionBase:
    """A session's context manager, to inherit; also notes for the run's report."""

    notes: tuple[str, ...] = ()

    def close(self) -> None:
        """Free nothing, by default."""

    def __enter__(self) -> Any:  # noqa: ANN401 - Self, in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
