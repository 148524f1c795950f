"""What a probe found, as text for a terminal: at most 40 lines."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from conformance.precision import PRECISIONS
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from conformance.probing.result import Answer, Probe

MOST_LINES = 40
WIDTH = 170
OBSERVED = 84
"""Characters of an observation that a table shows; the JSON file has all of it."""
LAST = ("special values", "results of Mul", "run again")
"""Subjects that are told last, where there is room."""


def lines(probe: Probe) -> list[str]:
    """Return the text of a probe."""
    head = [
        f"probe of {probe.device_words}, {probe.date}",
        *aligned([("switch", "value", "how sure", "the result that decided it"), *map(_row, probe.answers)]),
    ]
    foot = [*_lost(probe), *_costs(probe), *_explained(probe)]
    return [*head, *_properties(probe, MOST_LINES - len(head) - len(foot)), *foot]


def _row(answer: Answer) -> tuple[str, str, str, str]:
    value = " = ".join(answer.values) if answer.values else {"none": "NONE OF THESE"}.get(answer.state, "?")
    sure = f"{answer.agreeing} of {answer.deciding}" if answer.state == "told" else answer.sure
    return answer.switch, value, sure, textwrap.shorten(answer.observation, OBSERVED, placeholder=" …")


def where(precisions: Collection[str]) -> str:
    """Return precisions in short: ``fp16`` for both with it, nothing for all four."""
    if len(precisions) == len(PRECISIONS):
        return ""
    for part in ("fp16", "fp32", "int8", "int16"):
        if set(precisions) == {str(each) for each in PRECISIONS if part in str(each).split("-")}:
            return part
    return ", ".join(precisions)


def property_lines(probe: Probe) -> list[str]:
    """Return what was found beyond the switches, a line for all subjects that share it; sums come first."""
    subjects: dict[tuple[str, str], list[str]] = {}
    for item in probe.properties:
        subjects.setdefault((where(item.precisions), item.words), []).append(item.subject)
    said = [
        f"{', '.join(names)}{f' at {place}' if place else ''}: {words}"
        for (place, words), names in subjects.items()
    ]
    return sorted(
        said, key=lambda line: (line.startswith(LAST), ": summed" not in line and "Softmax" not in line)
    )


def _properties(probe: Probe, room: int) -> list[str]:
    found = [textwrap.shorten(line, WIDTH, placeholder=" …") for line in property_lines(probe)]
    if len(found) <= room:
        return found
    shown = max(room - 1, 0)
    return [*found[:shown], f"and {len(found) - shown} lines more: --json or -o FILE.toml has all"]


def _lost(probe: Probe) -> Iterator[str]:
    for precision, why in probe.declined.items():
        yield textwrap.shorten(f"{precision} is not offered: {why}", WIDTH, placeholder=" …")
    if probe.lost:
        first, why = next(iter(probe.lost.items()))
        more = f" and {len(probe.lost) - 1} more" if len(probe.lost) > 1 else ""
        yield textwrap.shorten(f"no result of {first}{more}: {why}", WIDTH, placeholder=" …")


def _costs(probe: Probe) -> list[str]:
    counted = ", ".join(f"{count} at {precision}" for precision, count in probe.compilations.items())
    return [f"{probe.seconds:.0f} seconds, {probe.processor:.0f} of processors; compilations: {counted}"]


def _explained(probe: Probe) -> list[str]:
    if probe.explained is None:
        return []
    return [textwrap.shorten(f"the profile {probe.explained.in_words}", WIDTH, placeholder=" …")]
