"""The two sides of a gate: the runs of each, and what they say of every case."""

from __future__ import annotations

import collections
import dataclasses
import functools
from typing import TYPE_CHECKING

from conformance.gating.result import CaseName, ReadRun, ReadSide
from conformance.runs.finished import runs_of_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from conformance.gating.result import SideName
    from conformance.runs.finished import StoredRun
    from conformance.runs.records import Record


@dataclasses.dataclass(frozen=True)
class Side:
    """The runs of one side.

    Attributes:
        name: which one.
        path: what the user named.
        runs: at least one, by their start.
    """

    name: SideName
    path: Path
    runs: list[StoredRun]

    @functools.cached_property
    def cases(self) -> dict[str, dict[int, Record]]:
        """Every case with its record in each run that has it, by the run's place.

        Raises:
            UsageError: a file of records is damaged.
        """
        found: dict[str, dict[int, Record]] = collections.defaultdict(dict)
        for place, run in enumerate(self.runs):
            for record in run.records:
                found[record.case][place] = record
        return dict(found)

    @functools.cached_property
    def networks(self) -> list[str]:
        """What any of its runs judged, by name."""
        return sorted({network.name for run in self.runs for network in run.environment.networks})

    def runs_of(self, network: str) -> list[int]:
        """Return the places of the runs that judged a network."""
        return [place for place, run in enumerate(self.runs) if network in _networks(run)]

    @property
    def read(self) -> ReadSide:
        """What ``gate.json`` says of it."""
        return ReadSide(path=str(self.path), runs=[_read(run) for run in self.runs])


def read_side(name: SideName, path: Path) -> Side:
    """Return one side.

    Raises:
        UsageError: there is no run, or one is not whole.
    """
    return Side(name, path, runs_of_side(path))


def named(record: Record) -> dict[str, str]:
    """Return the case of a record and its parts, by the names that the result has for them."""
    return {"case": record.case, **{name: getattr(record, name) for name in CaseName.__struct_fields__[1:]}}


def any_of(records: Mapping[int, Record]) -> Record:
    """Return the record of the first run that has one."""
    return next(iter(records.values()))


def common_digests(records: Iterable[Record]) -> list[tuple[str, ...]]:
    """Return the digests of each record that has any, as many of each as the shortest has.

    Samples come in the same order in every run; of timed runs there may be more or fewer.
    """
    found = [record.sha256 for record in records if record.sha256]
    least = min(map(len, found), default=0)
    return [tuple(digests[:least]) for digests in found]


def _networks(run: StoredRun) -> set[str]:
    return {network.name for network in run.environment.networks}


def _read(run: StoredRun) -> ReadRun:
    machine = run.environment.machine
    return ReadRun(
        path=str(run.path),
        started=run.environment.started,
        records=len(run.records),
        sha256=run.sha256,
        cards=run.cards,
        host=f"{machine.platform}, {machine.cpu}",
    )
