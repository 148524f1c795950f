"""A complete run directory made of the shards of a run, written whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UsageError
from conformance.files import claim_directory, occupied, read_json, write_json_atomically
from conformance.runs.directory import MARKS, RUN, TIMES, RunDirectory, end_of_run
from conformance.runs.environment import Environment, MergedShard, UsedDevice, added
from conformance.runs.outputs import OUTPUTS
from conformance.runs.shards import BENCHMARK, batch_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.runs.merging import FinishedShard
    from conformance.runs.records import Record

LOGS = "logs"


class Times(msgspec.Struct, kw_only=True):
    """What pytest-benchmark writes."""

    machine_info: dict[str, Any]
    commit_info: dict[str, Any]
    benchmarks: list[dict[str, Any]]
    datetime: str
    version: str


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Give a directory to fill, which becomes ``path`` when the block ends well; else nothing is left.

    Raises:
        UsageError: ``path`` is there and not an empty directory, or cannot be written.
    """
    new = not path.exists()
    claim_directory(path, RUN, MARKS)
    try:
        with _beside(path) as filled:
            yield filled
            with _refused(path):
                filled.chmod(stat.S_IMODE(path.stat().st_mode))
                filled.replace(path)
    finally:
        if new:
            with contextlib.suppress(OSError):  # it is filled
                path.rmdir()


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a directory on the same disk, which is deleted unless it was renamed."""
    with _refused(path):
        filled = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield filled
    finally:
        shutil.rmtree(filled, ignore_errors=True)


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Say that a directory cannot be had, and what the user can do."""
    try:
        yield
    except OSError as error:
        if path.is_dir() and (present := sorted(entry.name for entry in path.iterdir())):
            raise occupied(path, RUN, MARKS, present) from error
        raise UsageError(
            f"{RUN} directory {path} cannot be written ({error.strerror or error}); name another one"
        ) from error


def write_merged(
    shards: Sequence[FinishedShard], records: Sequence[Record], filled: Path, path: Path
) -> Environment:
    """Write all but the pictures of the run that shards make together, and return its environment.

    Args:
        shards: all shards of a run.
        records: all that they judged, in the order of one run.
        filled: an empty directory.
        path: what the directory will be called.

    Raises:
        UsageError: a shard's ``benchmark.json`` is malformed, or missing where others have one.
        InfrastructureError: records cannot be written.
        OSError: something else cannot.
    """
    directory = RunDirectory.create(filled)
    with contextlib.closing(directory):
        for record in records:
            directory.add(record)
        environment = _environment(shards, path)
    if times := _times(shards):
        write_json_atomically(filled / TIMES, times)
    environment = msgspec.structs.replace(environment, ended=end_of_run(filled, len(records)))
    directory.write_environment(environment)
    for shard in shards:
        _copy(shard.path / OUTPUTS, filled / OUTPUTS)
        _copy(shard.path / LOGS, filled / LOGS / f"shard-{shard.said.index}")
    return environment


def _environment(shards: Sequence[FinishedShard], path: Path) -> Environment:
    first = shards[0].environment
    return msgspec.structs.replace(
        first,
        started=min(shard.environment.started for shard in shards),
        options=first.options | {"shard": None, "run_dir": str(path.absolute())},
        devices=[used for shard in shards for used in _devices(shard)],
        waivers=list(dict.fromkeys(waiver for shard in shards for waiver in shard.environment.waivers)),
        seconds=added(shard.environment.seconds for shard in shards),
        shard=msgspec.UNSET,
        shards=[_merged(shard) for shard in shards],
    )


def _devices(shard: FinishedShard) -> list[UsedDevice]:
    """Return a shard's devices; names of processes say which shard's they are."""
    return [
        msgspec.structs.replace(used, process=f"{shard.said} {used.process}")
        for used in shard.environment.devices
    ]


def _merged(shard: FinishedShard) -> MergedShard:
    environment = shard.environment
    return MergedShard(
        shard=str(shard.said),
        started=environment.started,
        python=environment.python,
        machine=environment.machine,
        records=len(shard.records),
    )


def _times(shards: Sequence[FinishedShard]) -> Times | None:
    """Return pytest-benchmark's files as one, each time with its shard; None where nothing was timed."""
    found = {
        str(shard.said): read_json(shard.path / TIMES, Times, "file of times")
        for shard in shards
        if (shard.path / TIMES).exists()
    }
    if not found:
        return None
    for shard in shards:
        if shard.timed and str(shard.said) not in found:
            raise UsageError(
                f"{shard} has lost its {TIMES}, which others have; copy it again, or repeat the shard"
            )
    order = {batch.name: place for place, batch in enumerate(shards[0].said.batches)}
    benchmarks = [
        benchmark | {"extra_info": benchmark.get("extra_info", {}) | {"shard": shard}}
        for shard, times in found.items()
        for benchmark in times.benchmarks
    ]
    benchmarks.sort(key=lambda benchmark: order.get(_batch(benchmark), len(order)))
    first, *_ = found.values()
    started = min(times.datetime for times in found.values())
    return msgspec.structs.replace(first, benchmarks=benchmarks, datetime=started)


def _batch(benchmark: dict[str, Any]) -> str:
    params = benchmark.get("params") or {}
    return batch_name(BENCHMARK, params.get("network", ""), params.get("precision", ""))


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, dirs_exist_ok=True)
