"""``mlu-conformance waive``: waivers that would make a finished run pass, for a person to complete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.arguments import add_options
from conformance.commands.printing import note, say
from conformance.errors import EXIT_ACCURACY, EXIT_FINE, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from conformance.commands import Commands
    from conformance.runs.waiving import Proposal

NAMED = 20
"""Cases without waiver that are named one by one."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "waive", help="write waivers for what deviates in a finished run; you fill in owner and last day"
    )
    command.add_argument("run", type=Path, metavar="RUN", help="the --run-dir of a run")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="new file for the waivers that the run has and, behind them, the new ones",
    )
    add_options(command, "waivers", "no_waivers")
    command.set_defaults(command=waive)


def waive(options: argparse.Namespace) -> int:
    """Write the waivers, and say what none can cover.

    Raises:
        UsageError: the run is not whole, its waivers are wrong, or the file is there already.
    """
    from conformance.runs.finished import whole_run
    from conformance.runs.rejudging import Rejudging, Rules
    from conformance.runs.waivers import plain_profile
    from conformance.runs.waiving import proposals

    if options.output.exists():
        raise UsageError(f"{options.output} is there already; name a new file, nothing was overwritten")
    run = whole_run(options.run)
    again = Rejudging(run, Rules(waivers=options.waivers, no_waivers=options.no_waivers))
    profile = plain_profile(str(run.environment.device.get("profile", "")))
    found = proposals(again.records, again.waivers, profile)
    if found.made:
        _write(options.output, again.waiver_file, found.made)
    for proposal in found.made:
        say(f"{proposal.waiver.id}: {proposal.waiver.evidence}")
    for sentence in found.beyond[:NAMED]:
        note(f"not waived: {sentence}")
    if len(found.beyond) > NAMED:
        note(f"not waived: {len(found.beyond) - NAMED} more cases")
    say(_conclusion(options.output, found.made))
    return EXIT_ACCURACY if found.beyond else EXIT_FINE


def _write(path: Path, present: Path | None, made: Sequence[Proposal]) -> None:
    """Write the waivers that are there already as they stand, then the new ones."""
    from conformance.files import read_bytes, write_text_atomically
    from conformance.runs.waiving import waiver_text

    parts = [] if present is None else [read_bytes(present, "waiver file").decode().rstrip("\n")]
    parts += ["\n".join(waiver_text(proposal.waiver)) for proposal in made]
    write_text_atomically(path, "\n\n".join(parts) + "\n")


def _conclusion(path: Path, made: Sequence[Proposal]) -> str:
    if not made:
        return "nothing deviates that a waiver could cover, so nothing was written"
    return f"{path} has new waivers: {len(made)}; fill in reason, owner and expires, then --waivers={path}"
