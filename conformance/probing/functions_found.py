"""How good a device's functions are, in words: error, monotony, symmetry, and whether they are tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.experiments import functions
from conformance.probing.formats import HALF, SINGLE
from conformance.probing.result import Curve, Property

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.probing.experiments.functions import Function
    from conformance.probing.formats import Format
    from conformance.probing.guess import Guess
    from conformance.probing.measuring import Measured

    Array = np.ndarray[Any, Any]

CORRECT = 0.5000001
"""Units in the last place up to which every result is the nearest number."""
ODD = ("Tanh",)
REGULAR = 0.8
"""Part of a table's corners that lie as far apart as the others do."""
MOST_POINTS = 120
"""Of a curve."""


def found(run: Measured, guess: Guess) -> Iterator[Property]:
    """Yield what each function is like at one precision, beside what ``guess`` says results are stored as."""
    for function, x, result in _measured(run):
        words = [_error(function, x, result, _format(guess)), *_shape(function, x, result)]
        even = run.results.get(f"{_experiment(function)}-steps")
        words += _table(function, even) if even is not None else []
        yield Property(subject=function.op, precisions=[str(run.precision)], words=", ".join(words))


def curves(run: Measured, guess: Guess) -> Iterator[Curve]:
    """Yield how far each function is off along its inputs; of one that is wrong nothing is yielded."""
    for function, x, result in _measured(run):
        inside, errors = _ulps(function, x, result, _format(guess))
        if inside.any() and np.isfinite(errors[inside]).all():
            yield _curve(function.op, str(run.precision), x[inside], errors[inside])


def _measured(run: Measured) -> Iterator[tuple[Function, Array, Array]]:
    """Yield each function that the device computed, with its inputs in float64 and its results."""
    for function in functions.FUNCTIONS:
        name = _experiment(function)
        result = run.results.get(name)
        if result is not None and result.ndim == 1:
            yield function, run.inputs[f"{name}/x"].astype(np.float64), result


def _experiment(function: Function) -> str:
    return f"function-{function.op.lower()}"


def _format(guess: Guess) -> Format:
    return SINGLE if guess.float_bits == 32 else HALF


def _curve(op: str, precision: str, x: Array, errors: Array) -> Curve:
    """Return the worst place of each of many stretches."""
    stretches = np.array_split(np.arange(len(x)), min(len(x), MOST_POINTS))
    worst = np.array([part[np.argmax(errors[part])] for part in stretches])
    ulps = [float(f"{value:.4g}") for value in errors[worst]]
    return Curve(function=op, precisions=[precision], inputs=len(x), x=x[worst].tolist(), ulps=ulps)


def _ulps(function: Function, x: Array, result: Array, form: Format) -> tuple[Array, Array]:
    """Return where the exact result is a normal number, and errors in units in the last place."""
    with np.errstate(all="ignore"):
        exact = function.exact(x)
        ulp = 2.0 ** (np.maximum(np.floor(np.log2(np.abs(exact))), form.least) + 1 - form.digits)
        inside = np.isfinite(exact) & (np.abs(exact) <= form.largest) & (np.abs(exact) >= 2.0**form.least)
        return inside, np.abs(result - exact) / ulp


def _error(function: Function, x: Array, result: Array, form: Format) -> str:
    """Return how far results are from the exact ones, in units in the last place."""
    inside, ulps = _ulps(function, x, result, form)
    with np.errstate(all="ignore"):
        exact = function.exact(x)
    wrong = inside & ~np.isfinite(result)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        return f"{result[at]:g} at {x[at]:g}, where {exact[at]:g} is right"
    errors = np.where(inside, ulps, 0)
    worst = int(np.argmax(errors))
    if errors[worst] <= CORRECT:
        return "correctly rounded"
    if errors[worst] < 1:
        return f"within one unit in the last place ({errors[worst]:.2f})"
    relative = float(np.max(np.abs(result - exact)[inside] / np.abs(exact)[inside]))
    bits = f", that is {-np.log2(relative):.1f} bits" if relative < 0.5 else ""
    return f"off by up to {errors[worst]:.3g} units in the last place (at {x[worst]:.5g}){bits}"


def _shape(function: Function, x: Array, result: Array) -> Iterator[str]:
    """Yield where a function is not monotone or not odd, as it should be."""
    with np.errstate(all="ignore"):
        rising = function.exact(x[-1:])[0] >= function.exact(x[:1])[0] or function.op != "Rsqrt"
        if function.op in ("Rsqrt", "Reciprocal"):
            rising = False
        differences = np.diff(result) if rising else -np.diff(result)
    falls = np.flatnonzero(differences < 0)
    if falls.size:
        yield f"not monotone, {falls.size} times, first at {x[falls[0]]:.5g}"
    if function.op in ODD and np.any(result != -result[::-1]):
        yield "not odd"


def _table(function: Function, result: Array) -> list[str]:
    """Return whether even steps lie on straight lines with corners in between, and where the corners are."""
    x = functions.steps(function)
    noise = 4 * 2.0 ** (np.floor(np.log2(np.maximum(np.abs(result[1:-1]), 2.0**-20))) - 23)
    bent = np.abs(np.diff(result, 2))
    expected = np.abs(np.diff(function.exact(x), 2))
    telling = expected > 4 * noise
    if np.mean(np.diff(result) == 0) > 0.5:  # steps, not lines
        return []
    if telling.sum() < 16 or np.mean(bent[telling] <= noise[telling]) < 0.5:
        return []
    corners = np.flatnonzero(bent > 2 * noise)
    if corners.size < 2:
        return []
    first = np.flatnonzero(np.diff(corners, prepend=-9) > 2)
    places = x[corners[first] + 1]
    gaps = np.diff(places)
    spacing = float(np.median(gaps))
    if np.mean(np.abs(gaps - spacing) <= spacing / 4) < REGULAR:
        return []
    return [f"a table with linear interpolation, corners every {spacing:.4g} ({8 / spacing:.0f} in 8)"]
