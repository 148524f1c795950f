"""What was measured of deviations, in a sentence: the ``evidence`` of a waiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.judging.bounds import excess
from conformance.judging.cases import Case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.records import Record


def evidence_of(covered: Sequence[Record], records: Sequence[Record]) -> str:
    """Return the sentences about deviations.

    Args:
        covered: the records that deviate.
        records: of the same network, among which they are counted.
    """
    return " ".join([*_own(covered, records), *_fused(covered), *_calibrated(covered)])


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


def _calibrated(covered: Sequence[Record]) -> list[str]:
    """Return how many scales deviate, and how far."""
    found = [excess(record.needed, record.bounds) for record in covered if record.mode == "calibration"]
    return (
        [f"Scales that deviate: {len(found)}, by up to {max(found):.3g} times their bound."] if found else []
    )
