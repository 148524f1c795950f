"""``mlu-conformance nodes``: what a network is made of, which of its nodes are judged, and why."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from conformance import locations
from conformance.commands.arguments import add_network, add_options, required_network
from conformance.commands.printing import note, say
from conformance.errors import ConformanceError
from conformance.tables import aligned

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from conformance.commands import Commands
    from conformance.graph.explanations import OperatorCount
    from conformance.graph.selection import SelectableNode
    from conformance.graph.structure import Structure
    from conformance.networks import Network

CENSUS = ("operator", "count", "share", "on the MLU", "first node")
NODES = ("node", "operator", "why")
SHOWN = 3
"""How many nodes a note names."""
NUMBERS = frozenset({"count", "share"})
"""Columns that are aligned to the right."""


@dataclasses.dataclass(frozen=True)
class ListedNode:
    """A chosen node.

    Attributes:
        name: its name.
        op: its operator type.
        key: whether it is a key node.
        shape: of its first output; None for an unknown rank, with None for an unknown dimension.
        reasons: why it is a key node.
    """

    name: str
    op: str
    key: bool
    shape: tuple[int | None, ...] | None
    reasons: list[str]


@dataclasses.dataclass(frozen=True)
class Listing:
    """Everything that the command prints.

    Attributes:
        network: the network's name.
        operators: the census, rare operator types first.
        inputs: how many inputs there are.
        constants: how many nodes do not depend on an input.
        key: how many key nodes there are, chosen or not.
        nodes: the chosen nodes, producers first.
        scales: what is to be known of scales that the graph itself brings along, or cannot have.
        unmodelled: nodes whose numerics the emulator does not model.
        beyond: which of the ranges that the vendor documents judgeable nodes leave, as far as is known.
        overflow: what overflows even on an ideal half device, as far as is known.
    """

    network: str
    operators: list[OperatorCount]
    inputs: int
    constants: int
    key: int
    nodes: list[ListedNode]
    scales: list[str]
    unmodelled: list[str]
    beyond: list[str]
    overflow: list[str]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "nodes", help="count a network's operators, rare ones first, and list its key nodes, each with why"
    )
    add_options(command, "nodes")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    add_network(command)
    command.set_defaults(command=list_nodes)


def list_nodes(options: argparse.Namespace) -> None:
    """Print the census of operators, then name, operator and reasons of every chosen node."""
    listing = gather(required_network(options), options.nodes)
    if options.json:
        say(msgspec.json.format(msgspec.json.encode(listing)).decode())
        return
    for line in lines(listing):
        say(line)
    note(f"{len(listing.nodes)} nodes, {listing.key} of {listing.network} are key nodes")
    for told in (*listing.scales, *_coverage(listing), *listing.beyond, *listing.overflow):
        note(told)


def _coverage(listing: Listing) -> Iterator[str]:
    """Yield what the emulator does not model, if there is anything."""
    if listing.unmodelled:
        count = len(listing.unmodelled)
        more = f" and {count - SHOWN} more" if count > SHOWN else ""
        computed = sum(entry.count for entry in listing.operators)
        yield (
            f"{count} of {computed} nodes are not modelled: {', '.join(listing.unmodelled[:SHOWN])}{more}; "
            "on the emulator, what rests on them says nothing of a card"
        )


def gather(network: Network, pattern: str) -> Listing:
    """Find out everything that the command prints.

    Raises:
        UsageError: the pattern matches no node.
    """
    from conformance.graph.explanations import census, unmodelled_nodes
    from conformance.graph.own_scales import told_scales
    from conformance.graph.selection import select_nodes, selectable_nodes
    from conformance.graph.structure import Structure
    from conformance.quantization.calibration import told_loops

    structure = Structure(network.graph, network.key)
    nodes = {node.name: node for node in selectable_nodes(structure)}
    chosen = select_nodes(pattern, nodes.values(), network.name)
    return Listing(
        network.name,
        census(structure),
        len(network.graph.inputs),
        len(network.graph.nodes) - len(structure.live),
        sum(bool(node.reasons) for node in nodes.values()),
        [_listed(structure, nodes[name]) for name in chosen],
        [*told_scales(network.graph), *told_loops(network.graph)],
        unmodelled_nodes(structure),
        *_shown_by_goldens(network, structure),
    )


def _shown_by_goldens(network: Network, structure: Structure) -> tuple[list[str], list[str]]:
    """Return what an MLU270's vendor documents and the network leaves, and what overflows half.

    Of values where there are goldens.
    """
    from conformance.expected.attainable import read_attainable
    from conformance.expected.limits import Limits, told
    from conformance.expected.overflow import told as told_overflow
    from conformance.expected.roofline import MODEL
    from conformance.goldens import GoldenStore
    from conformance.graph.sums import static_shapes
    from conformance.precision import PRECISIONS

    try:
        known = read_attainable(GoldenStore(network, locations.GOLDENS))
        ranges, overflow = known.ranges, known.overflow
    except ConformanceError:  # a network may be looked at before it is prepared
        ranges, overflow = {}, {}
    limits = Limits(MODEL, network.graph, static_shapes(structure.types), ranges)
    outside = (item for precision in PRECISIONS for item in limits.outside(structure.judgeable, precision))
    return list(told(outside)), list(told_overflow(overflow, structure.judgeable))


def _listed(structure: Structure, node: SelectableNode) -> ListedNode:
    from conformance.graph.explanations import explained

    shape = structure.types[node.name][0].shape
    return ListedNode(node.name, node.op, bool(node.reasons), shape, explained(structure, node))


def lines(listing: Listing) -> Iterator[str]:
    """Return the listing as text: the census, then the chosen nodes."""
    census = [
        (entry.op, str(entry.count), f"{entry.share:.1%}", entry.treatment, entry.first)
        for entry in listing.operators
    ]
    yield from aligned([CENSUS, *census], NUMBERS)
    computed = sum(entry.count for entry in listing.operators)
    yield f"{computed} nodes compute on {listing.inputs} inputs; {listing.constants} more are constants"
    yield ""
    yield from aligned(
        [NODES, *((node.name, node.op, "; ".join(node.reasons) or "-") for node in listing.nodes)]
    )
