"""Opening and running a session of any device: what comes out is checked before it is believed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from conformance.errors import DeviceError

if TYPE_CHECKING:
    from conformance.devices.base import Session

Array = np.ndarray[Any, Any]

MEMBERS = ("run", "close", "notes", "problems", "incidents", "unmodelled")


def checked_session(session: object) -> Session:
    """Return what a device opened, if it is a session.

    Raises:
        DeviceError: it lacks a member of :class:`conformance.devices.base.Session`.
    """
    missing = [name for name in MEMBERS if not hasattr(session, name)]
    if missing:
        raise DeviceError(
            f"the device opened an object of type {type(session).__name__}, which lacks {missing[0]}; let it "
            "inherit SessionBase of conformance.devices.base"
        )
    return cast("Session", session)


def checked_run(session: Session, feeds: Mapping[str, Array]) -> tuple[dict[str, Any], float]:
    """Return what a session returned, and the device time of the run in seconds.

    Feeds are read-only: a device that writes into them would change what every later run is fed.

    Raises:
        DeviceError: it returned no mapping, or a device time that is none.
    """
    results = session.run({name: _read_only(value) for name, value in feeds.items()})
    if not isinstance(results, Mapping):
        kind = type(results).__name__
        raise DeviceError(f"the device returned a {kind}, but should return a mapping of node name to array")
    return dict(results), _device_seconds(session)


def _device_seconds(session: Session) -> float:
    seconds = session.device_seconds
    if not (isinstance(seconds, numbers.Real) and math.isfinite(seconds) and seconds >= 0):
        raise DeviceError(
            f"the device says that the run took {seconds!r} seconds, but should give a number >= 0"
        )
    return float(seconds)


def _read_only(value: Array) -> Array:
    view: Array = np.asarray(value).view()
    view.flags.writeable = False
    return view
