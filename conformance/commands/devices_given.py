"""Arguments of commands that work with a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


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
