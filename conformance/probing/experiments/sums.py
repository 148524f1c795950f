"""Running sums: Mean, Sum, AvgPool and Softmax, along one axis and along two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.experiments.elementwise import format_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.precision import Precision
    from conformance.probing.guess import Guess
    from conformance.probing.sheet import Sheet

    Array = np.ndarray[Any, Any]
    Feeds = Mapping[str, Array]

ROWS, TERMS = 32, 64
SHORT, LONG = 16, 64
"""Windows of AvgPool: at most 36 positions are a short one to the vendor."""


def rows_of_terms(precision: Precision, seed: int = 6, terms: int = TERMS) -> Array:
    """Return terms of the float type: sums that cancel with little in between, that overflow, random ones.

    Random terms are multiples of 1/64 at fp16 and of 2^-20 at fp32, so that no sum of two needs more digits
    than float32 or float64 have.
    """
    form = format_of(precision)
    random = np.random.default_rng(seed)
    unit, spread = (64, 2**9) if precision.float_bits == 16 else (2.0**20, 2**9)
    rows = form.round(np.rint(random.uniform(-spread, spread, (ROWS, terms)) * unit) / unit)
    rows[8:16] = np.abs(rows[8:16])
    rows[16:24] = form.round(rows[16:24] / 256)
    rows[:4] = 0
    large = 2.0**form.digits
    rows[0, 0], rows[0, 1:9], rows[0, terms - 1] = large, 0.5, -large
    rows[1, 0], rows[1, 1:9], rows[1, terms - 1] = large, 1.5, -large
    rows[2, 0], rows[2, 1:9], rows[2, terms - 1] = (
        2.0**15,
        2.0 ** (-10 if form.digits == 11 else -12),
        -(2.0**15),
    )
    rows[3, 0], rows[3, 1:9], rows[3, terms - 1] = 1, -(2.0 ** (-form.digits)), 2.0 ** (-4)
    return rows


def add(sheet: Sheet) -> None:
    """Add a sum and a mean along one axis."""
    rows = rows_of_terms(sheet.precision)
    for name, op in (("sum", "Sum"), ("mean", "Mean")):
        sheet.reduce(name, op, sheet.feed(f"{name}/x", rows), [1])


def add_order(sheet: Sheet) -> None:
    """Add a sum along two axes: which is summed first shows where sums along one of them cancel."""
    form = format_of(sheet.precision)
    random = np.random.default_rng(7)
    large = 2.0**form.digits
    terms = form.round(np.rint(random.uniform(-512, 512, (8, 4, 6, 2)) * 64) / 64)
    terms[0] = 0
    for index, values in enumerate(
        [(large, 0.5, -large, 0), (large, 0, -large, 0.5), (large, -large, 0.5, 0)]
    ):
        terms[index] = 0
        terms[index, :2, :2] = np.array(values).reshape(2, 2, 1)
    sheet.reduce("order", "Sum", sheet.feed("order/x", terms), [1, 2])


def add_pools(sheet: Sheet) -> None:
    """Add average pools over a short and a long window along one axis."""
    for name, length in (("short-pool", SHORT), ("long-pool", LONG)):
        rows = rows_of_terms(sheet.precision, seed=length, terms=length)[:, None, :, None]
        node = sheet.compute(name, "AvgPool", [sheet.feed(f"{name}/x", rows)])
        node.attr["ksize"].list.i.extend([1, 1, length, 1])
        node.attr["strides"].list.i.extend([1, 1, 1, 1])
        node.attr["padding"].s = b"VALID"


def add_softmax(sheet: Sheet) -> None:
    """Add a Softmax of equal numbers too large for an exponential, and one of random numbers."""
    large = np.full((ROWS, TERMS), 800.0)
    sheet.compute("large-softmax", "Softmax", [sheet.feed("large-softmax/x", large)])
    random = np.random.default_rng(8)
    logits = format_of(sheet.precision).round(random.uniform(-4, 4, (ROWS, TERMS)))
    sheet.compute("softmax", "Softmax", [sheet.feed("softmax/x", logits)])


EXPERIMENTS = (add, add_order, add_pools, add_softmax)


def kind_of(guess: Guess) -> str:
    """Return the type of running sums: ``fp16``, ``fp32`` or ``exact``."""
    kind = guess["reduction_sum"]
    return guess.floating if kind == "float-type" else kind


def running(guess: Guess, terms: Array, kind: str) -> Array:
    """Return sums along the first axis, one term after the other, rounded after each."""
    form = guess.sum_format(kind)
    total = np.zeros(terms.shape[1:])
    for term in terms:
        total = form.round(total + term)
    return total


def totals(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a Sum along the second axis gives."""
    return guess.stored(running(guess, feeds[f"{name}/x"].T.astype(np.float64), kind_of(guess)))


def means(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a Mean along the second axis gives: the sum over a power of two."""
    sums = running(guess, feeds[f"{name}/x"].T.astype(np.float64), kind_of(guess))
    return guess.stored(sums / TERMS)


def ordered(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a Sum along the second and the third axis gives."""
    terms, kind = feeds[f"{name}/x"].astype(np.float64), kind_of(guess)
    rows, columns = terms.shape[1:3]
    if guess["reduction_order"] == "one-pass":
        in_a_row = terms.transpose(1, 2, 0, 3).reshape(rows * columns, len(terms), -1)
        return guess.stored(running(guess, in_a_row, kind))
    axes = (1, 2, 0, 3) if guess["reduction_order"] == "first-axis-first" else (2, 1, 0, 3)
    first = guess.stored(running(guess, terms.transpose(axes), kind))
    return guess.stored(running(guess, first, kind))


def pooled(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what an average pool over all of the third axis gives."""
    rows = feeds[f"{name}/x"].astype(np.float64)[:, 0, :, 0]
    length = rows.shape[1]
    by_window = guess["average_pool_sum"] == "by-window"
    kind = (guess.floating if length <= 36 else "fp32") if by_window else kind_of(guess)
    return guess.stored(running(guess, rows.T, kind) / length).reshape(-1, 1, 1, 1)


def large_shares(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return equal shares, or NaN where exponentials overflow before they are divided."""
    subtracted = guess["softmax_maximum"] == "subtracted"
    return np.full(feeds[f"{name}/x"].shape, 1 / TERMS if subtracted else np.nan)


def overflowed(result: Array) -> Array:
    """Return a result with NaN for 1 and more, too: what a saturated sum of saturated terms gives."""
    return np.where(result >= 1, np.nan, result)


def shares(guess: Guess, feeds: Feeds, name: str, summed: Callable[[Array], Array] | None = None) -> Array:
    """Return what a Softmax gives; ``summed`` adds along the first axis, by default one after the other."""
    x = feeds[f"{name}/x"].astype(np.float64)
    bits = {"rounded": guess.float_bits, "fp32": 32, "exact": 64}[guess["softmax_steps"]]
    subtracted = guess["softmax_maximum"] == "subtracted"
    exponents = guess.stored(x - x.max(axis=1, keepdims=True), bits) if subtracted else x
    powers = guess.stored(np.exp(exponents), bits)
    sums = running(guess, powers.T, kind_of(guess)) if summed is None else summed(powers.T)
    total = guess.stored(sums, bits)
    return guess.stored(powers / total[:, None])
