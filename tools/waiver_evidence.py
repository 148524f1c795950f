"""What a run without waivers measured of the cases that a waiver covers, as its ``evidence`` sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.judging.bounds import excess
from conformance.judging.cases import Case
from conformance.judging.waivers import match

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.judging.waivers import Waiver
    from conformance.runs.records import Record


def evidence(waiver: Waiver, records: Sequence[Record]) -> str:
    """Return the sentences about what a waiver covers.

    Args:
        waiver: the waiver.
        records: of a run without waivers, of the waiver's network.

    Raises:
        UsageError: nothing that it covers deviates, or something that it covers conforms.
    """
    covered = [record for record in records if waiver.matches(case_of(record))]
    if not any(record.outcome == "deviates" for record in covered):
        raise UsageError(f"waiver {waiver.id!r} covers nothing that deviates; remove it")
    if conforming := [record.case for record in covered if record.outcome == "conforms"]:
        raise UsageError(f"waiver {waiver.id!r} covers {conforming[0]}, which conforms; narrow it")
    return " ".join([*_own(covered, records), *_fused(covered)])


def unexplained(waivers: Sequence[Waiver], records: Iterable[Record]) -> list[str]:
    """Return the cases that fail without being covered by a waiver."""
    failed = [record for record in records if record.outcome in ("deviates", "broken")]
    return [record.case for record in failed if match(waivers, case_of(record)) is None]


def with_evidence(text: str, waiver_id: str, sentence: str) -> str:
    """Return the text of a waiver file with the evidence of one waiver replaced.

    Raises:
        UsageError: the waiver's table, or the line ``evidence = "…"`` in it, is not there.
    """
    pattern = re.compile(
        rf'(\[\[waiver\]\]\nid = "{re.escape(waiver_id)}"\n(?:(?!\[\[).*\n)*?evidence = )"[^"\n]*"'
    )
    replaced, count = pattern.subn(lambda found: f'{found[1]}"{sentence}"', text)
    if count != 1:
        raise UsageError(f'waiver {waiver_id!r} has no line evidence = "…" after its id; write one')
    return replaced


def case_of(record: Record) -> Case:
    """Return the case of a record."""
    return Case(**{name: getattr(record, name) for name in Case.__struct_fields__})


def _own(covered: Sequence[Record], records: Sequence[Record]) -> list[str]:
    """Return how many nodes deviate by themselves, of how many of their kind, and how far."""
    own = [record for record in covered if record.mode == "own"]
    if not own:
        return []
    precisions = list(dict.fromkeys(record.precision for record in own))
    operators = sorted({record.op for record in own})
    kind = {record.node for record in records if record.mode == "own" and record.op in operators}
    factors = sorted(excess(record.needed, record.bounds) for record in own)
    span = " to ".join(dict.fromkeys(f"{factor:.3g}" for factor in (factors[0], factors[-1])))
    count = f"{len({record.node for record in own})} of {len(kind)} judged {', '.join(operators)} nodes"
    return [f"{count} deviate at {' and '.join(precisions)}, by {span} times their bound."]


def _fused(covered: Sequence[Record]) -> list[str]:
    """Return what the fused outputs reach at each precision, and what is accepted."""
    fused = [record for record in covered if record.mode == "fused" and record.acceptance is not None]
    if not fused:
        return []
    reached = dict.fromkeys(f"{_reached(record)} at {record.precision}" for record in fused)
    accepted = next(record.acceptance.in_words for record in fused if record.acceptance is not None)
    return [f"Reached: {'; '.join(reached)}. Accepted: at least {accepted}."]


def _reached(record: Record) -> str:
    found = record.reached
    if found is None:
        return "nothing that can be compared"
    texts = [] if found.cosine is None else [f"cosine {found.cosine:.5f}"]
    texts += [] if found.psnr is None else [f"{found.psnr:.1f} dB"]
    texts += [] if found.answers is None else [f"{found.answers:.1%} right answers"]
    return ", ".join(texts)
