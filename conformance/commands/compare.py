"""``mlu-conformance compare``: two dumps, two files, or either with a network's goldens."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.arguments import (
    add_list,
    add_option,
    add_options,
    golden_store,
    network_of,
    sample_number,
)
from conformance.commands.printing import STANDARD_OUTPUT, note, progress, say, write_json
from conformance.errors import UsageError

if TYPE_CHECKING:
    from conformance.commands import Commands
    from conformance.dumps.comparison_report import ComparisonReport
    from conformance.dumps.tensors import Side


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("compare", help="compare two dumps, two files, or one of them with goldens")
    command.add_argument(
        "first", type=Path, help="a dump's directory, a .npy, .npz or .txt file, or what Polygraphy saved"
    )
    command.add_argument("second", type=Path, nargs="?", help="another one")
    command.add_argument("--goldens", metavar="NETWORK", help="compare with this network's goldens instead")
    add_options(command, "golden_dir")
    add_option(command, "sample", also="; also which one it is where a file does not say (default: all)")
    limit = "least cosine, or largest mse, max_abs or worst_channel_mse, else exit 1; may be given again"
    add_list(command, "--limit", "CRITERION=NUMBER", limit)
    command.add_argument(
        "--sort",
        choices=("worst", "graph"),
        default="worst",
        help="order of the table (default: %(default)s)",
    )
    command.add_argument(
        "--histograms",
        type=_count,
        default=3,
        metavar="N",
        help="tensors, the worst first, whose errors are shown as bars (default: %(default)s)",
    )
    command.add_argument(
        "--json", metavar="FILE", help="write all of it to FILE; - for standard output alone"
    )
    command.set_defaults(command=compare)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no count; give one like 3")
    return int(text)


def compare(options: argparse.Namespace) -> None:
    """Compare, print or write what was found, and say by the exit code whether the limits are kept.

    Raises:
        Deviation: the sides differ in NaN or Inf, or by more than a limit.
        Inconclusive: the formats are too coarse for a limit.
        UsageError: the sides cannot be compared.
    """
    from conformance.dumps.comparison import parse_limits
    from conformance.dumps.comparison_report import compare_sides
    from conformance.dumps.sources import side_of

    limits = parse_limits(options.limit)
    second = _second(options)
    sample = None if options.sample is None else sample_number(options.sample)
    found = compare_sides(side_of(options.first), second, limits, sample=sample, progress=progress())
    if options.json != STANDARD_OUTPUT:
        _print(found, options)
    if options.json is not None:
        write_json(found, options.json)
    found.conclude()
    note(f"{len(found.tensors)} compared, {'all within the limits' if limits else 'no limits were given'}")


def _second(options: argparse.Namespace) -> Side:
    if (options.second is None) == (options.goldens is None):
        raise UsageError("give two things to compare, or one and --goldens NETWORK")
    if options.second is not None:
        from conformance.dumps.sources import side_of

        return side_of(options.second)
    from conformance.dumps.sources import goldens_side

    return goldens_side(golden_store(network_of(options.goldens), options))


def _print(found: ComparisonReport, options: argparse.Namespace) -> None:
    from conformance.dumps.table import details, remarks, table

    worst = found.worst_first
    for line in table(worst if options.sort == "worst" else found.tensors):
        say(line)
    for item in worst[: options.histograms]:
        for line in ("", *details(item)):
            say(line)
    for line in (*found.notes, *remarks(worst[options.histograms :])):
        note(line)
