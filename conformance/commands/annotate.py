"""``mlu-conformance annotate``: what a run found, as attributes of the frozen graph, to be seen in Netron."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.arguments import add_option, network_of
from conformance.commands.printing import say
from conformance.errors import UsageError
from conformance.precision import parse_precision
from conformance.report.annotation import annotated
from conformance.runs.directory import RECORDS, read_environment, read_records
from conformance.runs.networks import judged_graph, network_of_run

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.networks import Network
    from conformance.runs.environment import Environment
    from conformance.runs.records import Record


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "annotate", help="write a run's network with each judged node's outcome and errors, for Netron"
    )
    command.add_argument("run", type=Path, metavar="RUN", help="the --run-dir of a finished run")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.pb", help="the frozen graph to write"
    )
    add_option(command, "precision", also="; only what was judged at it (default: all)")
    command.add_argument(
        "--network", help="name or directory of the network (default: where the run had it from)"
    )
    command.set_defaults(command=write_annotated)


def write_annotated(options: argparse.Namespace) -> None:
    """Write the annotated graph, whole or not at all.

    Raises:
        UsageError: the run cannot be read, does not fit the network, or the file cannot be written.
    """
    environment = read_environment(options.run)
    network = _network(environment, options.run, options.network)
    _check_output(options.output, network)
    records = _of_network(_records(options.run, options.precision), network, options.run)
    judged = judged_graph(environment, network.name)
    graph = annotated(network.graph, records, str(options.run), judged)
    try:
        files = graph.save(options.output)
    except OSError as error:
        raise UsageError(
            f"{options.output} cannot be written ({error.strerror or error}); name another file with --output"
        ) from error
    nodes = len({record.node for record in records})
    beside = f" (its arrays lie in {files[0].parent})" if files[1:] else ""
    say(f"{options.output}{beside}: {nodes} nodes of {network.name} carry what {len(records)} records say")


def _records(run: Path, precision: str | None) -> list[Record]:
    """Return the records of a run, of one precision or of all."""
    records = read_records(run)
    if not records:
        raise UsageError(f"{run / RECORDS} is empty: the run judged nothing; name a run that did")
    if precision is None:
        return records
    wanted = str(parse_precision(precision))
    chosen = [record for record in records if record.precision == wanted]
    if not chosen:
        known = ", ".join(dict.fromkeys(record.precision for record in records))
        raise UsageError(f"run {run} judged nothing at {wanted}; it has {known}")
    return chosen


def _network(environment: Environment, run: Path, given: str | None) -> Network:
    """Return the network that the user names, else that of the run; its graph is written, and never runs."""
    if given is not None:
        return network_of(given).trusting()
    try:
        return network_of_run(environment, run, trusted=True)
    except UsageError as error:
        raise UsageError(f"{error}, or give --network") from error


def _check_output(path: Path, network: Network) -> None:
    """Refuse to write over the network's own graph."""
    graph = network.directory / network.description.network.graph
    if path.resolve() == graph.resolve():
        raise UsageError(f"{path} is the graph of network {network.name!r} itself; name another file")


def _of_network(records: list[Record], network: Network, run: Path) -> list[Record]:
    """Return the records of one network."""
    chosen = [record for record in records if record.network == network.name]
    if not chosen:
        known = ", ".join(dict.fromkeys(record.network for record in records))
        raise UsageError(
            f"run {run} judged network {known}, but {network.directory} is {network.name!r}; give the right "
            "--network"
        )
    return chosen
