"""Waivers that would make a run pass: no wider than what deviates, with what was measured of it."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import glob
import itertools
import json
import math
from typing import TYPE_CHECKING

from conformance.judging.bounds import excess
from conformance.judging.ceilings import ROOM, ceiling_lines, measured_ceilings
from conformance.judging.waivers import Waiver, is_of_waiver, match
from conformance.runs.waiver_evidence import case_of, evidence_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from conformance.judging.cases import Case
    from conformance.judging.verdicts import Acceptance
    from conformance.runs.records import Record

OWNER = 'owner = ""    # who gets it repaired'
EXPIRES = 'expires = ""  # the last day on which it holds, such as 2027-11-30'
"""What a person fills in; a run refuses a file in which one of them is empty."""
OPEN = "not known yet"


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A waiver of some deviations.

    Attributes:
        waiver: with its owner and last day still open.
        records: what it covers, all of it.
    """

    waiver: Waiver
    records: list[Record]


@dataclasses.dataclass(frozen=True)
class Proposals:
    """Waivers of what deviates, and what no waiver can cover.

    Attributes:
        made: the waivers.
        beyond: a sentence per record that stays: a crash, a NaN, one that a present waiver should cover.
    """

    made: list[Proposal]
    beyond: list[str]


def proposals(records: Sequence[Record], present: Sequence[Waiver], profile: str) -> Proposals:
    """Return waivers for all that deviates.

    Nodes of one operator that deviate in one mode at the same precisions share a waiver, so that its lists
    match what deviates and nothing else.

    Args:
        records: of a run, after the waivers that it has.
        present: these waivers.
        profile: of the emulator; '' for a device without profiles.
    """
    failing = [record for record in records if record.outcome in ("deviates", "broken")]
    right = {case_of(record) for record in records if record.outcome == "conforms"}
    beyond = {record.case: why for record in failing if (why := _beyond(record, present, right))}
    groups = _groups([record for record in failing if record.case not in beyond])
    made, taken = [], {waiver.id for waiver in present}
    for group in groups:
        found = _proposal(group, records, _new_id(group[0], taken), profile)
        if isinstance(found, Proposal):
            made.append(found)
        else:
            beyond |= {record.case: found for record in group}
    return Proposals(made, [f"{case}: {why}" for case, why in beyond.items()])


def _beyond(record: Record, present: Sequence[Waiver], right: Collection[Case]) -> str:
    """Return why no new waiver can cover a record, or ''."""
    if record.outcome == "broken":
        return "it is broken, and no waiver covers that"
    if record.metrics is None:
        return "its errors could not be measured, and no waiver covers that"
    if case_of(record) in right:
        return "another result of it conforms, so that a waiver would be stale"
    if match(present, case_of(record)) is not None:
        return "; ".join(filter(is_of_waiver, record.reasons))
    return ""


def _groups(records: Sequence[Record]) -> list[list[Record]]:
    """Return records whose cases are nodes times precisions, no more and no fewer, and of one size."""
    cases: dict[Case, list[Record]] = collections.defaultdict(list)
    for record in records:
        cases[case_of(record)].append(record)
    nodes: dict[tuple[object, ...], list[Case]] = collections.defaultdict(list)
    for case, found in cases.items():
        nodes[case.network, case.op, case.mode, max(map(_decade, found)), case.node].append(case)
    groups: dict[tuple[object, ...], list[Record]] = collections.defaultdict(list)
    for (*about, _), alike in nodes.items():
        key = (*about, *(case.precision for case in alike))
        groups[key] += [record for case in alike for record in cases[case]]
    return list(groups.values())


def _decade(record: Record) -> float:
    """Return the power of ten of an error: one ceiling for small and large ones would cover too much."""
    if record.reached is not None and record.reached.psnr is not None:
        return math.floor(-record.reached.psnr / 20)
    size = excess(record.needed, record.bounds)
    return math.floor(math.log10(size)) if 0 < size < math.inf else size


def _new_id(record: Record, taken: set[str]) -> str:
    """Return an id that no waiver has yet."""
    first = f"{record.network}-{record.op}-{record.mode}".lower()
    numbered = (f"{first}-{number}" for number in itertools.count(2))
    found = next(name for name in itertools.chain([first], numbered) if name not in taken)
    taken.add(found)
    return found


def _proposal(group: list[Record], records: Sequence[Record], name: str, profile: str) -> Proposal | str:
    """Return the waiver of a group, or why there is none: no ceiling can be given."""
    try:
        return Proposal(_waiver(group, records, name, profile), group)
    except ValueError as error:
        return str(error)


def _waiver(group: list[Record], records: Sequence[Record], name: str, profile: str) -> Waiver:
    """Return the waiver of a group.

    Raises:
        ValueError: no ceiling can be given.
    """
    first, (at_most, at_least) = group[0], _ceilings(group)
    nodes = list(dict.fromkeys(record.node for record in group))
    whole = [record for record in records if record.network == first.network]
    return Waiver(
        id=name,
        network=first.network,
        nodes=[glob.escape(node) for node in nodes],
        operators=[glob.escape(first.op)],
        precisions=list(dict.fromkeys(record.precision for record in group)),
        modes=[first.mode],
        profile=profile or None,
        reason=f"The reason is {OPEN}. The first case says: {first.reasons[0]}",
        evidence=evidence_of(group, whole),
        at_most=at_most,
        at_least=at_least,
        owner=OPEN,
        expires=dt.date.max,
    )


def _ceilings(group: Sequence[Record]) -> tuple[float | None, Acceptance | None]:
    """Return the ceilings; what deviates within its bound, as by being too exact, gets twice that bound."""
    at_most, at_least = measured_ceilings(group)
    if at_most is None and group[0].mode != "fused":
        at_most = ROOM
    return at_most, at_least


def waiver_text(waiver: Waiver) -> Iterator[str]:
    """Yield the lines of a waiver whose owner and last day are open."""
    yield "[[waiver]]"
    yield f"id = {_text(waiver.id)}"
    yield f"network = {_text(waiver.network)}"
    yield from _list("nodes", waiver.nodes)
    yield from _list("operators", waiver.operators or [])
    yield from _list("precisions", waiver.precisions)
    yield from _list("modes", list(waiver.modes))
    if waiver.profile is not None:
        yield f"profile = {_text(waiver.profile)}"
    yield f"reason = {_text(waiver.reason)}"
    yield f"evidence = {_text(waiver.evidence)}"
    yield from ceiling_lines(waiver.at_most, waiver.at_least)
    yield from (OWNER, EXPIRES)


def _list(name: str, values: Sequence[str]) -> Iterator[str]:
    if len(values) == 1:
        yield f"{name} = [{_text(values[0])}]"
        return
    yield from (f"{name} = [", *(f"    {_text(value)}," for value in values), "]")


def _text(value: str) -> str:
    """Return a text as TOML has it: as JSON does."""
    return json.dumps(value, ensure_ascii=False)
