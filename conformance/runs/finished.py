"""Finished runs, read back from their directories: one, all runs of a side, or all of a history."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import statistics
from typing import TYPE_CHECKING, Annotated

import msgspec

from conformance.clock import LONGEST_SECONDS
from conformance.errors import UsageError
from conformance.files import read_bytes, read_json, sha256
from conformance.runs.directory import ENVIRONMENT, RECORDS, TIMES, decode_records, read_environment
from conformance.runs.environment import EndOfRun
from conformance.runs.shards import ShardOfRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.runs.environment import Environment
    from conformance.runs.records import Record

REPEAT = "repeat the run"


class _Rounds(msgspec.Struct, kw_only=True):
    """Of pytest-benchmark's statistics, the device seconds of every round."""

    data: Annotated[list[float], msgspec.Meta(min_length=1)]


class _Roofline(msgspec.Struct, kw_only=True):
    """Of the roofline, the device seconds below which no time can be."""

    bound_seconds: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SECONDS)] | None = None


class _What(msgspec.Struct, kw_only=True):
    """What the suite says of a timing."""

    network: str
    precision: str
    model: str = ""
    serial: str | None = None
    worker: str = ""
    shard: str = ""
    roofline: _Roofline | None = None


class _Benchmark(msgspec.Struct, kw_only=True):
    extra_info: _What
    stats: _Rounds


class _Times(msgspec.Struct, kw_only=True):
    benchmarks: list[_Benchmark] = []


@dataclasses.dataclass(frozen=True)
class Timing:
    """Device times of one network at one precision in one run.

    Attributes:
        network, precision: what was timed.
        card: serial number of the device; '' where it has none.
        rounds: device seconds of every round, above 0.
        least: seconds below which no time of the device's own model can be; None where that is not known.
    """

    network: str
    precision: str
    card: str
    rounds: tuple[float, ...]
    least: float | None

    @property
    def seconds(self) -> float:
        """The run's figure: the median of its rounds."""
        return statistics.median(self.rounds)


@dataclasses.dataclass(frozen=True)
class StoredRun:
    """A run that has ended, by its directory.

    Attributes:
        path: the run directory.
        environment: what it says of itself.
    """

    path: Path
    environment: Environment

    @functools.cached_property
    def sha256(self) -> str:
        """Of the file of records.

        Raises:
            UsageError: it cannot be read.
        """
        return sha256(self._content)

    @functools.cached_property
    def records(self) -> list[Record]:
        """All that was judged.

        Raises:
            UsageError: the file is damaged.
        """
        return decode_records(self.path / RECORDS, self._content)

    @functools.cached_property
    def timings(self) -> list[Timing]:
        """All that was timed; none where the run has no file of times.

        Raises:
            UsageError: the file is damaged, or a time is no positive number.
        """
        file = self.path / TIMES
        if not file.is_file():
            return []
        times = read_json(file, _Times, "file of times")
        return [self._timing(benchmark, file) for benchmark in times.benchmarks]

    @property
    def cards(self) -> list[str]:
        """Serial numbers of the devices that judged, each once; '' of a device that has none."""
        devices = [used.device for used in self.environment.devices] or [self.environment.device]
        return list(dict.fromkeys(str(device.get("serial", "")) for device in devices))

    @functools.cached_property
    def _content(self) -> bytes:
        return read_bytes(self.path / RECORDS, "records")

    def _timing(self, benchmark: _Benchmark, file: Path) -> Timing:
        said, rounds = benchmark.extra_info, benchmark.stats.data
        for seconds in rounds:
            if not 0 < seconds <= LONGEST_SECONDS:
                raise UsageError(
                    f"file of times {file} has {seconds} seconds for {said.network} at {said.precision}, "
                    f"which is no time; {REPEAT}"
                )
        least = said.roofline.bound_seconds if said.roofline else None
        return Timing(said.network, said.precision, self._card(said), tuple(rounds), least)

    def _card(self, said: _What) -> str:
        """Return the serial number of the device that was timed; older runs say only which process had it."""
        if said.serial is not None:
            return said.serial
        process = " ".join(filter(None, (said.shard, said.worker or ("main" if said.shard else ""))))
        serials = [
            str(used.device.get("serial", ""))
            for used in self.environment.devices
            if used.process == process or not process
        ]
        return serials[0] if serials else ""


def stored_run(path: Path) -> StoredRun:
    """Return the run of a directory; its records are read when they are asked for.

    Raises:
        UsageError: there is no run, or its environment is damaged.
    """
    if not (path / RECORDS).is_file():
        raise UsageError(f"{path} holds no run ({RECORDS} is missing); name the --run-dir of a run")
    return StoredRun(path, read_environment(path))


def whole_run(path: Path) -> StoredRun:
    """Return the run of a directory if it came to its end and is as it was then.

    Raises:
        UsageError: it is damaged, was cut short, was changed since, or is a shard of a run.
    """
    run = stored_run(path)
    said = run.environment.shard
    if isinstance(said, ShardOfRun):
        raise UsageError(
            f"run {path} is shard {said} of a run; merge the shards first (mlu-conformance merge)"
        )
    ended = run.environment.ended
    if not isinstance(ended, EndOfRun):
        raise UsageError(
            f"run {path} was cut short or still runs, or is of an older version of this suite: its "
            f"{ENVIRONMENT} does not say how it ended; {REPEAT}"
        )
    if ended.cut_short:
        raise UsageError(f"run {path} was cut short ({ended.cut_short}); {REPEAT}")
    for name, digest in ended.sha256.items():
        if sha256(read_bytes(path / name, "file")) != digest:
            raise UsageError(f"{path / name} is not as the run left it: its SHA-256 is another; {REPEAT}")
    return run


def run_paths(path: Path) -> list[Path]:
    """Return the run directories that ``path`` means: itself, or those in it, by name.

    Raises:
        UsageError: there is none.
    """
    if is_run(path):
        return [path]
    if not path.is_dir():
        problem = "is no directory" if path.exists() else "does not exist"
        raise UsageError(f"{path} {problem}; name the --run-dir of a run, or a directory of runs")
    found = [entry for entry in sorted(path.iterdir()) if is_run(entry)]
    if not found:
        raise UsageError(
            f"{path} is no run and holds none; name the --run-dir of a run, or a directory of runs"
        )
    return found


def is_run(path: Path) -> bool:
    """Whether a directory looks like that of a run, damaged or not."""
    return (path / RECORDS).is_file() or (path / ENVIRONMENT).is_file()


def runs_of_side(path: Path) -> list[StoredRun]:
    """Return all runs of one side by their start; every one must be whole.

    Raises:
        UsageError: there is none, or one is not whole.
    """
    return by_start([whole_run(found) for found in run_paths(path)])


def by_start(runs: Sequence[StoredRun]) -> list[StoredRun]:
    """Return runs in the order in which they started."""
    return sorted(runs, key=lambda run: (run.environment.started, str(run.path)))


@dataclasses.dataclass(frozen=True)
class History:
    """The runs of some directories.

    Attributes:
        runs: those that are whole, by their start.
        skipped: a sentence per run that is not.
    """

    runs: list[StoredRun]
    skipped: list[str]


def read_history(paths: Sequence[Path]) -> History:
    """Return the runs of directories; what is broken is named and left out.

    Raises:
        UsageError: a directory holds no run at all.
    """
    found = [_whole_or_why(path) for path in dict.fromkeys(itertools.chain(*map(run_paths, paths)))]
    runs = [run for run in found if isinstance(run, StoredRun)]
    return History(by_start(runs), [run for run in found if isinstance(run, str)])


def _whole_or_why(path: Path) -> StoredRun | str:
    try:
        return whole_run(path)
    except UsageError as error:
        return str(error)
