"""The waivers of a run: what each one covered, and what is written down of it."""

from __future__ import annotations

import collections
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.errors import UsageError
from conformance.html.formats import factor
from conformance.judging.waivers import Waiver, read_waivers
from conformance.runs.environment import JudgedFrom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.environment import Environment
    from conformance.runs.records import Record


@dataclasses.dataclass(frozen=True)
class Covered:
    """A waiver that applied to a run.

    Attributes:
        id: its name.
        waived: cases that deviate and that it covers.
        stale: cases that it covers and that conform.
        entry: what its file says; None where the file is not here.
    """

    id: str
    waived: int
    stale: int
    entry: Waiver | None

    @property
    def ceiling(self) -> str:
        """How far off a case may be that it still covers, in words."""
        if self.entry is None:
            return ""
        most, least = self.entry.at_most, self.entry.at_least
        error = [] if most is None else ["any error" if math.isinf(most) else f"{factor(most)} of the bound"]
        return ", ".join([*error, *([f"at least {least.in_words}"] if least else [])])


def covered(environment: Environment, records: Sequence[Record]) -> list[Covered]:
    """Return the waivers of a run, in their order."""
    waived: collections.Counter[str] = collections.Counter()
    stale: collections.Counter[str] = collections.Counter()
    for record in records:
        if record.waiver is not None:
            (waived if record.outcome == "waived" else stale)[record.waiver] += 1
    entries = _entries(environment)
    names = dict.fromkeys([*environment.waivers, *waived, *stale])
    return [Covered(name, waived[name], stale[name], entries.get(name)) for name in names]


def _entries(environment: Environment) -> dict[str, Waiver]:
    """Return what the run's file of waivers says now, by id; nothing where it cannot be read."""
    again = environment.judged_from
    rules = again.rules if isinstance(again, JudgedFrom) else {}
    given = rules.get("waivers") or environment.options.get("waivers")
    profile = str(environment.device.get("profile") or "").partition(",")[0]
    name = profile or str(environment.device.get("kind") or "")
    path = Path(given) if given else locations.WAIVERS / f"{name}.toml"
    try:
        return {waiver.id: waiver for waiver in read_waivers(path)}
    except UsageError:
        return {}
