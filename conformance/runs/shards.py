"""What a run that judges one shard says of the whole, so that shards can be put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from conformance.runs.records import Record

TIMED = "-timed"
"""What ids of records of timed outputs end with; the ids of the cases are those of the fused ones."""
BENCHMARK = "benchmark"
"""Kind of the batches in which outputs are timed."""


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selected tests of one kind, network and precision, which one shard judges.

    Attributes:
        name: kind (a mode, or ``benchmark``), network and precision, such as ``own beautygan int8-fp16``.
        shard: the number of the shard.
        tests: how many tests are selected.
        sha256: of their names.
    """

    name: str
    shard: int
    tests: int
    sha256: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a shard ended that was not interrupted.

    Attributes:
        failed: whether a test failed.
        problems: what fails the run although no test did.
        records: how many there are.
        unjudged: names of its tests that left no record, as after ``--maxfail`` or the death of a worker.
    """

    failed: bool
    problems: list[str] = []
    records: int = 0
    unjudged: list[str] = []


class ShardOfRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which shard a run is, and of what.

    Attributes:
        index, total: shard ``index`` of ``total``, counted from 1.
        batches: all that is selected, whichever shard judges it, in the order of one run.
        held_to: SHA-256 of what decides a verdict, by what it is.
        ended: how it ended; None while it lasts, and if it was interrupted.
    """

    index: int
    total: int
    batches: list[Batch]
    held_to: dict[str, str]
    ended: Ended | None = None

    def __str__(self) -> str:
        return f"{self.index}/{self.total}"


def batch_name(kind: str, network: str, precision: str) -> str:
    """Return the name of a batch; what is not known of it is left out."""
    return " ".join(filter(None, (kind, network, precision)))


def batch_of(record: Record) -> str:
    """Return the name of the batch that a record is of."""
    kind = BENCHMARK if record.case.endswith(TIMED) else record.mode
    return batch_name(kind, record.network, record.precision)
