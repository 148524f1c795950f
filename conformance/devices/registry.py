"""Finding a device by the word that a user gives for it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import importlib.metadata
import inspect
import operator
from typing import TYPE_CHECKING, Any

from conformance.devices.base import AUTO, CAMBRICON, CPU, EMULATOR, Device, DeviceInfo, DeviceRequest
from conformance.errors import ConformanceError, DeviceError, InfrastructureError, UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BUILT_IN = (AUTO, EMULATOR, CPU, CAMBRICON)

ENTRY_POINTS = "conformance.devices"


def request_of(options: Any) -> DeviceRequest:
    """Return the device that options of the table, by their names as attributes, ask for."""
    return DeviceRequest(
        options.device,
        profile=options.profile,
        options=options.device_option,
        timeout=options.device_timeout,
        isolate=options.isolate,
    )


def automatic() -> str:
    """Return the driver of a visible card, which never falls back to the emulator, or the emulator."""
    from conformance.devices.cambricon.cards import survey

    return CAMBRICON if survey().cards else EMULATOR


def open_device(request: DeviceRequest) -> Device:
    """Return the device that a user asks for.

    Raises:
        UsageError: the name, module, factory, profile or an option is unknown.
        InfrastructureError: the device exists but cannot be had.
    """
    name = automatic() if request.name == AUTO else request.name
    if name == CAMBRICON:
        from conformance.devices.cambricon.driver import CambriconDevice

        return CambriconDevice(request.options, timeout=request.timeout)
    if request.isolate:
        from conformance.devices.isolated.parent import IsolatedDevice

        return IsolatedDevice(dataclasses.replace(request, name=name, isolate=False))
    return _in_this_process(name, request)


@contextlib.contextmanager
def opened_device(request: DeviceRequest) -> Iterator[Device]:
    """Open a device for as long as a block lasts, and close it whatever happens there.

    Raises:
        UsageError, InfrastructureError: it cannot be had.
        DeviceError: it cannot be closed after a block that went well.
    """
    device = open_device(request)
    try:
        yield device
    except BaseException:
        with contextlib.suppress(Exception):  # the error on its way out says more
            device.close()
        raise
    try:
        device.close()
    except Exception as error:
        raise DeviceError(f"the device could not be closed: {type(error).__name__}: {error}") from error


def _in_this_process(name: str, request: DeviceRequest) -> Device:
    if name in (EMULATOR, CPU):
        return _built_in(name, request)
    factory = _factory(name)
    arguments = {key.replace("-", "_"): value for key, value in request.options.items()}
    _check_arguments(factory, arguments, name)
    return _made(functools.partial(factory, **arguments), name)


def _check_arguments(factory: Callable[..., object], arguments: Mapping[str, str], name: str) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return  # it has none, as some built-in callables
    try:
        signature.bind(**arguments)
    except TypeError as error:
        given = ", ".join(arguments) or "nothing"
        raise UsageError(
            f"device {name!r} cannot be made with what --device-option gives it ({given}): {error}; give "
            "what its factory takes"
        ) from error


def _built_in(name: str, request: DeviceRequest) -> Device:
    from conformance.devices.cpu import CpuDevice
    from conformance.devices.emulator.emulator import EmulatorDevice
    from conformance.devices.emulator.profile import read_profile

    if request.options:
        given = ", ".join(request.options)
        raise UsageError(f"device {name!r} takes no --device-option, but got {given}; drop it")
    if name == CPU:
        return CpuDevice()
    return EmulatorDevice(read_profile(request.profile, request.profiles))


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
    except (Exception, SystemExit) as error:
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
