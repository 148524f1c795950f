"""``mlu-conformance golden``: a network's goldens, and what an ideal device attains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance import locations
from conformance.commands.arguments import add_network, add_options, required_network
from conformance.commands.printing import progress, say
from conformance.precision import FIXED_BITS

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("golden", help="make a network's goldens and attainable errors")
    add_options(command, "golden_dir")
    add_network(command)
    command.set_defaults(command=make_goldens)


def make_goldens(options: argparse.Namespace) -> None:
    """Make goldens and attainable errors, and print where they lie."""
    from conformance.devices.emulator.profile import read_profile
    from conformance.expected.attainable import make_attainable
    from conformance.goldens import GoldenStore
    from conformance.quantization.files import read_scales

    network = required_network(options)
    scales = {bits: read_scales(network.directory, bits, network.graph) for bits in FIXED_BITS}
    shown = progress()
    store = GoldenStore(network, options.golden_dir or locations.GOLDENS, shown)
    manifest = store.create()
    make_attainable(store, scales, read_profile(locations.IDEAL, locations.DEVICES), shown)
    everything, key = len(manifest.nodes), len(manifest.key)
    say(f"{store.directory}: fingerprints and bounds of {everything} nodes, tensors of {key} key nodes")
