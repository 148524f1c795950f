"""Any device in a process of its own, which may crash, hang or end without taking the run with it."""

from __future__ import annotations

import copy
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.devices.base import NOTHING_HOSTED, DeviceInfo, Hosted
from conformance.devices.worker.halving import SurvivingSession
from conformance.devices.worker.host import Launch, WorkerHost
from conformance.devices.worker.session import RemoteSession, probe
from conformance.errors import DeviceError
from conformance.precision import PRECISIONS
from conformance.quantization.parameter_file import QuantizationScales

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.devices.base import DeviceRequest
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision

MODULE = "conformance.devices.isolated.child"


class IsolatedDevice:
    """A device that lives in a child process of this Python, found there by the same request.

    Args:
        request: what the user asks for.

    Raises:
        UsageError, InfrastructureError: the device cannot be had.
    """

    def __init__(self, request: DeviceRequest) -> None:
        hello = {
            "name": request.name,
            "profile": request.profile,
            "profiles": str(request.profiles),
            "options": dict(request.options),
        }
        self._launch = Launch(
            what=f"the process of device {request.name!r}",
            command=(sys.executable, "-m", MODULE),
            environment=_environment(),
            hello=hello,
            name="device",
        )
        self._hosted = NOTHING_HOSTED
        self._host = WorkerHost(request.timeout, _probe)
        try:
            self._host.ready(self._launch)
            self._info = _info(self._host.greeting)
        except BaseException:
            self.close()
            raise

    def info(self) -> DeviceInfo:
        """Return what the device says of itself."""
        return self._info

    def open(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        *,
        precision: Precision,
        scales: QuantizationScales,
        fuse: bool = True,
    ) -> SurvivingSession:
        """Compile ``graph`` in the child; see :class:`conformance.devices.base.Device`."""
        opening = _opening(precision, scales, fuse=fuse, hosted=self._hosted)
        part = functools.partial(RemoteSession, self._host, self._launch, opening=opening)
        return SurvivingSession(graph, fetches, part)

    def hosting(self, hosted: Hosted) -> IsolatedDevice:
        """Return the same child, whose device leaves some operators to the host."""
        other = copy.copy(self)
        other._hosted = hosted  # noqa: SLF001 - a copy of itself
        return other

    def keep_logs(self, directory: Path) -> None:
        """Write what the child prints into files of ``directory``."""
        self._host.keep_logs(directory)

    def close(self) -> None:
        """End the child; safe to call twice."""
        self._host.close()


def _environment() -> dict[str, str]:
    """Return an environment in which the child imports what this process would, and nothing else.

    ``-m`` puts the working directory first, where a file of the user may hide a module of that name.
    """
    paths = [entry or str(Path.cwd()) for entry in sys.path]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}


def _opening(
    precision: Precision, scales: QuantizationScales, *, fuse: bool, hosted: Hosted = NOTHING_HOSTED
) -> dict[str, Any]:
    return {
        "precision": str(precision),
        "scales": {
            "bits": scales.bits,
            "mode": scales.mode,
            "scales": dict(scales.scales),
            "convfirst": scales.convfirst,
        },
        "fuse": fuse,
        "hosted": {"operators": sorted(hosted.operators), "nodes": sorted(hosted.nodes)},
    }


def _probe(host: WorkerHost, launch: Launch) -> None:
    """Check the child by an addition at the most exact precision."""
    precision = PRECISIONS[-1]
    probe(host, launch, _opening(precision, QuantizationScales(precision.fixed_bits, {}), fuse=True))


def _info(greeting: Mapping[str, Any]) -> DeviceInfo:
    try:
        return msgspec.convert(greeting.get("info"), DeviceInfo)
    except msgspec.ValidationError as error:
        raise DeviceError(f"the device's process does not say what it is: {error}") from error
