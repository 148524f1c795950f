"""``mlu-conformance golden``: a network's goldens, and what an ideal device attains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.commands.arguments import add_network, network_of, progress, say

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("golden", help="make a network's goldens and attainable errors")
    command.add_argument("--golden-dir", type=Path, default=locations.GOLDENS, help="default: %(default)s")
    add_network(command)
    command.set_defaults(command=make_goldens)


def make_goldens(options: argparse.Namespace) -> None:
    """Make goldens and attainable errors, fresh or not, and print where they lie."""
    from conformance.expected.preparation import prepare
    from conformance.goldens import GoldenStore

    store = GoldenStore(network_of(options.network), options.golden_dir, progress())
    prepare(store, only=("goldens", "bounds"))
    everything, key = len(store.manifest.nodes), len(store.manifest.key)
    say(f"{store.directory}: fingerprints and bounds of {everything} nodes, tensors of {key} key nodes")
