"""What a probe found, as text for a terminal: at most 40 lines."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.probing.answers import Answer
    from conformance.probing.result import Probe

MOST_LINES = 40
WIDTH = 160
OBSERVED = 84
"""Characters of an observation that a table shows; ``probe.json`` has all of it."""


def lines(probe: Probe) -> list[str]:
    """Return the text of a probe."""
    head = [
        f"probe of {probe.device_words}, {probe.date}",
        *aligned([("switch", "value", "how sure", "the result that decided it"), *map(_row, probe.answers)]),
    ]
    foot = [*_lost(probe), *_costs(probe), *_explained(probe)]
    room = MOST_LINES - len(head) - len(foot)
    return [*head, *_properties(probe, room), *foot]


def _row(answer: Answer) -> tuple[str, str, str, str]:
    value = " = ".join(answer.values) if answer.values else {"none": "NONE OF THESE"}.get(answer.state, "?")
    sure = f"{answer.agreeing} of {answer.deciding}" if answer.state == "told" else answer.sure
    return answer.switch, value, sure, textwrap.shorten(answer.observation, OBSERVED, placeholder=" …")


def _properties(probe: Probe, room: int) -> list[str]:
    found = [
        textwrap.shorten(
            f"{item.subject} ({', '.join(item.precisions)}): {item.words}"
            + (f" [{item.confirmed}]" if item.confirmed else ""),
            WIDTH,
            placeholder=" …",
        )
        for item in probe.properties
    ]
    if len(found) <= room:
        return found
    shown = max(room - 1, 0)
    return [*found[:shown], f"and {len(found) - shown} more: --json or -o FILE.toml has all"]


def _lost(probe: Probe) -> Iterator[str]:
    for precision, why in probe.declined.items():
        yield textwrap.shorten(f"{precision} is not offered: {why}", WIDTH, placeholder=" …")
    if probe.lost:
        first, why = next(iter(probe.lost.items()))
        more = f" and {len(probe.lost) - 1} more" if len(probe.lost) > 1 else ""
        yield textwrap.shorten(f"no result of {first}{more}: {why}", WIDTH, placeholder=" …")


def _costs(probe: Probe) -> list[str]:
    counted = ", ".join(f"{count} at {precision}" for precision, count in probe.compilations.items())
    return [f"{probe.seconds:.0f} seconds; compilations: {counted}"]


def _explained(probe: Probe) -> list[str]:
    if probe.explained is None:
        return []
    return [textwrap.shorten(f"the profile {probe.explained.in_words}", WIDTH, placeholder=" …")]
