"""``mlu-conformance merge``: the shards of a run as one complete run, with the verdict of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.commands.printing import note, progress, say
from conformance.errors import EXIT_ACCURACY, EXIT_FINE, EXIT_INFRASTRUCTURE, ConformanceError
from conformance.report.summary import summary_lines
from conformance.runs.merged_run import new_directory, write_merged
from conformance.runs.merging import failures, in_order_of_run, read_shards
from conformance.runs.networks import network_of_run
from conformance.runs.records import judged

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from conformance.commands import Commands
    from conformance.runs.environment import Environment
    from conformance.runs.merging import FinishedShard


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "merge", help="put the shards of a run together, if they are complete; exits as the whole run would"
    )
    command.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="the --run-dir of every shard, in any order"
    )
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RUN", help="where to; must be new or empty"
    )
    command.set_defaults(command=merge)


def merge(options: argparse.Namespace) -> int:
    """Merge the shards, print what they found, and return the exit code that one run would have had.

    Raises:
        UsageError: they do not make one run, or the directory cannot be had.
    """
    shards = read_shards(options.runs)
    records = in_order_of_run(shards)
    with new_directory(options.output) as filled:
        environment = write_merged(shards, records, filled, options.output)
        _draw(shards, environment, filled, options.output)
    for line in summary_lines(records):
        say(line)
    wrong = failures(shards, records)
    nothing = [] if judged(records) else ["nothing was judged, so the run shows nothing"]
    for sentence in (*wrong, *nothing):
        say(f"FAILED: {sentence}")
    say(f"{options.output}: {len(records)} records of {len(shards)} shards")
    if wrong:
        return EXIT_ACCURACY
    return EXIT_INFRASTRUCTURE if nothing else EXIT_FINE


def _draw(shards: Sequence[FinishedShard], environment: Environment, filled: Path, output: Path) -> None:
    """Draw what shards drew of their parts; where network or goldens are not here, say how to do it later."""
    from conformance.goldens import GoldenStore
    from conformance.report.finished_run import PICTURES, FinishedRun, draw_run

    if not any((shard.path / PICTURES).is_dir() for shard in shards):
        return
    run = FinishedRun(filled, in_order_of_run(shards), environment.device)
    goldens = Path(environment.options.get("golden_dir") or locations.GOLDENS)
    for name in [network.name for network in environment.networks]:
        files = [filled / PICTURES / f"{name}{end}.png" for end in ("", "-series")]
        try:
            store = GoldenStore(network_of_run(environment, output, name), goldens, progress())
            draw_run(run, store, files[0], files[1])
        except (ConformanceError, OSError) as error:
            note(
                f"pictures of {name} could not be drawn ({error}); `mlu-conformance show --from-run "
                f"{output}` draws them"
            )
