"""What a run without waivers measured of the cases that a waiver covers: its ``evidence`` and its ceiling."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.judging.ceilings import ceiling_lines, measured_ceilings
from conformance.judging.waivers import match
from conformance.runs.waiver_evidence import case_of, evidence_of

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
    covered = _covered(waiver, records)
    return evidence_of(covered, records)


def ceiling(waiver: Waiver, records: Sequence[Record]) -> list[str]:
    """Return the lines of a waiver's ceiling: twice what was measured of what it covers.

    Raises:
        UsageError: as :func:`evidence`.
    """
    return ceiling_lines(*measured_ceilings(_covered(waiver, records)))


def _covered(waiver: Waiver, records: Sequence[Record]) -> list[Record]:
    """Return what a waiver covers, all of which deviates."""
    covered = [record for record in records if waiver.matches(case_of(record))]
    if not any(record.outcome == "deviates" for record in covered):
        raise UsageError(f"waiver {waiver.id!r} covers nothing that deviates; remove it")
    if conforming := [record.case for record in covered if record.outcome == "conforms"]:
        raise UsageError(f"waiver {waiver.id!r} covers {conforming[0]}, which conforms; narrow it")
    return covered


def unexplained(waivers: Sequence[Waiver], records: Iterable[Record]) -> list[str]:
    """Return the cases that fail without being covered by a waiver."""
    failed = [record for record in records if record.outcome in ("deviates", "broken")]
    return [record.case for record in failed if match(waivers, case_of(record)) is None]


def with_evidence(text: str, waiver_id: str, sentence: str, ceiling: Sequence[str]) -> str:
    """Return the text of a waiver file with evidence and ceiling of one waiver replaced.

    Args:
        text: of the file.
        waiver_id: the waiver's id.
        sentence: its evidence.
        ceiling: the lines of its ceiling, which come after the evidence.

    Raises:
        UsageError: the waiver's table, or the line ``evidence = "…"`` in it, is not there.
    """
    table = re.search(rf'\[\[waiver\]\]\nid = "{re.escape(waiver_id)}"\n(?:(?!\[\[).*\n)*', text)
    kept = re.sub(r"(?m)^at_(?:most|least) = .*\n", "", table[0]) if table else ""
    lines = "".join(f"{line}\n" for line in ceiling)
    changed, count = re.subn(
        r'(?m)^evidence = "[^"\n]*"\n', lambda _: f'evidence = "{sentence}"\n{lines}', kept
    )
    if table is None or count != 1:
        raise UsageError(f'waiver {waiver_id!r} has no line evidence = "…" after its id; write one')
    return text[: table.start()] + changed + text[table.end() :]
