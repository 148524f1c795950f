"""Elementwise operators: how results are rounded where they are stored, and what is kept in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.formats import HALF, SINGLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.precision import Precision
    from conformance.probing.formats import Format
    from conformance.probing.guess import Guess
    from conformance.probing.sheet import Sheet

    Array = np.ndarray[Any, Any]
    Feeds = Mapping[str, Array]
    Rows = Sequence[Sequence[float]]

LENGTH = 64
"""Every vector has so many elements, so that what a device compiles for a shape it compiles once."""


def format_of(precision: Precision) -> Format:
    """Return the float type of a precision."""
    return HALF if precision.float_bits == 16 else SINGLE


def vectors(rows: Rows) -> list[Array]:
    """Return the columns of ``rows``, repeated to the length of all vectors."""
    columns = np.array(rows, np.float64).T
    return [np.resize(column, LENGTH) for column in columns]


def add_vectors(sheet: Sheet, name: str, rows: Rows) -> list[str]:
    """Return placeholders that get the columns of ``rows``: ``NAME/x``, ``NAME/y`` and so on."""
    return [
        sheet.feed(f"{name}/{letter}", column) for letter, column in zip("xyz", vectors(rows), strict=False)
    ]


def both_signs(rows: Rows) -> list[list[float]]:
    """Return rows, and their negatives."""
    return [list(row) for row in rows] + [[-value for value in row] for row in rows]


def ties(form: Format) -> Rows:
    """Return pairs whose sums lie between two numbers of a format: half-way, below and above."""
    step = 2.0 ** (1 - form.digits)
    return both_signs(
        [
            (1, step / 2),
            (1 + step, step / 2),
            (1, step / 4),
            (1, 3 * step / 4),
            (1 + step, step / 4),
            (1 + step, 3 * step / 4),
            (1024, 512 * step),
            (1024 * (1 + step), 512 * step),
        ]
    )


def overflowing(form: Format) -> Rows:
    """Return pairs whose sums pass the largest number of a format, by little and by much."""
    step = 2.0 ** (form.most + 1 - form.digits)
    largest = form.largest
    return both_signs([(largest, step / 4), (largest, step / 2), (largest, step), (largest, largest)])


def tiny(form: Format) -> Rows:
    """Return factors whose products are parts of the smallest subnormal, and small multiples of it."""
    low = 2.0 ** (form.least - form.digits + 1 + 11)
    high = form.smallest / low
    parts = (0.125, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 100)
    return [(sign * part * low, high) for part in parts for sign in (1, -1)]


def random_values(form: Format, count: int, seed: int) -> Array:
    """Return numbers of a format from 1 to 4."""
    random = np.random.default_rng(seed)
    return form.round(random.uniform(1, 4, count))


def add(sheet: Sheet) -> None:
    """Add sums, products and quotients."""
    form = format_of(sheet.precision)
    sheet.compute("add-ties", "Add", add_vectors(sheet, "add-ties", ties(form)))
    sheet.compute("add-overflow", "Add", add_vectors(sheet, "add-overflow", overflowing(form)))
    sheet.compute("mul-tiny", "Mul", add_vectors(sheet, "mul-tiny", tiny(form)))
    pairs = np.stack([random_values(form, LENGTH, seed) for seed in (1, 2)], axis=1).tolist()
    sheet.compute("mul", "Mul", add_vectors(sheet, "mul", pairs))
    sheet.compute("div", "RealDiv", add_vectors(sheet, "div", pairs))


def large_and_small(form: Format) -> tuple[float, float]:
    """Return a large and a small number of a format: float32 loses the small one in their sum."""
    return (2.0**15, 2.0**-12) if form is HALF else (2.0**30, 1.0)


def add_three(sheet: Sheet) -> None:
    """Add sums of three: a large number, a small one, and the large one's negative, in every order."""
    large, small = large_and_small(format_of(sheet.precision))
    rows = both_signs([(large, small, -large), (small, large, -large), (large, -large, small)])
    node = sheet.compute("add-three", "AddN", add_vectors(sheet, "add-three", rows))
    node.attr["N"].i = 3


def add_rounds(sheet: Sheet) -> None:
    """Add Round: at fp32 of numbers that are no halves."""
    whole = [0.5, 1.5, 2.5, 3.5, -0.5, -1.5, 2.25, 1000.5, 2050]
    no_halves = [2049.4, 2050.6, 2049, 2051, 4097.3, 4098.5, -2049.4, 8195.3]
    rows = [(value,) for value in (whole if sheet.precision.float_bits == 16 else no_halves + whole)]
    sheet.compute("round", "Round", add_vectors(sheet, "round", rows))


def add_fused(sheet: Sheet) -> None:
    """Add a sum less one of its terms, with the sum fetched and not."""
    digits = format_of(sheet.precision).digits
    large = 2.0**digits
    rows = both_signs([(large, 0.5), (large, 0.75), (large, 1.5), (2 * large, 1), (1, 1)])
    for name, fetch in (("fused", False), ("unfused", True)):
        x, y = add_vectors(sheet, name, rows)
        inner = sheet.compute(f"{name}/sum", "Add", [x, y], fetch=fetch)
        sheet.compute(name, "Sub", [inner.name, x])


def add_contracted(sheet: Sheet) -> None:
    """Add a product less its own rounding: what is left if both come in one rounding."""
    form = format_of(sheet.precision)
    a, b = (random_values(form, LENGTH, seed) for seed in (3, 4))
    rows = np.stack([a, b, -form.round(a * b)], axis=1).tolist()
    x, y, z = add_vectors(sheet, "contracted", rows)
    inner = sheet.compute("contracted/product", "Mul", [x, y], fetch=False)
    sheet.compute("contracted", "Add", [inner.name, z])


TANH_COUNT = 512


def add_tanh(sheet: Sheet) -> None:
    """Add Tanh of numbers of the float type, away from zero and from its ends."""
    x = format_of(sheet.precision).round(np.linspace(0.05, 7.9, TANH_COUNT))
    sheet.compute("tanh", "Tanh", [sheet.feed("tanh/x", x * np.resize([1, -1], TANH_COUNT))])


EXPERIMENTS = (add, add_three, add_rounds, add_fused, add_contracted, add_tanh)


def sums(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what an Add of two vectors gives."""
    return guess.stored(_of(feeds, name, "x") + _of(feeds, name, "y"))


def products(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a Mul of two vectors gives."""
    return guess.stored(_of(feeds, name, "x") * _of(feeds, name, "y"), product=True)


def quotients(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a RealDiv of two vectors gives."""
    x, y = _of(feeds, name, "x"), _of(feeds, name, "y")
    if guess["real_div"] == "quotient":
        return guess.stored(x / y)
    return guess.stored(x * guess.stored(1 / y))


def sums_of_three(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what an AddN of three vectors gives, which is computed in the elementwise arithmetic."""
    x, y, z = (_of(feeds, name, letter) for letter in "xyz")
    if guess["arithmetic"] == "float64":
        return guess.stored(x + y + z)
    return guess.stored(SINGLE.round(SINGLE.round(x + y) + z))


def rounds(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what Round gives."""
    x = _of(feeds, name, "x")
    return np.asarray(np.rint(x if guess["round"] == "plain" else guess.half(x)))


def differences(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a sum less its first term gives, its sum not fetched."""
    x, y = _of(feeds, name, "x"), _of(feeds, name, "y")
    kept = 32 if guess["fused_intermediates"] == "fp32" else None
    return guess.stored(guess.stored(x + y, kept) - x)


def tanhs(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what Tanh gives: rounded once, or interpolated in a table of equal steps over [0, 8]."""
    x = _of(feeds, name, "x")
    if guess["tanh"] == "exact":
        return guess.stored(np.tanh(x))
    entries = int(guess["tanh"].removeprefix("table-"))
    nodes = np.tanh(np.arange(entries + 1) * (8 / entries)).astype(np.float32).astype(np.float64)
    place = np.abs(x) * (entries / 8)
    below = np.minimum(place.astype(np.int64), entries - 1)
    magnitude = nodes[below] + (nodes[below + 1] - nodes[below]) * (place - below)
    return guess.stored(np.sign(x) * magnitude)


def _of(feeds: Feeds, name: str, letter: str) -> Array:
    return feeds[f"{name}/{letter}"].astype(np.float64)
