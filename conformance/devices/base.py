"""The public interface of a device. Third parties, the fault tests and the hardware driver all use it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence  # noqa: TC003 - msgspec looks at the types of DeviceInfo
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from conformance import locations
from conformance.errors import DeviceError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    import numpy as np

    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

AUTO, EMULATOR, CPU, CAMBRICON = "auto", "emulator", "cpu", "cambricon"


@dataclasses.dataclass(frozen=True)
class DeviceInfo:
    """What a device is.

    Attributes:
        kind: ``emulator``, ``cpu``, ``cambricon``, or a third party's word.
        model: what it is or stands for, such as ``MLU270``.
        simulated: whether results come from anything but the card itself.
        driver, firmware, runtime, framework: versions, empty where there are none.
        profile: an emulator's numeric profile, with the switches that were changed.
        serial: the card's serial number.
        settings: what else decides results, by precision: environment and options that the framework sees.
    """

    kind: str
    model: str
    simulated: bool
    driver: str = ""
    firmware: str = ""
    runtime: str = ""
    framework: str = ""
    profile: str = ""
    serial: str = ""
    settings: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


class DeviceLost(DeviceError):
    """The device is gone for good: nothing that follows could be judged, so the run ends here."""


class Unsupported(DeviceError):
    """A device declares that it does not offer this precision or operator."""


@runtime_checkable
class Session(Protocol):
    """A graph compiled by a device for one precision. A context manager; see :class:`SessionBase`."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of the run's report should know."""
        ...

    @property
    def problems(self) -> Mapping[str, DeviceError]:
        """Why a fetch is missing from the results, by its name: the device cannot or did break there."""
        ...

    @property
    def incidents(self) -> Sequence[str]:
        """Failures that no single fetch is to blame for; any of them fails the run."""
        ...

    @property
    def unmodelled(self) -> Sequence[str]:
        """Nodes of the graph whose numerics a software device does not model, so that they say nothing."""
        ...

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

    def __enter__(self) -> Session: ...

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


@dataclasses.dataclass(frozen=True)
class Hosted:
    """What a device leaves to the host CPU, which computes it in float32.

    Attributes:
        operators: operator types, all nodes of them.
        nodes: names of single nodes.
    """

    operators: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()

    def nodes_of(self, graph: FrozenGraph) -> frozenset[str]:
        """Return the names of the nodes of ``graph`` that this means."""
        return frozenset(
            name for name, node in graph.nodes.items() if name in self.nodes or node.op in self.operators
        )


NOTHING_HOSTED = Hosted()


@runtime_checkable
class Hosts(Protocol):
    """A device that can leave operators to the host."""

    def hosting(self, hosted: Hosted) -> Device:
        """Return the same device with these left to the host; it is closed with the device it came from.

        Raises:
            Unsupported: it cannot leave just these to the host.
        """
        ...


@runtime_checkable
class KeepsLogs(Protocol):
    """A device whose processes print; it is told where a run keeps its files."""

    def keep_logs(self, directory: Path) -> None:
        """Write what the device's processes print, from now on, into files of ``directory``."""
        ...


@runtime_checkable
class TellsState(Protocol):
    """A device that can say how it is: its clock, its temperature."""

    def state(self) -> dict[str, float]:
        """Return figures by name and unit, such as ``temperature_celsius``; none that are not known."""
        ...


@runtime_checkable
class RunsAhead(Protocol):
    """A device that may run a session in a thread while the results of its last run are read.

    Those results must stay as they are meanwhile. One run goes on at a time, and beside it one session is
    opened in another thread.
    """

    runs_ahead: bool


class SessionBase:
    """A session to inherit from: a context manager that has nothing to say of its runs."""

    notes: Sequence[str] = ()
    problems: Mapping[str, DeviceError] = MappingProxyType({})
    incidents: Sequence[str] = ()
    unmodelled: Sequence[str] = ()

    def close(self) -> None:
        """Free nothing, by default."""

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclasses.dataclass(frozen=True)
class DeviceRequest:
    """What the user asks for.

    Attributes:
        name: ``auto`` (a card when one is visible, else the emulator), ``emulator``, ``cpu``, ``cambricon``,
            ``package.module:factory``, or the name of an entry point in ``conformance.devices``.
        profile: the emulator's profile, ``NAME[,switch=value…]``.
        options: of the device; a factory gets them as keyword arguments.
        timeout: seconds that a device in a process of its own may take to compile a graph, and to run it.
        isolate: whether the device is to run in a process of its own.
        profiles: directory of profiles.
    """

    name: str = AUTO
    profile: str = "mlu270"
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    timeout: float = 300.0
    isolate: bool = False
    profiles: Path = locations.DEVICES
