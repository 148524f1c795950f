"""Running a device that may do anything: what it returns is checked, what it raises becomes a finding."""

from __future__ import annotations

import dataclasses
import math
import numbers
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from conformance.devices.base import Unsupported
from conformance.errors import ConformanceError, DeviceError, GoldenError
from conformance.files import sha256

if TYPE_CHECKING:
    from conformance.devices.base import Session

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


@dataclasses.dataclass
class Stopwatch:
    """Runs sessions, and adds up the wall time that was spent inside them, in seconds."""

    seconds: float = 0.0

    def run(self, session: Session, feeds: Mapping[str, Array]) -> tuple[dict[str, Any], float]:
        """Return what the session returned, and the device time of the run in seconds.

        Feeds are read-only: a device that writes into them would change what every later run is fed.

        Raises:
            DeviceError: it returned no mapping, or a device time that is none.
        """
        started = time.perf_counter()
        try:
            results = session.run({name: _read_only(value) for name, value in feeds.items()})
        finally:
            self.seconds += time.perf_counter() - started
        if not isinstance(results, Mapping):
            kind = type(results).__name__
            raise DeviceError(
                f"the device returned a {kind}, but should return a mapping of node name to array"
            )
        return dict(results), _device_seconds(session)


def digest(result: object) -> list[str]:
    """Return the SHA-256 of a result's bytes in a list, which is empty for what is no array of numbers."""
    if not isinstance(result, (np.ndarray, np.generic)) or result.dtype.hasobject:
        return []
    return [sha256(np.ascontiguousarray(result).reshape(-1).view(np.uint8).data)]


def _device_seconds(session: Session) -> float:
    seconds = session.device_seconds
    if not (isinstance(seconds, numbers.Real) and math.isfinite(seconds) and seconds >= 0):
        raise DeviceError(
            f"the device says that the run took {seconds!r} seconds, but should give a number >= 0"
        )
    return float(seconds)


def _read_only(value: Array) -> Array:
    view: Array = value.view()
    view.flags.writeable = False
    return view
