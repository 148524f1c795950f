"""``mlu-conformance report``: one HTML file of a run, a gate, a history or a probe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.printing import say

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "report", help="write a run, a gate, a history or a probe as one HTML file that needs no network"
    )
    command.add_argument(
        "source",
        type=Path,
        metavar="RUN|GATE|HISTORY|PROBE",
        help="a run directory, the file that --json of gate or track wrote, or a probe's JSON file",
    )
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE.html", help="an older file is replaced"
    )
    command.set_defaults(command=report)


def report(options: argparse.Namespace) -> None:
    """Write the page, and say how large it is.

    Raises:
        UsageError: the source is none, is damaged, or the file cannot be written.
    """
    from conformance.html.page import require_page, write_page
    from conformance.html.pages import page_of

    require_page(options.output)
    write_page(options.output, page_of(options.source))
    say(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB")
