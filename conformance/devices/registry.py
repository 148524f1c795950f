"""Finding a device by the word that a user gives for it."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.devices.base import Device
from conformance.errors import ConformanceError, InfrastructureError, UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Callable

AUTO = "auto"
ENTRY_POINTS = "conformance.devices"
CARDS = "cambricon_dev[0-9]*"


def visible_cards(directory: Path = Path("/dev")) -> list[Path]:
    """Return the device files of the Cambricon cards that this machine shows."""
    return sorted(directory.glob(CARDS))


def open_device(request: str, profile: str, profiles: Path, *, cards: Path = Path("/dev")) -> Device:
    """Return the device that ``--device`` asks for.

    Args:
        request: ``auto`` (a card when one is visible, else the emulator), ``emulator``, ``cpu``,
            ``package.module:factory``, or the name of an entry point in ``conformance.devices``.
        profile: the emulator's profile, ``NAME[,switch=value…]``.
        profiles: directory of profiles.
        cards: directory of device files.

    Raises:
        UsageError: the name, module, factory or profile is unknown.
        InfrastructureError: the device exists but cannot be had.
    """
    if request == AUTO:
        request = _automatic(visible_cards(cards))
    if request == "emulator":
        return _emulator(profile, profiles)
    if request == "cpu":
        from conformance.devices.cpu import CpuDevice

        return CpuDevice()
    if request == "cambricon":
        raise InfrastructureError("device 'cambricon' has no driver in this version; choose --device emulator")
    return _made(_factory(request), request)


def _automatic(cards: list[Path]) -> str:
    if cards:
        raise InfrastructureError(
            f"a card is visible ({cards[0]}), but this version has no driver for it; choose --device emulator to "
            "judge the emulator on purpose"
        )
    return "emulator"


def _emulator(profile: str, profiles: Path) -> Device:
    from conformance.devices.emulator.device import EmulatorDevice
    from conformance.devices.emulator.profile import read_profile

    return EmulatorDevice(read_profile(profile, profiles))


def _factory(request: str) -> Callable[[], object]:
    if ":" in request:
        return _imported(request)
    points = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if request not in points:
        known = [AUTO, "emulator", "cpu", "cambricon", *points]
        raise UsageError(
            f"device {request!r} is unknown{near_names(request, known)}; give one of these or package.module:factory"
        )
    return _imported(points[request].value)


def _imported(request: str) -> Callable[[], object]:
    module_name, _, name = request.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"device {request!r} cannot be imported: {error}") from error
    if not callable(factory):
        raise UsageError(f"device {request!r} is not callable; name a function or class that returns a Device")
    return factory  # type: ignore[no-any-return]


def _made(factory: Callable[[], object], request: str) -> Device:
    try:
        device = factory()
    except ConformanceError:
        raise
    except Exception as error:
        raise InfrastructureError(f"device {request!r} could not be made: {type(error).__name__}: {error}") from error
    if not isinstance(device, Device):
        raise UsageError(f"device {request!r} returned a {type(device).__name__}, which lacks info, open or close")
    return device
