"""How a device sums, operator by operator: accumulator, order, range."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.accumulators import accumulator, integer_range
from conformance.probing.experiments import trees
from conformance.probing.experiments.sums import shares
from conformance.probing.guess import Guess, Unanswered
from conformance.probing.orders import ORDERS, picture, total, words
from conformance.probing.result import Property

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conformance.probing.formats import Format
    from conformance.probing.measuring import Measured
    from conformance.probing.orders import Order

    Array = np.ndarray[Any, Any]
    Stored = Callable[[Array], Array]

SUMS = (("tree-sum", "Sum", 1.0), ("tree-mean", "Mean", trees.TERMS), ("tree-pool", "AvgPool", trees.TERMS))
PRODUCTS = (("tree-matmul", "MatMul"), ("tree-conv", "Conv2D"))


def found(run: Measured, guess: Guess) -> Iterator[Property]:
    """Yield how each operator sums at one precision.

    Args:
        run: what the device gave.
        guess: the answers that were found.
    """
    for fetch, subject, divisor in SUMS:
        if fetch in run.results and fetch not in run.unstable:
            rows = trees.rows_of(run.precision)
            yield _of_sums(run, fetch, subject, rows, _storing(guess, divisor))
    bits = run.precision.fixed_bits
    weights, squared = trees.filter_integers(bits), trees.product_scale(bits) ** 2
    products = {key: value * weights for key, value in trees.product_rows(bits).items()}
    for fetch, subject in PRODUCTS:
        if fetch in run.results and fetch not in run.unstable:
            yield _of_sums(run, fetch, subject, products, _storing(guess, squared))
    yield from _range_of_products(run, guess)
    yield from _of_softmax(run, guess)


def _storing(guess: Guess, divisor: float) -> Stored:
    """Return what a device does with a sum at last."""
    return lambda total_: guess.stored(total_ / divisor)


def _of_sums(run: Measured, fetch: str, subject: str, rows: Mapping[str, Array], stored: Stored) -> Property:
    results = _parts(run.results[fetch].ravel(), rows)
    precision = str(run.precision)
    if results is None:
        return Property(subject=subject, precisions=[precision], words="returned no such shape")
    try:
        read = accumulator(rows, results, stored)
    except Unanswered as error:
        return Property(subject=subject, precisions=[precision], words=f"open: it rests on {error.switch}")
    if read is None:
        shown = ", ".join(f"{value:g}" for value in results["width"][:4])
        said = f"no accumulator with one rounding gives what it gives, such as {shown}"
        return Property(subject=subject, precisions=[precision], words=said)
    return Property(
        subject=subject,
        precisions=[precision],
        words=read.in_words,
        observation=read.picture,
        confirmed=read.confirmed,
        digits=None if read.seen is not None else read.form.digits,
        order=read.order_in_words,
    )


def _parts(results: Array, rows: Mapping[str, Array]) -> dict[str, Array] | None:
    """Return results by what their rows are for."""
    ends = np.cumsum([len(part) for part in rows.values()])
    if len(results) != ends[-1]:
        return None
    return dict(zip(rows, np.split(results, ends[:-1]), strict=True))


def _range_of_products(run: Measured, guess: Guess) -> Iterator[Property]:
    if (result := run.results.get("products-overflow")) is None:
        return
    bits = run.precision.fixed_bits
    squared = trees.overflow_scale(bits) ** 2
    try:
        said = integer_range(
            trees.overflow_rows(bits),
            2.0 ** (bits - 1) - 1,
            result.ravel(),
            _storing(guess, squared),
        )
    except Unanswered:
        return
    if said:
        yield Property(subject="sums of integer products", precisions=[str(run.precision)], words=said)


def _of_softmax(run: Measured, guess: Guess) -> Iterator[Property]:
    """Yield in which order the exponentials of a Softmax are added."""
    if (result := run.results.get("tree-softmax")) is None:
        return
    try:
        order, kind = _softmax_order(run.inputs, result, guess)
    except Unanswered as error:
        order, kind = None, f"open: it rests on {error.switch}"
    if order is None:
        yield Property(subject="Softmax", precisions=[str(run.precision)], words=kind)
        return
    yield Property(
        subject="Softmax",
        precisions=[str(run.precision)],
        words=f"exponentials summed {words(order)}, kept in {kind}",
        digits={"a half": 11, "float32": 24}.get(kind),
        observation=picture(order),
        order=words(order),
        confirmed=f"{result.size} of {result.size} shares bit for bit",
    )


def _total(order: Order, form: Format, terms: Array) -> Array:
    return total(order, terms, form.round)


def _softmax_order(inputs: Mapping[str, Array], result: Array, guess: Guess) -> tuple[Order | None, str]:
    for kind in dict.fromkeys((guess.floating, "fp32", "exact")):
        form = guess.sum_format(kind)
        for order in ORDERS if kind != "exact" else ("at once",):
            summed = functools.partial(_total, order, form)
            predicted = shares(guess, inputs, "tree-softmax", summed)
            if np.array_equal(predicted, result):
                return order, {"fp16": "a half", "fp32": "float32", "exact": "float64 or exactly"}[kind]
    return None, "in none of the orders known here"
