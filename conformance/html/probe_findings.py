"""A device's arithmetic as a page shows it: switches, trees of sums, functions, what no switch explains."""

from __future__ import annotations

import collections
import dataclasses
import textwrap
from typing import TYPE_CHECKING

from conformance.html.function_chart import COLOURS, function_chart
from conformance.html.sum_tree import sum_tree
from conformance.probing.comparing import OPERATORS
from conformance.probing.text import where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.probing.result import Answer, Curve, Probe, Property, State
    from conformance.runs.records import Record

MOST_ROWS, MOST_TREES, MOST_CHARTS, MOST_CURVES = 100, 8, 12, 4
"""Rows of a table, trees, charts, and curves of a chart; the file of the probe has all."""
MOST_LETTERS = 400
SIGNS: dict[State, tuple[str, str]] = {
    "told": ("✓", "good"),
    "same": ("=", "faint"),
    "none": ("≠", "known"),
    "rests": ("?", "odd"),
    "lost": ("–", "faint"),
}
"""Sign and tone of how sure an answer is."""
CORRECT = "correctly rounded"


@dataclasses.dataclass(frozen=True)
class SwitchRow:
    """What was found of a switch, in words."""

    switch: str
    value: str
    sure: str
    observation: str
    sign: str
    tone: str


@dataclasses.dataclass(frozen=True)
class SumPicture:
    """Operators that sum alike, how they do, and a drawing of it; '' where no order shows."""

    subjects: list[str]
    words: str
    confirmed: str
    svg: str


@dataclasses.dataclass(frozen=True)
class FunctionPicture:
    """A function: what is said of it by colour of its curve, and their chart."""

    function: str
    lines: list[tuple[str, str]]
    svg: str


@dataclasses.dataclass(frozen=True)
class Row:
    """What was found of something else."""

    subject: str
    place: str
    words: str


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """What a page shows of a probe.

    Attributes:
        probe: all of it.
        switches: a row each.
        sums: a picture for each way of summing.
        functions: a chart each.
        others: what is neither a sum nor a function with a chart.
        unexplained: what no switch explains, in sentences.
        left_out: rows, pictures and charts that there is no room for.
    """

    probe: Probe
    switches: list[SwitchRow]
    sums: list[SumPicture]
    functions: list[FunctionPicture]
    others: list[Row]
    unexplained: list[str]
    left_out: int


def arithmetic(probe: Probe) -> Arithmetic:
    """Return what a page shows of a probe."""
    summed = _summed(probe)
    drawn = _by_function(probe.curves)
    others = [item for item in probe.properties if not _is_sum(item) and item.subject not in drawn]
    charts = list(drawn.items())
    return Arithmetic(
        probe,
        [_switch(answer) for answer in probe.answers[:MOST_ROWS]],
        [_sum_picture(items, f"tree{number}") for number, items in enumerate(summed[:MOST_TREES])],
        [
            _function(probe, name, curves, f"curve{number}")
            for number, (name, curves) in enumerate(charts[:MOST_CHARTS])
        ],
        [_row(item) for item in others[:MOST_ROWS]],
        [_short(sentence) for sentence in unexplained(probe)][:MOST_ROWS],
        sum(
            max(len(found) - most, 0)
            for found, most in (
                (probe.answers, MOST_ROWS),
                (summed, MOST_TREES),
                (charts, MOST_CHARTS),
                (others, MOST_ROWS),
            )
        ),
    )


def unexplained(probe: Probe) -> list[str]:
    """Return what an emulator of the profile found does otherwise than the device, in sentences."""
    described = {op for operators in OPERATORS.values() for op in operators}
    none = [
        f"{answer.switch}: none of the alternatives; {answer.observation}"
        for answer in probe.answers
        if answer.state == "none"
    ]
    functions = {curve.function for curve in probe.curves} - described
    free = [
        f"{_at(item)}: {item.words}; no switch describes this function"
        for item in probe.properties
        if item.subject in functions and item.words != CORRECT
    ]
    nodes = probe.explained.others.items() if probe.explained else ()
    others = [f"{what}: {count} of {of} nodes have other bits" for what, (count, of) in nodes]
    return [*others, *none, *free]


def explained_of_run(records: Iterable[Record]) -> list[str]:
    """Return in sentences how many results of a run have the bits of the emulator with the profile found."""
    counts: dict[bool, collections.Counter[str]] = {True: collections.Counter(), False: collections.Counter()}
    for record in records:
        if record.explained is not None:
            counts[record.explained][f"{record.op} at {record.precision}"] += 1
    same, other = counts[True], counts[False]
    if not (total := same.total() + other.total()):
        return []
    return [
        f"An emulator with the profile found gives the same bits in {same.total()} of {total} results.",
        *(f"{what}: {count} of {count + same[what]} have other bits" for what, count in other.most_common()),
    ][: MOST_ROWS + 1]


def _switch(answer: Answer) -> SwitchRow:
    sign, tone = SIGNS[answer.state]
    value = " = ".join(answer.values) or {"none": "none of these"}.get(answer.state, "-")
    return SwitchRow(answer.switch, value, answer.sure, _short(answer.observation), sign, tone)


def _is_sum(item: Property) -> bool:
    return bool(item.order) or item.words.startswith("summed ")


def _summed(probe: Probe) -> list[list[Property]]:
    """Return sums, those that come about alike together; first those whose order shows."""
    found: dict[tuple[str, str], list[Property]] = collections.defaultdict(list)
    for item in filter(_is_sum, probe.properties):
        found[item.order, item.words].append(item)
    return sorted(found.values(), key=lambda items: not items[0].order)


def _sum_picture(items: Sequence[Property], name: str) -> SumPicture:
    first = items[0]
    return SumPicture(
        [_at(item) for item in items], first.words, first.confirmed, sum_tree(first.order, name)
    )


def _by_function(curves: Iterable[Curve]) -> dict[str, list[Curve]]:
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        if curve.x:
            found.setdefault(curve.function, []).append(curve)
    return found


def _function(probe: Probe, name: str, curves: Sequence[Curve], anchor: str) -> FunctionPicture:
    shown = curves[:MOST_CURVES]
    lines = []
    for place, curve in enumerate(shown):
        said = next(filter(None, (probe.property_of(name, each) for each in curve.precisions)), None)
        at = where(curve.precisions) or "all precisions"
        lines.append((COLOURS[place % len(COLOURS)], f"{at}: {said.words if said else 'not described'}"))
    return FunctionPicture(name, lines, function_chart(shown, anchor))


def _row(item: Property) -> Row:
    words = f"{item.words} ({item.confirmed})" if item.confirmed else item.words
    return Row(item.subject, where(item.precisions) or "all precisions", _short(words))


def _at(item: Property) -> str:
    place = where(item.precisions)
    return f"{item.subject} at {place}" if place else item.subject


def _short(text: str) -> str:
    return textwrap.shorten(text, MOST_LETTERS, placeholder=" …")
