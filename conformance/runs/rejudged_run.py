"""The run directory of a run that was judged again, written whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import msgspec

from conformance import __version__
from conformance.runs.directory import TIMES, RunDirectory, end_of_run
from conformance.runs.environment import Environment, JudgedFrom
from conformance.runs.merged_run import LOGS, new_directory
from conformance.runs.outputs import OUTPUTS

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from conformance.runs.finished import StoredRun
    from conformance.runs.rejudging import Rejudging


def write_rejudged(
    run: StoredRun, again: Rejudging, rules: dict[str, Path], path: Path, now: dt.datetime
) -> None:
    """Write the run directory.

    Times, kept outputs and logs are copied; pictures, which say what is accepted, are not.

    Args:
        run: that was judged again.
        again: the judgement.
        rules: files that it was held to, by what they are.
        path: where to; new or empty.
        now: when this is.

    Raises:
        UsageError: the directory cannot be had.
        InfrastructureError, OSError: something cannot be written.
    """
    with new_directory(path) as filled:
        directory = RunDirectory.create(filled)
        with contextlib.closing(directory):
            for record in again.records:
                directory.add(record)
        if (run.path / TIMES).is_file():
            shutil.copy(run.path / TIMES, filled / TIMES)
        for name in (OUTPUTS, LOGS):
            if (run.path / name).is_dir():
                shutil.copytree(run.path / name, filled / name)
        ended = end_of_run(filled, len(again.records))
        environment = _environment(run, again, rules, path, now)
        directory.write_environment(msgspec.structs.replace(environment, ended=ended))


def _environment(
    run: StoredRun, again: Rejudging, rules: dict[str, Path], path: Path, now: dt.datetime
) -> Environment:
    options = run.environment.options | {
        "run_dir": str(path.absolute()),
        "waivers": None if again.waiver_file is None else str(again.waiver_file),
        "no_waivers": again.waiver_file is None,
    }
    judged_from = JudgedFrom(
        run=str(run.path.absolute()),
        records_sha256=run.sha256,
        version=__version__,
        judged=now,
        rules={name: str(file.absolute()) for name, file in rules.items()},
    )
    return msgspec.structs.replace(
        run.environment,
        options=options,
        waivers=[waiver.id for waiver in again.waivers],
        held_to=run.environment.held_to | again.held_to,
        judged_from=judged_from,
    )
