"""``mlu-conformance golden``: a network's goldens, and what an ideal device attains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.commands.arguments import add_network, add_options, golden_store, required_network
from conformance.commands.printing import note, say

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("golden", help="make a network's goldens and attainable errors")
    add_options(command, "golden_dir", "deadline")
    add_network(command)
    command.set_defaults(command=make_goldens)


def make_goldens(options: argparse.Namespace) -> None:
    """Make goldens and attainable errors, fresh or not, and print where they lie.

    Raises:
        GoldenError: they miss what the network accepts, so that no device could be judged by them.
    """
    from conformance.expected.attainable import read_attainable
    from conformance.expected.overflow import told
    from conformance.expected.preparation import prepare
    from conformance.expected.truth import refuse_wrong_goldens

    store = golden_store(required_network(options), options)
    prepare(store, only=("goldens", "bounds"))
    everything, key = len(store.manifest.nodes), len(store.manifest.key)
    say(f"{store.directory}: fingerprints and bounds of {everything} nodes, tensors of {key} key nodes")
    for sentence in told(read_attainable(store).overflow, [node.name for node in store.manifest.nodes]):
        note(sentence)
    refuse_wrong_goldens(store)
