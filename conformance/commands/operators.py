"""``mlu-conformance operators``: which operators are tested by themselves, and what of a network is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from conformance import locations
from conformance.commands.arguments import add_network, network_of
from conformance.commands.printing import note, say
from conformance.networks import find_network, network_at, network_names
from conformance.precision import PRECISIONS
from conformance.tables import aligned

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from conformance.commands import Commands
    from conformance.networks import Network
    from conformance.operators.covered import CoveredOperator

COLUMNS = ("operator", *map(str, PRECISIONS), "networks")


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "operators",
        help="list the operators that are tested by themselves, or what of a network no such test covers",
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    add_network(command)
    command.set_defaults(command=list_operators)


def list_operators(options: argparse.Namespace) -> None:
    """Print the table of operators; of a network, what is covered by nothing.

    Raises:
        UsageError: there is no such network.
    """
    named = "network" in options.given or options.network_path is not None
    if named:
        found = (
            network_of(options.network) if options.network_path is None else network_at(options.network_path)
        )
        _tell_network(found.trusting(options.trust_graph), as_json=options.json)
        return
    from conformance.operators.covered import covered

    rows, used = covered(), used_operators()
    if options.json:
        say(msgspec.json.format(msgspec.json.encode({"operators": rows, "networks": used})).decode())
        return
    for line in lines(rows, used):
        say(line)
    tested = [row for row in rows if row.tested]
    types = len({row.op for row in tested})
    note(f"{len(tested)} tests of {types} operator types; -m 'mlu and operators' runs them")


def _tell_network(network: Network, *, as_json: bool) -> None:
    from conformance.operators.covered import not_covered

    found = list(not_covered(network.graph))
    if as_json:
        say(msgspec.json.encode({"network": network.name, "not_covered": found}).decode())
        return
    for line in found:
        say(line)
    note(f"{network.name}: {len(found)} operators or values of attributes that no test of operators covers")


def used_operators() -> dict[str, list[str]]:
    """Return the operator types of each of the project's networks."""
    return {
        name: sorted({node.op for node in find_network(name, locations.NETWORKS).graph.nodes.values()})
        for name in network_names(locations.NETWORKS)
    }


def lines(rows: Sequence[CoveredOperator], used: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Return the table as text."""
    yield from aligned([COLUMNS, *cells(rows, used)])


def cells(rows: Sequence[CoveredOperator], used: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the table, row by row."""
    for row in rows:
        networks = ", ".join(name for name, operators in used.items() if row.op in operators)
        states = (_state(row, str(precision)) for precision in PRECISIONS)
        yield (row.name, *states, networks or "-")


def _state(row: CoveredOperator, precision: str) -> str:
    """Return in words: tested or not, modelled or not, and which limits are documented."""
    modelled = precision in row.modelled
    words = ["tested" if row.tested else "not tested", *([] if modelled else ["not modelled"])]
    return ", ".join([*words, *row.limits[precision]])
