"""``mlu-conformance track``: run directories as a history, its steps, and what changed where they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.arguments import share
from conformance.commands.printing import STANDARD_OUTPUT, note, progress, say, write_json

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands

NAMED = 20
"""Broken runs that are named one by one; the file of ``--json`` has all."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "track", help="read run directories as a history: where a level changed, and what else changed there"
    )
    command.add_argument(
        "directories",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="a directory of run directories, which gets an index, or a run directory",
    )
    command.add_argument(
        "--slower",
        type=share,
        default=0.03,
        metavar="SHARE",
        help="the least change of the device time that counts as a step (default: 3%%)",
    )
    command.add_argument(
        "--noise",
        action="store_true",
        help="print how much device times of equal environments differ, in place of the steps",
    )
    command.add_argument(
        "--no-index", action="store_true", help="neither use nor write the index; every run is read"
    )
    command.add_argument(
        "--json", metavar="FILE", help="write all of it to FILE; - for standard output alone"
    )
    command.set_defaults(command=track)


def track(options: argparse.Namespace) -> None:
    """Read the history, print or write what was found.

    Raises:
        UsageError: a directory holds no run.
        NothingReadable: every run is broken.
    """
    from conformance.history.history_text import history_lines, noise_lines
    from conformance.history.tracking import NothingReadable, history_of, read_runs

    runs, broken = read_runs(options.directories, keep=not options.no_index, progress=progress(), note=note)
    for _, reason in broken[:NAMED]:
        note(f"skipped: {reason}")
    if len(broken) > NAMED:
        note(f"skipped {len(broken) - NAMED} more runs; --json names them")
    if not runs:
        raise NothingReadable(f"none of {len(broken)} runs can be read, so there is no history")
    history = history_of(options.directories, runs, broken, options.slower)
    if options.json != STANDARD_OUTPUT:
        for line in noise_lines(history) if options.noise else history_lines(history):
            say(line)
    if options.json is not None:
        write_json(history, options.json)
