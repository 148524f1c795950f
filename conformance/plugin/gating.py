"""``--baseline``: the run is held against finished runs as soon as it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.errors import EXIT_FINE, ConformanceError, UsageError
from conformance.files import write_json_atomically
from conformance.gating.result import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.runs.journal import Journal
    from conformance.settings import Settings

GATE = pytest.StashKey[Gate]()
FILE = "gate.json"
"""The evidence, in the run directory."""


def check_baseline(settings: Settings, held_to: Mapping[str, str]) -> None:
    """Demand before anything runs that the run can be held against its baseline.

    Args:
        settings: of the run.
        held_to: SHA-256 of what the run will be held to, by what it is.

    Raises:
        UsageError: the baseline is none, or was held to something else; or the run is a shard.
    """
    if settings.baseline is None:
        return
    from conformance.gating.comparable import check_held_to
    from conformance.runs.finished import runs_of_side

    if settings.shard is not None:
        raise UsageError(
            "--baseline and --shard contradict each other: a shard is no run; merge the shards and gate "
            "that run"
        )
    check_held_to(runs_of_side(settings.baseline), held_to)


def gate_run(config: pytest.Config, baseline: Path, journal: Journal) -> int | None:
    """Hold a finished run against its baseline, keep what came out, and return the exit code.

    What fails a run although no test did, such as an expired waiver, fails it still.

    Returns:
        None where no gate was possible; the sentence that says why is then among the run's problems.
    """
    from conformance.gating.gate import Demands, gate

    try:
        found = gate(baseline, journal.directory.path, Demands())
        write_json_atomically(journal.directory.path / FILE, found)
    except (ConformanceError, OSError) as error:
        journal.problems.append(f"no gate against {baseline}: {error}")
        return None
    config.stash[GATE] = found
    return found.exit_code if found.exit_code != EXIT_FINE else journal.exit_code
