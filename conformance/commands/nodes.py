"""``mlu-conformance nodes``: which nodes of a network are judged, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.commands.networks import add_network, network_of
from conformance.commands.terminal import note, say

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "nodes", help="list the key nodes of a network, each with the reasons for it"
    )
    command.add_argument("--nodes", default="key", help="key, all, a name or a glob (default: %(default)s)")
    add_network(command)
    command.set_defaults(command=list_nodes)


def list_nodes(options: argparse.Namespace) -> None:
    """Print name, operator and reasons of every chosen node."""
    from conformance.graph.selection import judgeable_nodes, key_nodes, select

    network = network_of(options.network)
    key = key_nodes(network.graph)
    chosen = select(options.nodes, judgeable_nodes(network.graph), key, network.name)
    operators = [network.graph.nodes[name].op for name in chosen]
    width, op_width = (max(map(len, texts), default=0) for texts in (chosen, operators))
    for name, op in zip(chosen, operators, strict=True):
        say(f"{name:<{width}}  {op:<{op_width}}  {', '.join(key.get(name, ['-']))}")
    note(f"{len(chosen)} nodes, {len(key)} of {network.name} are key nodes")
