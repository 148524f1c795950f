"""Equal inputs, unequal results: a class of findings of its own, whatever the errors are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from conformance.gating.result import Irreproducible
from conformance.gating.sides import any_of, common_digests, named
from conformance.judging.cases import timed_sample
from conformance.runs.shards import TIMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.gating.sides import Side
    from conformance.runs.records import Record


def irreproducible(baseline: Side, candidate: Side) -> list[Irreproducible]:
    """Return the cases that gave different results for equal inputs on a side, new ones first."""
    found = []
    for case in dict.fromkeys([*baseline.cases, *candidate.cases]):
        where = [_where(side, case) for side in (baseline, candidate)]
        if any(where):
            records = candidate.cases.get(case) or baseline.cases[case]
            new = bool(where[1]) and not where[0]
            found.append(
                Irreproducible(**named(any_of(records)), baseline=where[0], candidate=where[1], new=new)
            )
    return sorted(found, key=lambda item: not item.new)


def _where(side: Side, case: str) -> str:
    """Return where results differ, '' if they do not."""
    records = {place: record for place, record in side.cases.get(case, {}).items() if record.sha256}
    if case.endswith(TIMED) and any(_turns_differ(side, record, place) for place, record in records.items()):
        return "within a run"
    if _agree(records.values()):
        return ""
    return "between cards" if _same_on_each_card(side, records) else "between runs"


def _agree(records: Iterable[Record]) -> bool:
    return len(set(common_digests(records))) <= 1


def _turns_differ(side: Side, record: Record, place: int) -> bool:
    """Whether timed runs of one sample differ from each other, or from the fused network's untimed result."""
    fused = side.cases.get(record.case.removesuffix(TIMED), {}).get(place)
    if fused is None or not fused.sha256:
        return False
    samples = len(fused.sha256)
    turns = ((timed_sample(run, samples), digest) for run, digest in enumerate(record.sha256))
    return any(fused.sha256[sample] != digest for sample, digest in turns)


def _same_on_each_card(side: Side, records: Mapping[int, Record]) -> bool:
    """Whether runs of one card agree, so that it is the cards that differ."""
    cards = {place: tuple(side.runs[place].cards) for place in records}
    return all(
        _agree([records[one], records[other]])
        for one, other in itertools.combinations(records, 2)
        if cards[one] == cards[other]
    )
