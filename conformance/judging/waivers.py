"""Waivers: known deviations, written down and strict.

A waiver that matches nothing known, has expired, or whose case now conforms is a problem, and a problem fails
the run. Two waivers must never match one case.
"""

from __future__ import annotations

import datetime as dt
import math
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from conformance.errors import UsageError, near_names
from conformance.files import read_toml, sha256
from conformance.judging.bounds import Text
from conformance.judging.cases import Mode
from conformance.judging.ceilings import beyond
from conformance.judging.verdicts import Acceptance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from conformance.judging.cases import Case, Outcome
    from conformance.judging.verdicts import Verdict

NOT_COVERED = "does not cover this"
Globs = Annotated[list[Text], msgspec.Meta(min_length=1)]


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One known deviation.

    Attributes:
        id: unique in its file.
        network: the network's name.
        nodes: node names or globs (``*`` also matches ``/``).
        precisions: precisions or globs such as ``*-fp16``.
        modes: the modes it is for.
        reason: why the device deviates, in a sentence.
        evidence: the figure that was measured.
        owner: who gets it repaired.
        expires: the last day on which it holds.
        at_most: the largest error over its bound that it covers; for the modes own and calibration required.
        at_least: what a result must still reach to be covered; for the mode fused required.
        operators: operator types that it is limited to; None for every operator.
        profile: the emulator profile that it is limited to; None for every profile.
    """

    id: Text
    network: Text
    nodes: Globs
    precisions: Globs
    modes: Annotated[list[Mode], msgspec.Meta(min_length=1)]
    reason: Text
    evidence: Text
    owner: Text
    expires: dt.date
    at_most: float | None = None
    at_least: Acceptance | None = None
    operators: Globs | None = None
    profile: Text | None = None

    def __post_init__(self) -> None:
        if problem := self._open_end():
            raise ValueError(f"waiver {self.id!r}: {problem}")

    def _open_end(self) -> str:
        """Return what is wrong with the ceiling, or ''."""
        if self.at_most is None and {"own", "calibration"} & set(self.modes):
            return "at_most is missing; give the largest error over its bound that it covers, such as 4.0"
        if self.at_least is None and "fused" in self.modes:
            return "at_least is missing; give what an output must still reach, such as { cosine = 0.9 }"
        if self.at_most is not None and not self.at_most > 1:
            return (
                f"at_most is {self.at_most}, but should be above 1, because errors up to their bound conform"
            )
        if self.at_most == math.inf and self.at_least is None:
            return "at_most is inf, so that no error is too large; give at_least, such as { cosine = 0.9 }"
        return ""

    def matches(self, case: Case) -> bool:
        """Return whether ``case`` is waived by this, its expiry and profile aside."""
        selected = case.selected
        return self.network == case.network and all(
            any(fnmatchcase(selected[name], pattern) for pattern in patterns)
            for name, patterns in self._patterns.items()
        )

    def idle_entries(self, cases: Iterable[Case]) -> list[str]:
        """Return the list entries, such as ``nodes 'conv2d_99'``, that match none of the waived ``cases``."""
        waived = [case.selected for case in cases if self.matches(case)]
        return [
            f"{name} {pattern!r}"
            for name, patterns in self._patterns.items()
            for pattern in patterns
            if not any(fnmatchcase(selected[name], pattern) for selected in waived)
        ]

    @property
    def _patterns(self) -> dict[str, Sequence[str]]:
        """The lists of patterns under their names."""
        return {
            "nodes": self.nodes,
            "operators": ["*"] if self.operators is None else self.operators,
            "precisions": self.precisions,
            "modes": self.modes,
        }


class _WaiverFile(msgspec.Struct, forbid_unknown_fields=True):
    waiver: list[Waiver] = []


class _UnreadWaivers(msgspec.Struct):
    waiver: list[dict[str, Any]] = []


FILLED_BY_A_PERSON = {
    "owner": "who gets the deviation repaired",
    "expires": "the last day on which the waiver holds, such as 2027-11-30",
}


def read_waivers(path: Path) -> list[Waiver]:
    """Read a ``fixtures/waivers/<device>.toml``: a list of ``[[waiver]]`` tables.

    Raises:
        UsageError: it cannot be read, a key is missing, unknown, empty or wrong, or an id is used twice.
    """
    _require_filled(path)
    waivers = read_toml(path, _WaiverFile, "waiver file").waiver
    ids = [waiver.id for waiver in waivers]
    for waiver_id in ids:
        if ids.count(waiver_id) > 1:
            raise UsageError(f"waiver file {path} uses the id {waiver_id!r} twice; give every waiver its own")
    return waivers


def _require_filled(path: Path) -> None:
    """Refuse what ``mlu-conformance waive`` leaves for a person to fill in, in words of its own."""
    for waiver in read_toml(path, _UnreadWaivers, "waiver file").waiver:
        for name, asked in FILLED_BY_A_PERSON.items():
            if str(waiver.get(name, asked)).strip() == "":
                raise UsageError(
                    f"waiver {waiver.get('id', '')!r} in {path} has an empty {name}; write {asked}"
                )


def applicable(waivers: Iterable[Waiver], *, network: str, profile: str | None) -> list[Waiver]:
    """Return the waivers for a run of ``network`` on ``profile`` (None: a device without profiles)."""
    return [
        waiver
        for waiver in waivers
        if waiver.network == network and (waiver.profile is None or waiver.profile == profile)
    ]


def scope_sha256(waivers: Iterable[Waiver]) -> str:
    """Return the SHA-256 of what waivers cover; who owns them, and until when, makes no other verdict."""
    scopes = [
        (
            *(waiver.id, waiver.network, waiver.nodes, waiver.operators, waiver.precisions, waiver.modes),
            *(waiver.at_most, waiver.at_least),
        )
        for waiver in sorted(waivers, key=lambda waiver: (waiver.network, waiver.id))
    ]
    return sha256(msgspec.json.encode(scopes))


def match(waivers: Iterable[Waiver], case: Case) -> Waiver | None:
    """Return the waiver of ``case``, or None.

    Raises:
        UsageError: two waivers match it.
    """
    found = [waiver for waiver in waivers if waiver.matches(case)]
    if len(found) > 1:
        raise UsageError(f"waivers {found[0].id!r} and {found[1].id!r} both match {case}; narrow one of them")
    return found[0] if found else None


def unmatched(waivers: Iterable[Waiver], universe: Iterable[Case]) -> list[str]:
    """Return a sentence per waiver, or per entry of its lists, that matches no case of ``universe``.

    Args:
        waivers: those that apply to the run (:func:`applicable`).
        universe: all cases that are known of its network, whether or not this run selects them.
    """
    known = list(universe)
    return [sentence for waiver in waivers for sentence in _unmatched(waiver, known)]


def _unmatched(waiver: Waiver, cases: list[Case]) -> list[str]:
    """Return what is wrong with one waiver that matches nothing, or has entries that match nothing."""
    if not any(waiver.matches(case) for case in cases):
        return [f"waiver {waiver.id!r} matches no known case; remove it or correct what it selects"]
    return [
        f"waiver {waiver.id!r} lists {entry}, which matches none of its cases; remove or correct it"
        for entry in waiver.idle_entries(cases)
    ]


def unknown_networks(waivers: Iterable[Waiver], networks: Sequence[str]) -> list[str]:
    """Return a sentence per waiver whose network is not among ``networks``."""
    return [
        f"waiver {waiver.id!r} is for the network {waiver.network!r}, which does not exist"
        f"{near_names(waiver.network, list(networks))}"
        for waiver in waivers
        if waiver.network not in networks
    ]


def expired(waivers: Iterable[Waiver], today: dt.date) -> list[str]:
    """Return a sentence per waiver whose last day is before ``today``."""
    return [
        f"waiver {waiver.id!r} of {waiver.owner} expired on {waiver.expires}; repair the deviation, or "
        "measure it again and renew the waiver"
        for waiver in waivers
        if waiver.expires < today
    ]


def stale(waiver: str, case: str) -> str:
    """Return the sentence for a waiver (its id) whose ``case`` conforms."""
    return f"waiver {waiver!r} is stale: {case} conforms; remove the waiver or narrow it to what deviates"


def is_of_waiver(reason: str) -> bool:
    """Whether a sentence says why a waiver does not cover a deviation; it is none of the verdict's own."""
    return reason.startswith("waiver ") and f" {NOT_COVERED}: " in reason


class Waived(NamedTuple):
    """What waivers make of a verdict: the outcome, the waiver's id, and why a waiver does not cover it."""

    outcome: Outcome
    waiver: str | None = None
    reasons: tuple[str, ...] = ()


class WaiverLedger:
    """Applies the waivers of a run to its cases; which of them are stale, the records tell."""

    def __init__(self, waivers: Iterable[Waiver] = ()) -> None:
        self._waivers = list(waivers)

    def record(self, case: Case, verdict: Verdict) -> Waived:
        """Return the outcome of ``case`` after waivers, and its waiver.

        Only what deviates is ever waived, only where errors were measured (no waiver covers a missing
        output, a wrong shape, or a NaN), and only up to the waiver's ceiling. The waiver is also named where
        the case conforms, which makes it stale.

        Raises:
            UsageError: two waivers match the case.
        """
        waiver = match(self._waivers, case)
        if waiver is None or verdict.metrics is None:
            return Waived(verdict.outcome)
        if verdict.outcome == "conforms":
            return Waived("conforms", waiver.id)
        reasons = beyond(verdict, waiver.at_most, waiver.at_least)
        if reasons:
            return Waived(
                "deviates",
                None,
                tuple(f"waiver {waiver.id!r} {NOT_COVERED}: {text}" for text in reasons),
            )
        return Waived("waived", waiver.id)
