"""How an outcome looks on a page: the one table of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Look:
    """How an outcome looks: never by its colour alone.

    Attributes:
        sign: one character that stands before it.
        tone: class of the style sheet: ``good``, ``bad``, ``known``, ``odd`` or ``faint``.
        meaning: in words, for whoever points at it.
    """

    sign: str
    tone: str
    meaning: str


OUTCOMES: dict[str, Look] = {
    "broken": Look("✖", "bad", "a crash, a hang, or a lost device: there is no result"),
    "deviates": Look("✕", "bad", "further from what is right than a right device may be"),
    "unmodelled": Look("◇", "odd", "the precision is not modelled here, so nobody can say what is right"),
    "waived": Look("~", "known", "deviates, and is known to"),
    "unsupported": Look("–", "faint", "the device says that it does not do this"),
    "measured": Look("·", "faint", "an error without a bound"),
    "conforms": Look("✓", "good", "as right as the precision allows"),
}
"""The worst first."""

FINDINGS = ("broken", "deviates", "unmodelled", "waived")
"""Outcomes that a reader looks at one by one."""

UNKNOWN = Look("?", "odd", "an outcome that this version does not know")


def look(outcome: str) -> Look:
    """Return how an outcome looks; one that is not in the table is odd, and never good."""
    return OUTCOMES.get(outcome, UNKNOWN)


def counted(outcome: str, number: int) -> str:
    """Return ``1 conforms``, ``26 conform``."""
    plural = {"conforms": "conform", "deviates": "deviate"}.get(outcome, outcome)
    return f"{number:,} {outcome if number == 1 else plural}"


def severity(outcome: str) -> int:
    """Return where an outcome stands among all, 0 for the worst; one that is unknown is among the worst."""
    return list(OUTCOMES).index(outcome) if outcome in OUTCOMES else 0


def worst(outcomes: Iterable[str]) -> str:
    """Return the worst of at least one."""
    return min(outcomes, key=severity)
