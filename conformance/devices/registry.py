"""Finding a device by the word that a user gives for it."""

from __future__ import annotations

import importlib
import importlib.metadata
import operator
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.devices.base import Device, DeviceInfo
from conformance.errors import ConformanceError, InfrastructureError, UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Callable

AUTO = "auto"
BUILT_IN = (AUTO, "emulator", "cpu", "cambricon")
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
        raise InfrastructureError(
            "device 'cambricon' has no driver in this version; choose --device=emulator"
        )
    return _made(_factory(request), request)


def _automatic(cards: list[Path]) -> str:
    if cards:
        raise InfrastructureError(
            f"a card is visible ({cards[0]}), but this version has no driver for it; give --device=emulator "
            "to judge the emulator on purpose"
        )
    return "emulator"


def _emulator(profile: str, profiles: Path) -> Device:
    from conformance.devices.emulator.device import EmulatorDevice
    from conformance.devices.emulator.profile import read_profile

    return EmulatorDevice(read_profile(profile, profiles))


def _factory(request: str) -> Callable[[], object]:
    if ":" in request:
        return _loaded(request, lambda: _imported(request))
    points = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if request not in points:
        known = [*BUILT_IN, *points]
        raise UsageError(
            f"device {request!r} is unknown{near_names(request, known)}; give a known one or "
            "package.module:factory"
        )
    return _loaded(request, points[request].load)


def _imported(request: str) -> object:
    module_name, _, name = request.partition(":")
    return operator.attrgetter(name)(importlib.import_module(module_name))


def _loaded(request: str, load: Callable[[], object]) -> Callable[[], object]:
    try:
        factory = load()
    except Exception as error:
        hint = "; put its directory on PYTHONPATH" if isinstance(error, ModuleNotFoundError) else ""
        raise UsageError(
            f"device {request!r} cannot be imported: {type(error).__name__}: {error}{hint}"
        ) from error
    if not callable(factory):
        raise UsageError(
            f"device {request!r} is not callable; name a function or class that returns a Device"
        )
    return factory


def _made(factory: Callable[[], object], request: str) -> Device:
    """Call a factory that someone else wrote, and check what it returns as far as one can from outside."""
    device = _called(factory, f"device {request!r} could not be made")
    if not isinstance(device, Device):
        raise UsageError(
            f"device {request!r} returned an object of type {type(device).__name__}, which lacks info, open "
            "or close"
        )
    info = _called(device.info, f"device {request!r} does not say what it is")
    if not (isinstance(info, DeviceInfo) and isinstance(info.simulated, bool)):
        raise UsageError(
            f"device {request!r} says that it is {info!r}, but should return a complete DeviceInfo"
        )
    return device


def _called(function: Callable[[], object], failure: str) -> object:
    try:
        return function()
    except ConformanceError:
        raise
    except (Exception, SystemExit) as error:
        raise InfrastructureError(f"{failure}: {type(error).__name__}: {error}") from error
