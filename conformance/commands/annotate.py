"""``mlu-conformance annotate``: what a run found, as attributes of the frozen graph, to be seen in Netron."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance.annotation import annotated
from conformance.commands.networks import network_of
from conformance.commands.terminal import say
from conformance.errors import UsageError
from conformance.precision import parse_precision
from conformance.runs.directory import ENVIRONMENT, RECORDS, read_environment, read_records

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.networks import Network
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
    command.add_argument("--precision", help="only what was judged at this precision, such as int8-fp16")
    command.add_argument(
        "--network", help="name or directory of the network (default: where the run had it from)"
    )
    command.set_defaults(command=write_annotated)


def write_annotated(options: argparse.Namespace) -> None:
    """Write the annotated graph, whole or not at all.

    Raises:
        UsageError: the run cannot be read, does not fit the network, or the file cannot be written.
    """
    records = _records(options.run, options.precision)
    network = _network(options.run, options.network)
    _check_output(options.output, network)
    _require_one_network(records, network, options.run)
    judged = read_environment(options.run).graph_sha256
    graph = annotated(network.graph, records, str(options.run), judged)
    try:
        graph.save(options.output)
    except OSError as error:
        raise UsageError(
            f"{options.output} cannot be written ({error.strerror or error}); name another file with --output"
        ) from error
    nodes = len({record.node for record in records})
    say(f"{options.output}: {nodes} nodes of {network.name} carry what {len(records)} records say")


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


def _network(run: Path, given: str | None) -> Network:
    """Return the network that the user names, else the one that the run's environment names."""
    if given is not None:
        return network_of(given)
    options = read_environment(run).options
    word = options.get("network_path") or options.get("network")
    if not isinstance(word, str):
        raise UsageError(f"{run / ENVIRONMENT} does not say which network was judged; give --network")
    try:
        network = network_of(word)
        return network.with_weights(Path(options["weights"])) if options.get("weights") else network
    except UsageError as error:
        raise UsageError(f"{error}: run {run} had it there; say with --network where it is now") from error


def _check_output(path: Path, network: Network) -> None:
    """Refuse to write over the network's own graph."""
    graph = network.directory / network.description.network.graph
    if path.resolve() == graph.resolve():
        raise UsageError(f"{path} is the graph of network {network.name!r} itself; name another file")


def _require_one_network(records: list[Record], network: Network, run: Path) -> None:
    for record in records:
        if record.network != network.name:
            raise UsageError(
                f"run {run} judged network {record.network!r}, but {network.directory} is {network.name!r}; "
                "give the right --network"
            )
