"""Arguments that several commands take, what they mean, and where commands print."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.devices.base import AUTO, DeviceRequest
from conformance.devices.registry import open_device
from conformance.errors import DeviceError, UsageError
from conformance.networks import FILE, Network, find_network
from conformance.options import pairs, seconds
from conformance.precision import PRECISIONS, parse_precision
from conformance.progress import Progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from conformance.devices.base import Device
    from conformance.precision import Precision


def add_device_options(command: argparse.ArgumentParser) -> None:
    """Add ``--device-option`` and ``--device-timeout``."""
    command.add_argument(
        "--device-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="for the device, such as python=PATH; may be given again",
    )
    command.add_argument(
        "--device-timeout",
        default="300",
        metavar="SECONDS",
        help="what compiling a graph, and running it, may take (default: 300)",
    )


def add_device(
    command: argparse.ArgumentParser, also: str = "", precision: str = "what the device computes in"
) -> None:
    """Add ``--device`` and everything that says more about it, and ``--precision``.

    Args:
        command: gets the arguments.
        also: what else ``--device`` takes here.
        precision: what ``--precision`` is.
    """
    command.add_argument(
        "--device",
        default=AUTO,
        metavar="NAME",
        help="auto (a card when one is visible, else the emulator), emulator, cpu, cambricon, "
        f"package.module:factory, or an entry point's name{also} (default: %(default)s)",
    )
    command.add_argument(
        "--profile",
        default=DeviceRequest().profile,
        metavar="NAME",
        help="the emulator's numeric profile: NAME or FILE.toml, then ,switch=value to turn switches "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--isolate",
        action="store_true",
        help="run the device in a process of its own, which may crash or hang",
    )
    add_device_options(command)
    names = ", ".join(map(str, PRECISIONS))
    command.add_argument("--precision", metavar="NAME", help=f"{precision}: {names}")


def device_request(options: argparse.Namespace) -> DeviceRequest:
    """Return the device that parsed arguments of :func:`add_device` ask for.

    Raises:
        UsageError: an option is not as it must be.
    """
    return DeviceRequest(
        options.device,
        profile=options.profile,
        options=pairs(options.device_option),
        timeout=seconds(options.device_timeout),
        isolate=options.isolate,
    )


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


def required_precision(options: argparse.Namespace) -> Precision:
    """Return the precision that parsed arguments ask for.

    Raises:
        UsageError: there is none, or it does not exist.
    """
    if options.precision is None:
        raise UsageError(f"--precision is missing; give one of {', '.join(map(str, PRECISIONS))}")
    return parse_precision(options.precision)


def add_network(command: argparse.ArgumentParser) -> None:
    """Add the positional argument ``network``."""
    command.add_argument("network", help=f"name below {locations.NETWORKS.name}/, or a directory with {FILE}")


def network_of(word: str) -> Network:
    """Return a network by name, or by directory when the word holds a separator or is one.

    Raises:
        UsageError: there is no such network, or its description is wrong.
    """
    path = Path(word)
    if os.sep in word or (path / FILE).exists():
        return Network(path)
    return find_network(word, locations.NETWORKS)


def say(text: str) -> None:
    """Print a line of the command's result."""
    print(text)


def note(text: str) -> None:
    """Print a line that is not part of the result, so that a pipe does not get it."""
    print(text, file=sys.stderr)


def progress() -> Progress:
    """Return a progress display that does not mix with the result."""
    return Progress(
        lambda text: print(text, end="", file=sys.stderr, flush=True),
        terminal=sys.stderr.isatty(),
    )
