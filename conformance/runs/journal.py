"""The run as a whole: its directory and records, whichever process judges, and what fails it at its end."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance import clock, locations
from conformance.devices.base import DeviceInfo
from conformance.errors import EXIT_ACCURACY, EXIT_FINE, EXIT_INFRASTRUCTURE, InfrastructureError
from conformance.runs.directory import RunDirectory, default_run_path
from conformance.runs.environment import MAIN, EndOfRun, UsedDevice, added, differences, gather_environment
from conformance.runs.records import judged, stale_waivers
from conformance.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.runs.plan import Plan
    from conformance.runs.records import Record
    from conformance.runs.shards import Ended, ShardOfRun


class ProcessStatus(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a process that judges says of its device and of its part of the run, so far.

    Attributes:
        device: the device's information, by name.
        waivers: ids of the waivers that apply.
        waivers_sha256: of what they cover.
        before, after: figures of the device before and after the run, by name and unit.
        problems: what is wrong with them; every process finds the same.
        incidents: failures of the device that no case is to blame for.
        notes: what a reader should know.
        seconds: wall time by what it was spent on, such as ``device``.
    """

    device: dict[str, Any]
    waivers: list[str] = []
    waivers_sha256: str = ""
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    problems: list[str] = []
    incidents: list[str] = []
    notes: list[str] = []
    seconds: dict[str, float] = {}

    @property
    def info(self) -> DeviceInfo:
        """The device's information as a device gives it."""
        names = {field.name for field in dataclasses.fields(DeviceInfo)}
        return DeviceInfo(**{name: value for name, value in self.device.items() if name in names})


class Journal:
    """A run in progress: the one writer of its directory.

    Args:
        plan: networks and nodes.
        path: the run directory.
        started: ``time.perf_counter()`` when the session started.
        workers: how many processes judge for this one; 0 where it does so itself.
        shard: which shard of a run this is; None for a run of its own.
        held_to: SHA-256 of what decides a verdict beside the device, by what it is.

    Attributes:
        records: all that was judged, in the order in which it came in.
        statuses: the last status of every process that judged, by its name.
        failures: sentences that fail the run, beside those that follow from records and statuses.
        problems: at the end, all sentences that fail the run although no test did.
        ended: of a shard whose tests have come to their end, how.

    Raises:
        UsageError: the directory is taken or cannot be written.
    """

    def __init__(
        self,
        plan: Plan,
        path: Path,
        started: float,
        workers: int = 0,
        shard: ShardOfRun | None = None,
        held_to: Mapping[str, str] | None = None,
    ) -> None:
        self._plan, self._started, self.workers, self._shard = plan, started, workers, shard
        self.ended: Ended | None = None
        self._held_to = dict(held_to or {})
        self._end: EndOfRun | msgspec.UnsetType = msgspec.UNSET
        self.records: list[Record] = []
        self.statuses: dict[str, ProcessStatus] = {}
        self.failures: list[str] = []
        self.problems: list[str] = []
        self.wall_seconds = 0.0
        self._notes: list[str] = []
        self._makers: dict[str, list[Record]] = {}
        self.directory = RunDirectory.create(path)
        try:
            self._environment = gather_environment(
                options={name: getattr(plan.settings, name) for name in Settings.__dataclass_fields__},
                device={},
                waivers=[],
                now=clock.now(),
                directory=locations.PROJECT,
                networks=[part.judged for part in plan.parts.values()],
                shard=shard,
            )
            self._write_environment()
        except BaseException:
            self.directory.discard()  # a run that never began leaves nothing
            raise

    def add(self, record: Record, process: str = MAIN) -> None:
        """Write a record.

        Raises:
            InfrastructureError: it cannot be written, or its case was recorded before.
        """
        self.directory.add(record)
        self.records.append(record)
        self._makers.setdefault(process, []).append(record)

    def update(self, status: ProcessStatus, process: str = MAIN) -> None:
        """Take a process's status in place of its last one."""
        before = self.statuses.get(process)
        self.statuses[process] = status
        if before is None or before.device != status.device:
            self._write_environment()

    def note(self, text: str) -> None:
        """Keep what a reader of the run should know."""
        self._notes.append(text)

    @property
    def notes(self) -> list[str]:
        """What a reader should know of goldens and devices, each once."""
        from_processes = [note for status in self.statuses.values() for note in status.notes]
        return list(dict.fromkeys([*self._plan.notes, *from_processes, *self._notes]))

    @property
    def info(self) -> DeviceInfo | None:
        """The device; the first of several, which must not differ. None if no process opened one."""
        return next((status.info for status in self.statuses.values()), None)

    @property
    def devices(self) -> list[UsedDevice]:
        """Every device that was used."""
        return [
            UsedDevice(
                process=name,
                device=status.device,
                judged=self.judged_by(name),
                before=status.before,
                after=status.after,
            )
            for name, status in self.statuses.items()
        ]

    def judged_by(self, process: str) -> list[str]:
        """Return mode and precision of what a process recorded, each once."""
        records = self._makers.get(process, [])
        return list(dict.fromkeys(f"{record.mode} {record.precision}" for record in records))

    def count_of(self, process: str) -> int:
        """Return how many records a process made."""
        return len(self._makers.get(process, []))

    @property
    def seconds(self) -> dict[str, float]:
        """Wall time of all processes together, by what it was spent on; ``other`` is what is left."""
        total = added(status.seconds for status in self.statuses.values())
        if self.wall_seconds and not self.workers:
            total["other"] = round(max(self.wall_seconds - sum(total.values()), 0.0), 3)
        return total

    @property
    def busy_share(self) -> float:
        """Part of the time, of each process, that was spent inside device runs."""
        inside = self.seconds.get("device", 0.0)
        return inside / (self.wall_seconds * max(self.workers, 1)) if self.wall_seconds else 0.0

    @property
    def judged(self) -> bool:
        """Whether anything was judged; a shard may only have measured, which is seen when it is merged."""
        measured = any(record.outcome == "measured" for record in self.records)
        return judged(self.records) or (self._shard is not None and measured)

    @property
    def exit_code(self) -> int:
        """Exit code of a run in which no test failed."""
        if self.problems:
            return EXIT_ACCURACY
        return EXIT_FINE if self.judged else EXIT_INFRASTRUCTURE

    def finish(self, cut_short: str = "") -> None:
        """Say what fails the run, and close the directory.

        Args:
            cut_short: why not all was judged that was selected.
        """
        statuses = self.statuses.values()
        self.wall_seconds = time.perf_counter() - self._started
        self.problems = [
            *dict.fromkeys(problem for status in statuses for problem in status.problems),
            *stale_waivers(self.records),
            *self._incidents(),
            *differences(self.devices),
            *self.failures,
        ]
        self.directory.close()
        try:
            self._end = self.directory.end(cut_short, len(self.records))
            self._write_environment()
        except InfrastructureError as error:
            self.problems.append(str(error))

    def _incidents(self) -> list[str]:
        return [
            f"{name}: {incident}" if self.workers else incident
            for name, status in self.statuses.items()
            for incident in status.incidents
        ]

    def _write_environment(self) -> None:
        devices = self.devices
        waivers = [waiver for status in self.statuses.values() for waiver in status.waivers]
        self.directory.write_environment(
            msgspec.structs.replace(
                self._environment,
                device=devices[0].device if devices else {},
                devices=devices,
                waivers=list(dict.fromkeys(waivers)),
                seconds=self.seconds,
                held_to=self._held_to_now,
                ended=self._end,
                shard=self._shard_now or msgspec.UNSET,
            )
        )

    @property
    def _held_to_now(self) -> dict[str, str]:
        """With the waivers that apply; which these are, only a process with a device knows."""
        found = next((status.waivers_sha256 for status in self.statuses.values()), "")
        return self._held_to | ({"waivers": found} if found else {})

    @property
    def _shard_now(self) -> ShardOfRun | None:
        """The shard, with how it ended as soon as that is known."""
        if self._shard is None or self.ended is None:
            return self._shard
        ended = msgspec.structs.replace(self.ended, problems=self.problems, records=len(self.records))
        return msgspec.structs.replace(self._shard, ended=ended)


def run_path(plan: Plan, device: str) -> Path:
    """Return the run directory that the user names, else one named after time, networks and ``device``."""
    now, shard = clock.now(), plan.settings.shard
    title = f"{plan.title}-shard-{shard}" if shard else plan.title
    return plan.settings.run_dir or default_run_path(Path.cwd() / "runs", title, device, now)
