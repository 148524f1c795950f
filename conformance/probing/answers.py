"""From results to answers: which value of a switch predicts what a device gave, bit for bit."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.devices.emulator.profile import ALTERNATIVES
from conformance.probing.formats import SINGLE
from conformance.probing.guess import Guess, Unanswered
from conformance.probing.questions import QUESTIONS
from conformance.probing.result import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.precision import Precision
    from conformance.probing.measuring import Measured
    from conformance.probing.questions import Observable, Question
    from conformance.probing.result import State

    Array = np.ndarray[Any, Any]


def keeps_float32(run: Measured) -> bool:
    """Whether a device stores float32 at fp16: sums of halves come back as no halves, but rounded once."""
    result = run.results.get("add-ties")
    if result is None or run.precision.float_bits == 32:
        return False
    exact = run.inputs["add-ties/x"].astype(np.float64) + run.inputs["add-ties/y"]
    return np.array_equal(SINGLE.round(exact), result)


class _Seen(NamedTuple):
    """One observable at one precision: what was seen, and what each value predicts."""

    observable: Observable
    precision: Precision
    inputs: Mapping[str, Array]
    result: Array
    predicted: dict[str, Array]


def answers(measured: Sequence[Measured]) -> list[Answer]:
    """Return the answer to every question, each with the help of those before it."""
    known: dict[str, str] = {}
    found = []
    for question in QUESTIONS:
        answer = _answer(question, measured, known)
        found.append(answer)
        if answer.value is not None:
            known[answer.switch] = answer.value
    return found


def _answer(question: Question, measured: Sequence[Measured], known: Mapping[str, str]) -> Answer:
    seen, rests, lost = _seen(question, measured, known)
    if not seen:
        if rests:
            return Answer(switch=question.switch, state="rests", observation=f"it rests on {rests[0]}")
        said = lost[0] if lost else "the device offers no precision that shows it"
        return Answer(switch=question.switch, state="lost", observation=said)
    values = ALTERNATIVES[question.switch]
    fitting = [value for value in values if all(_fits(item, value) for item in seen)]
    best = max(values, key=lambda value: sum(np.count_nonzero(_equal(item, value)) for item in seen))
    deciding = [(item, _deciding(item)) for item in seen]
    counted = sum(np.count_nonzero(mask) for _, mask in deciding)
    agreeing = sum(np.count_nonzero(mask & _equal(item, best)) for item, mask in deciding)
    state: State = "none" if not fitting else "told" if len(fitting) == 1 else "same"
    return Answer(
        switch=question.switch,
        state=state,
        values=fitting,
        observation=_why_same(question.switch, known) if state == "same" else _observation(seen, state, best),
        deciding=int(counted),
        agreeing=int(agreeing),
        precisions=list(dict.fromkeys(str(item.precision) for item, mask in deciding if mask.any())),
    )


def _why_same(switch: str, known: Mapping[str, str]) -> str:
    """Return why no result tells the values apart that fit."""
    if switch == "half_products" and known.get("half_rounding") == "toward-zero":
        return "all results are rounded toward zero, products too"
    return "at the precisions that the device offers no result depends on it"


def _seen(
    question: Question, measured: Sequence[Measured], known: Mapping[str, str]
) -> tuple[list[_Seen], list[str], list[str]]:
    """Return what was seen with its predictions, what else these rest on, and why results are lost."""
    seen, rests, lost = [], [], []
    of_halves = question.switch.startswith("half_")
    forms = {} if of_halves else {run.precision: SINGLE for run in measured if keeps_float32(run)}
    for run, observable in itertools.product(measured, question.observables):
        if run.unsupported or not observable.at(run.precision):
            continue
        if observable.fetch not in run.results:
            lost.append(
                f"{observable.what} at {run.precision}: {run.lost.get(observable.fetch, 'no result')}"
            )
            continue
        try:
            predicted = {
                value: observable.predict(
                    Guess({**known, question.switch: value}, run.precision, forms.get(run.precision)),
                    run.inputs,
                    observable.fetch,
                )
                for value in ALTERNATIVES[question.switch]
            }
        except Unanswered as error:
            rests.append(error.switch)
            continue
        result = observable.seen(run.results[observable.fetch])
        seen.append(_Seen(observable, run.precision, run.inputs, result, predicted))
    return seen, rests, lost


def _equal(item: _Seen, value: str) -> Array:
    """Return where a result is what a value predicts."""
    predicted = item.predicted[value]
    if predicted.shape != item.result.shape:
        return np.zeros(item.result.shape, bool)
    return np.asarray((predicted == item.result) | (np.isnan(predicted) & np.isnan(item.result)))


def _fits(item: _Seen, value: str) -> bool:
    return bool(_equal(item, value).all())


def _deciding(item: _Seen) -> Array:
    """Return where not all values predict the same."""
    first, *others = item.predicted.values()
    differs = [(other != first) & ~(np.isnan(other) & np.isnan(first)) for other in others]
    return np.asarray(np.logical_or.reduce(differs))


def _observation(seen: Sequence[_Seen], state: State, best: str) -> str:
    """Return the result that speaks loudest: one that no other value predicts, or that none does."""
    for item in seen:
        fits = _equal(item, best)
        masks = [_deciding(item) & fits] if state == "told" else [~fits]
        for mask in masks:
            if mask.any():
                return _shown(item, int(np.flatnonzero(mask)[0]), best, state)
    return "no result depends on it"


def _shown(item: _Seen, place: int, best: str, state: State) -> str:
    fetch = item.observable.fetch
    operands = [
        value.ravel()[place]
        for letter in "xyz"
        if (value := item.inputs.get(f"{fetch}/{letter}")) is not None and value.size == item.result.size
    ]
    of = f"({', '.join(f'{float(value):.8g}' for value in operands)})" if operands else f", result {place},"
    gave = f"{item.observable.what}{of} gave {item.result.ravel()[place]:.8g} at {item.precision}"
    others = {
        value: predicted.ravel()[place]
        for value, predicted in item.predicted.items()
        if predicted.size == item.result.size and (state == "none" or value != best)
    }
    return f"{gave}; {', '.join(f'{value}: {number:.8g}' for value, number in others.items())}"
