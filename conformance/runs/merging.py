"""Shards that were judged apart, put side by side: one complete run, or the sentence that says why not."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
from typing import TYPE_CHECKING, Any

from conformance.errors import UsageError
from conformance.runs.directory import RECORDS, read_environment, read_records
from conformance.runs.environment import SAME
from conformance.runs.records import stale_waivers
from conformance.runs.shards import TIMED, Ended, ShardOfRun, batch_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.runs.environment import Environment
    from conformance.runs.records import Record

REPEAT = "repeat one of them as the other was run"
PLACES = ("shard", "run_dir", "golden_dir", "network_path", "weights", "waivers")
"""Options that may differ: where files lie on a host. What is in them is compared by its SHA-256."""
PLACES_OF_DEVICE = ("card", "lock-dir", "python")
"""Options of devices that say where a card and its software are on a host, not what they are."""
LISTED = 5
"""Names that a sentence lists."""
FAILING = ("deviates", "broken")
PACKAGES = ("tensorflow", "numpy")
"""What computes and judges, beside the device and this project."""


@dataclasses.dataclass(frozen=True)
class FinishedShard:
    """A shard that came to its end.

    Attributes:
        path: its run directory.
        environment: of its run.
        said: what that says of it as a shard.
        ended: how it ended.
    """

    path: Path
    environment: Environment
    said: ShardOfRun
    ended: Ended

    def __str__(self) -> str:
        return f"shard {self.said} ({self.path})"

    @functools.cached_property
    def records(self) -> list[Record]:
        """What it judged.

        Raises:
            UsageError: the file of records is damaged.
        """
        return read_records(self.path)

    @property
    def timed(self) -> bool:
        """Whether a case of it was timed."""
        return any(record.case.endswith(TIMED) and record.seconds is not None for record in self.records)


def read_shards(paths: Sequence[Path]) -> list[FinishedShard]:
    """Return all shards of one run, in their order.

    Raises:
        UsageError: one is no shard, was interrupted, is missing, is there twice, or is of another run.
    """
    shards = sorted(map(_read, paths), key=lambda shard: shard.said.index)
    for shard in shards[1:]:
        _check_same(shards[0], shard)
    _check_complete(shards)
    for shard in shards:
        _check_records(shard)
    return shards


def _read(path: Path) -> FinishedShard:
    environment = read_environment(path)
    said = environment.shard
    if not isinstance(said, ShardOfRun):
        raise UsageError(
            f"run {path} is no shard: it was made without --shard; name runs that were made with it"
        )
    if said.ended is None:
        raise UsageError(
            f"shard {said} ({path}) was interrupted, or still runs; repeat it with --shard={said}, or wait"
        )
    if missing := said.ended.unjudged:
        tests = sum(batch.tests for batch in said.batches if batch.shard == said.index)
        raise UsageError(
            f"shard {said} ({path}) did not judge {len(missing)} of its {tests} cases, {missing[0]} first; "
            f"repeat it with --shard={said}"
        )
    return FinishedShard(path, environment, said, said.ended)


def _check_complete(shards: Sequence[FinishedShard]) -> None:
    """Demand every shard once; where there are more than groups, some have nothing, and are none."""
    for shard, after in itertools.pairwise(shards):
        if shard.said.index == after.said.index:
            raise UsageError(f"{shard.path} and {after.path} are both shard {shard.said}; name one of them")
    said = shards[0].said
    missing = sorted({batch.shard for batch in said.batches} - {shard.said.index for shard in shards})
    if missing:
        names = _listed([f"{index}/{said.total}" for index in missing])
        batches = _listed([batch.name for batch in said.batches if batch.shard in missing])
        raise UsageError(
            f"{'shards' if len(missing) > 1 else 'shard'} {names} {'are' if len(missing) > 1 else 'is'} "
            f"missing, with {batches}; run --shard={missing[0]}/{said.total}, and name its directory, too"
        )


def _listed(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _check_same(first: FinishedShard, other: FinishedShard) -> None:
    """Demand that two shards are of one run: split, stack, options, what they were held to, selection."""
    if first.said.total != other.said.total:
        raise UsageError(f"{other} and {first} are of different splits; name the shards of one")
    ours, theirs = ({**_stack(shard), **_options(shard), **shard.said.held_to} for shard in (first, other))
    for name in dict.fromkeys([*ours, *theirs]):
        if ours.get(name) != theirs.get(name):
            values = f"{_shown(theirs.get(name))} instead of {_shown(ours.get(name))}"
            raise UsageError(f"{other} differs from {first} in {name}: {values}; {REPEAT}")
    _check_selection(first, other)


def _check_selection(first: FinishedShard, other: FinishedShard) -> None:
    ours, theirs = ({batch.name: batch for batch in shard.said.batches} for shard in (first, other))
    for name in dict.fromkeys([*ours, *theirs]):
        if ours.get(name) != theirs.get(name):
            counts = [batch.tests if batch else 0 for batch in (theirs.get(name), ours.get(name))]
            what = f"{counts[0]} instead of {counts[1]} cases" if counts[0] != counts[1] else "other cases"
            raise UsageError(
                f"{other} is of another selection than {first}: of {name} it has {what}; give every shard "
                "the same tests, -k and -m"
            )


def _options(shard: FinishedShard) -> dict[str, Any]:
    """Return the networks, and the options that must not differ, by flag."""
    names = ", ".join(network.name for network in shard.environment.networks)
    options = {name: value for name, value in shard.environment.options.items() if name not in PLACES}
    of_device = {
        name: value
        for name, value in options.pop("device_option", {}).items()
        if name not in PLACES_OF_DEVICE
    }
    return {
        "network": names,
        **{f"--{name.replace('_', '-')}": value for name, value in options.items()},
        **{f"--device-option {name}": value for name, value in of_device.items()},
    }


def _stack(shard: FinishedShard) -> dict[str, Any]:
    """Return what must be the same on every host; where it differs within a shard, all values."""
    environment = shard.environment
    devices = [used.device for used in environment.devices] or [environment.device]
    found: dict[str, Any] = {"version of mlu-conformance": environment.version}
    found["commit of mlu-conformance"] = environment.commit and (
        environment.commit.sha + (" and changes" if environment.commit.dirty else "")
    )
    found |= {name: environment.packages.get(name) for name in PACKAGES}
    for name in SAME:
        values = list(dict.fromkeys(str(device.get(name)) for device in devices))
        found[f"{name} of the device"] = values[0] if len(values) == 1 else " and ".join(values)
    return found


def _shown(value: object) -> str:
    """Return a value for a sentence; of a SHA-256 the first digits."""
    text = "nothing" if value in (None, "") else str(value)
    return text[:12] if len(text) == 64 else text


def _check_records(shard: FinishedShard) -> None:
    """Demand the records that the shard made: as many, and none of what others judge."""
    if len(shard.records) != shard.ended.records:
        raise UsageError(
            f"{shard} made {shard.ended.records} records, but {RECORDS} has {len(shard.records)}; copy it "
            "again, or repeat the shard"
        )
    own = {batch.name for batch in shard.said.batches if batch.shard == shard.said.index}
    for record in shard.records:
        if batch_of(record) not in own:
            raise UsageError(
                f"{shard} holds case {record.case}, which it does not judge; copy it again, or repeat the "
                "shard"
            )


def in_order_of_run(shards: Sequence[FinishedShard]) -> list[Record]:
    """Return all records in the order of one run."""
    by_batch: dict[str, list[Record]] = collections.defaultdict(list)
    for shard in shards:
        for record in shard.records:
            by_batch[batch_of(record)].append(record)
    return [record for batch in shards[0].said.batches for record in by_batch[batch.name]]


def failures(shards: Sequence[FinishedShard], records: Sequence[Record]) -> list[str]:
    """Return what fails the whole run: failed tests, and problems that a shard or only the whole shows."""
    found = [f"tests of {shard} failed" for shard in shards if shard.ended.failed]
    failing = [record.case for record in records if record.outcome in FAILING]
    if failing:
        more = f" and {len(failing) - 1} more cases deviate or are" if len(failing) > 1 else " deviates or is"
        found.append(f"{failing[0]}{more} broken")
    for shard in shards:
        partly = stale_waivers(shard.records)
        found += [problem for problem in shard.ended.problems if problem not in partly]
    return list(dict.fromkeys([*found, *stale_waivers(records)]))
