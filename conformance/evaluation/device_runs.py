"""Running a device that may do anything: what it returns is checked, what it raises becomes a finding."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conformance.devices.base import Unsupported
from conformance.devices.checked_run import checked_run
from conformance.errors import ConformanceError, GoldenError
from conformance.files import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.devices.base import Device, Session
    from conformance.networks import Network
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales


Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why a device gave no result: it declares that it cannot, or it broke."""

    state: Literal["unsupported", "broken"]
    reason: str


def problem_of(error: BaseException) -> Problem:
    """Return what an exception out of a device means.

    Raises:
        GoldenError: ``error`` is one, so it says nothing about the device.
    """
    if isinstance(error, GoldenError):
        raise error
    if isinstance(error, ConformanceError):
        reason = str(error) or f"the device raised {type(error).__name__} and said no more"
        return Problem("unsupported" if isinstance(error, Unsupported) else "broken", reason)
    return Problem("broken", f"the device raised {type(error).__name__}: {error}")


def problems_of(session: Session) -> dict[str, Problem]:
    """Return what a session that goes on without some of its fetches says of each of them."""
    return {name: problem_of(error) for name, error in getattr(session, "problems", {}).items()}


@dataclasses.dataclass
class Stopwatch:
    """Runs sessions; counts the runs, and adds up the wall time that was spent inside them, in seconds."""

    seconds: float = 0.0
    runs: int = 0

    def run(self, session: Session, feeds: Mapping[str, Array]) -> tuple[dict[str, Any], float]:
        """Return what the session returned, and the device time of the run in seconds.

        Raises:
            DeviceError: it returned no mapping, or a device time that is none.
        """
        started = time.perf_counter()
        self.runs += 1
        try:
            return checked_run(session, feeds)
        finally:
            self.seconds += time.perf_counter() - started


def digest(result: object) -> list[str]:
    """Return the SHA-256 of a result's bytes in a list, which is empty for what is no array of numbers."""
    if not isinstance(result, (np.ndarray, np.generic)) or result.dtype.hasobject:
        return []
    return [sha256(np.ascontiguousarray(result).reshape(-1).view(np.uint8).data)]


@dataclasses.dataclass(frozen=True)
class FusedOutputs:
    """What came out.

    Attributes:
        values: for each of the inputs what the device returned, by output; whatever that is.
        problems: by output, why nothing was returned.
    """

    values: list[dict[str, Any]]
    problems: dict[str, Problem] = dataclasses.field(default_factory=dict)


def fused_outputs(
    device: Device,
    network: Network,
    precision: Precision,
    scales: QuantizationScales,
    feeds: Sequence[Mapping[str, np.ndarray[Any, Any]]],
) -> FusedOutputs:
    """Run the fused network on each of the feeds; what the device does wrong is a problem, not an error."""
    outputs = [output.name for output in network.outputs]
    try:
        with device.open(network.graph, outputs, precision=precision, scales=scales) as session:
            values = [checked_run(session, fed)[0] for fed in feeds]
        return FusedOutputs(values, problems_of(session))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what a device raises is a finding about it
        problem = problem_of(error)
        return FusedOutputs([{} for _ in feeds], dict.fromkeys(outputs, problem))
