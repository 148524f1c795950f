"""The argument of commands that work on a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.networks import FILE, Network, find_network

if TYPE_CHECKING:
    import argparse


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
