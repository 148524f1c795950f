"""What is found beyond the switches of the profile, in words."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from conformance.probing import functions_found, storage_found, sums_found
from conformance.probing.experiments import functions, storage, trees
from conformance.probing.guess import Guess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from conformance.probing.measuring import Measured
    from conformance.probing.result import Answer, Curve, Property

EXPERIMENTS = (*storage.EXPERIMENTS, *trees.EXPERIMENTS, *functions.EXPERIMENTS)
"""What all of them need."""


def properties(measured: Sequence[Measured], answers: Sequence[Answer]) -> list[Property]:
    """Return everything that results tell, subject by subject.

    Args:
        measured: what the device gave, at each precision that it offers.
        answers: of the switches.
    """
    found = []
    for run, guess in _guesses(measured, answers):
        for part in (storage_found, sums_found, functions_found):
            found += list(part.found(run, guess))
    return _together(found)


def curves(measured: Sequence[Measured], answers: Sequence[Answer]) -> list[Curve]:
    """Return how far functions are off along their inputs; equal ones of several precisions as one."""
    found: dict[tuple[object, ...], Curve] = {}
    for run, guess in _guesses(measured, answers):
        for item in functions_found.curves(run, guess):
            first = found.setdefault((item.function, *item.x, *item.ulps), item)
            if first is not item:
                first.precisions.extend(item.precisions)
    return sorted(found.values(), key=lambda item: item.function)


def _guesses(measured: Sequence[Measured], answers: Sequence[Answer]) -> Iterator[tuple[Measured, Guess]]:
    """Yield what each precision gave, with what is taken for true of it."""
    known = {answer.switch: answer.value for answer in answers if answer.value is not None}
    for run in measured:
        yield run, Guess(known, run.precision, storage_found.form_of(run))


def _together(found: Iterable[Property]) -> list[Property]:
    """Return properties that say the same at several precisions as one, those of a subject side by side."""
    by_words: dict[tuple[str, str], Property] = {}
    for item in found:
        key = (item.subject, f"{item.words}|{item.confirmed}")
        if (first := by_words.get(key)) is None:
            by_words[key] = item
            continue
        precisions = [*first.precisions, *item.precisions]
        by_words[key] = msgspec.structs.replace(first, precisions=precisions)
    subjects = list(dict.fromkeys(item.subject for item in by_words.values()))
    return list(
        itertools.chain.from_iterable(
            [item for item in by_words.values() if item.subject == subject] for subject in subjects
        )
    )
