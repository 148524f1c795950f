"""The verdict of a finished run in one word, and the sentences that say why."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.html.formats import count
from conformance.html.page import Banner
from conformance.runs.environment import JudgedFrom
from conformance.runs.finished import whole_run
from conformance.runs.merging import FAILING
from conformance.runs.records import judged, stale_waivers
from conformance.runs.shards import ShardOfRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.finished import StoredRun
    from conformance.runs.records import Record

MOST_GROUPS = 4
"""Groups of cases that a sentence names."""


def run_banner(run: StoredRun, records: Sequence[Record], cut: Sequence[str]) -> Banner:
    """Return the verdict of a run.

    Args:
        run: as its directory has it.
        records: all of it.
        cut: sentences about a run that was cut off while writing.
    """
    badges = ["SIMULATED"] if any(record.simulated for record in records) else []
    if isinstance(run.environment.judged_from, JudgedFrom):
        badges.append("JUDGED AGAIN")
    shard = run.environment.shard
    if isinstance(shard, ShardOfRun):
        badges.append(f"SHARD {shard.index} OF {shard.total}")
    return dataclasses.replace(_verdict(records, [*cut, *_incomplete(run)]), badges=badges)


def _incomplete(run: StoredRun) -> list[str]:
    """Return why a directory is not all of a run, as the run left it; a shard need not be."""
    if isinstance(run.environment.shard, ShardOfRun):
        return []
    try:
        whole_run(run.path)
    except UsageError as error:
        return [str(error)]
    return []


def _verdict(records: Sequence[Record], cut: Sequence[str]) -> Banner:
    """Return the first word that holds, the gravest first, and all that a reader must know."""
    failing = [record for record in records if record.outcome in FAILING]
    unmodelled = [record for record in records if record.outcome == "unmodelled"]
    waived = [record for record in records if record.outcome == "waived"]
    refused = any(record.reasons for record in unmodelled)
    stale, nothing = stale_waivers(records), not judged(records)
    words = (
        (failing, "DEVIATES", "bad"),
        (cut or nothing, "NO VERDICT", "odd"),
        (stale, "STALE WAIVER", "bad"),
        (refused, "NOT MODELLED", "bad"),
        (unmodelled, "CONFORMS IN PART", "odd"),
        (waived, "CONFORMS, WITH WAIVERS", "good"),
        (True, "CONFORMS", "good"),
    )
    word, tone = next((word, tone) for holds, word, tone in words if holds)
    sentences = [
        *cut,
        *(["Nothing was judged, so the run shows nothing."] if nothing else []),
        *_sentence(failing, "deviates", "deviate"),
        *stale,
        *_sentence(waived, "deviates and is waived", "deviate and are waived"),
        *_sentence(unmodelled, "could not be judged", "could not be judged"),
        *(["The run was told to fail for what is not modelled."] if refused else []),
    ]
    return Banner(
        word, tone, sentences or ["Everything that was judged is as right as its precision allows."]
    )


def _sentence(records: Sequence[Record], one: str, many: str) -> list[str]:
    """Return a sentence that names operators and floats of these cases, the most frequent first."""
    if not records:
        return []
    groups = collections.Counter(map(_kind, records))
    named = [f"{kind} ({number:,})" for kind, number in groups.most_common(MOST_GROUPS)]
    if len(groups) > MOST_GROUPS:
        named.append(count(len(groups) - MOST_GROUPS, "more kind"))
    verb = one if len(records) == 1 else many
    return [f"{count(len(records), 'case')} {verb}: {', '.join(named)}."]


def _kind(record: Record) -> str:
    """Return the operator and the float of a case, on which a fault mostly depends."""
    what = f"output {record.op}" if record.mode == "fused" else record.op
    return f"{what} at {record.precision.partition('-')[2] or record.precision}"
