"""``mlu-conformance judge``: a finished run under other margins, waivers or acceptance; nothing is run."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import clock
from conformance.commands.arguments import add_list, add_options
from conformance.commands.printing import note, say
from conformance.errors import EXIT_ACCURACY, EXIT_FINE, EXIT_INFRASTRUCTURE, UsageError

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from conformance.commands import Commands
    from conformance.network_file import Description
    from conformance.runs.records import Record
    from conformance.runs.rejudging import Rejudging


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "judge", help="judge a finished run again under other margins, waivers or acceptance; exits as a run"
    )
    command.add_argument("run", type=Path, metavar="RUN", help="the --run-dir of a run")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RUN", help="where to; must be new or empty"
    )
    command.add_argument(
        "--margins", type=Path, metavar="FILE", help="file like fixtures/margins.toml (default: bounds stay)"
    )
    acceptance = "network.toml with another acceptance of a network of the run; may be given again"
    add_list(command, "--acceptance", "FILE", acceptance, type=Path)
    add_options(command, "waivers", "no_waivers", "golden_dir")
    command.set_defaults(command=judge)


def judge(options: argparse.Namespace) -> int:
    """Judge the run again, write it down, and return the exit code that it has now.

    Raises:
        UsageError: the run is not whole, a file is wrong, or the directory cannot be had.
        GoldenError: attainable errors are missing or damaged.
    """
    from conformance.report.summary import summary_lines
    from conformance.runs.finished import whole_run
    from conformance.runs.rejudged_run import write_rejudged
    from conformance.runs.rejudging import Rejudging, Rules

    now = clock.now()
    run, described = whole_run(options.run), _described(options.acceptance)
    rules = Rules(
        margins=options.margins,
        acceptance={name: item.acceptance for name, (_, item) in described.items()},
        waivers=options.waivers,
        no_waivers=options.no_waivers,
        golden_dir=options.golden_dir,
    )
    again = Rejudging(run, rules)
    files = {f"acceptance of {name}": file for name, (file, _) in described.items()}
    files |= {"margins": options.margins} if options.margins else {}
    files |= {"waivers": again.waiver_file} if again.waiver_file else {}
    write_rejudged(run, again, files, options.output, now)
    for line in (*_flips(run.records, again.records), "", *summary_lines(again.records)):
        say(line)
    return _concluded(again, options.output, now.date())


def _described(files: Sequence[Path]) -> dict[str, tuple[Path, Description]]:
    """Return descriptions by the network's name."""
    from conformance.files import read_toml
    from conformance.network_file import Description

    found: dict[str, tuple[Path, Description]] = {}
    for file in files:
        described = read_toml(file, Description, "network")
        name = described.network.name
        if name in found:
            raise UsageError(f"{found[name][0]} and {file} both describe {name!r}; give one")
        found[name] = (file, described)
    return found


def _flips(before: Sequence[Record], after: Sequence[Record]) -> Iterator[str]:
    """Yield the cases whose outcome is another now, those of one kind together."""
    kinds: dict[str, list[str]] = collections.defaultdict(list)
    for old, new in zip(before, after, strict=True):
        if old.outcome != new.outcome:
            kinds[f"{old.outcome} -> {new.outcome}"].append(new.case)
    yield f"{sum(map(len, kinds.values()))} of {len(after)} cases flip"
    for kind, cases in kinds.items():
        yield f"{kind}: {len(cases)}"
        yield from (f"  {case}" for case in cases)


def _fails(record: Record) -> bool:
    """Whether a record fails its run; what is not modelled has a reason where the run says that it fails."""
    from conformance.runs.merging import FAILING

    return record.outcome in FAILING or (record.outcome == "unmodelled" and bool(record.reasons))


def _concluded(again: Rejudging, output: Path, today: dt.date) -> int:
    """Say what fails the run now, and return its exit code."""
    from conformance.runs.records import judged

    failing = [item for item in again.records if _fails(item)]
    wrong = [f"failing cases: {len(failing)}, {failing[0].case} first"] if failing else []
    wrong += again.problems(today)
    nothing = [] if judged(again.records) else ["nothing was judged, so the run shows nothing"]
    for sentence in (*wrong, *nothing):
        say(f"FAILED: {sentence}")
    for sentence in again.notes:
        note(sentence)
    say(f"{output}: {len(again.records)} records")
    if wrong:
        return EXIT_ACCURACY
    return EXIT_INFRASTRUCTURE if nothing else EXIT_FINE
