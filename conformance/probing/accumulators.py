"""From results of sums to their accumulator and the order of adding: what gives every bit is the answer."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.probing.formats import DOUBLE, HALF, ROUNDINGS, Format
from conformance.probing.orders import ORDERS, picture, total, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from conformance.probing.orders import Order

    Array = np.ndarray[Any, Any]
    Rows = Mapping[str, Array]

MOST_DIGITS = 30
"""Accumulators with more digits are told apart from these, not from each other."""
FIRST = 12
"""So many rows an order must give before it is tried on the others."""
ROUNDING_WORDS = {
    "ties-even": "to nearest, ties to even",
    "ties-away": "to nearest, ties away from zero",
    "toward-zero": "toward zero",
    "down": "down",
    "up": "up",
}


class Accumulator(NamedTuple):
    """How sums come about.

    Attributes:
        order: of adding; None where none of the known ones gives the results.
        form: what a sum is stored as after each addition.
        seen: down to how many binary digits no rounding is seen; None where one is.
        agreeing, of: how many rows it gives bit for bit.
    """

    order: Order | None
    form: Format
    seen: int | None
    agreeing: int
    of: int

    @property
    def form_in_words(self) -> str:
        """The accumulator, in words."""
        if self.seen is not None:
            return f"no rounding seen down to {self.seen} binary digits"
        kept = {11: "a half (11 digits)", 24: "float32 (24 digits)"}.get(self.form.digits)
        said = f"kept in {kept or f'{self.form.digits} binary digits'}"
        ranged = ""
        if self.form.most == HALF.most:
            ranged = (
                ", saturating at 65504" if self.form.overflow == "saturate" else ", infinite beyond 65504"
            )
        return f"{said}, rounded {ROUNDING_WORDS[self.form.rounding]}{ranged}"

    @property
    def order_in_words(self) -> str:
        """The order; '' where none shows."""
        return "" if self.order is None or self.seen is not None else words(self.order)

    @property
    def in_words(self) -> str:
        """Order and accumulator, in words."""
        if self.seen is not None:
            return f"summed with {self.form_in_words}: no order shows"
        order = words(self.order) if self.order is not None else "in none of the orders known here"
        return f"summed {order}, {self.form_in_words}"

    @property
    def picture(self) -> str:
        """The tree, as a formula."""
        return "" if self.order is None or self.seen is not None else picture(self.order)

    @property
    def confirmed(self) -> str:
        """How many results it gives."""
        return f"{self.agreeing} of {self.of} sums bit for bit" if self.order is not None else ""


def formats() -> Iterator[Format]:
    """Yield what an accumulator can be: wide enough for all, the usual ones, every width and rounding."""
    yield DOUBLE
    for digits in (24, 11, *(digits for digits in range(5, MOST_DIGITS + 1) if digits not in (11, 24))):
        for rounding in ROUNDINGS:
            yield Format(digits, -1022 if digits != 24 else -126, 1023, rounding)


def widths(rows: Array, results: Array, stored: Callable[[Array], Array]) -> list[Format]:
    """Return the formats that give what sums of three terms, the third minus the first, came to.

    Args:
        rows: of three terms that are not 0 each.
        results: what came out.
        stored: what a device does with a sum at last.
    """
    places = np.argsort(rows == 0, axis=1, kind="stable")[:, :3]
    a, b, c = np.take_along_axis(rows, places, axis=1).T
    return [
        form
        for form in formats()
        if any(
            np.array_equal(stored(form.round(form.round(form.round(first) + second) + third)), results)
            for first, second, third in ((a, b, c), (c, b, a))
        )
    ]


def ranged(form: Format, rows: Array, results: Array, stored: Callable[[Array], Array]) -> Format:
    """Return a format with the range that sums beyond a half's show: largest, largest, minus the largest."""
    narrow = [
        dataclasses.replace(form, most=HALF.most, least=HALF.least, overflow=overflow)
        for overflow in ("saturate", "inf")
    ]
    for candidate in narrow:
        total_ = candidate.round(candidate.round(rows[:, 0] + rows[:, 1]) + rows[:, -1])
        if np.array_equal(stored(total_), results, equal_nan=True):
            return candidate
    return form


def accumulator(
    rows: Rows, results: Rows, stored: Callable[[Array], Array], orders: Sequence[Order] = ORDERS
) -> Accumulator | None:
    """Return the accumulator and the order that give all results; None where no format fits.

    Args:
        rows: terms, by what they are for: ``width``, ``order``, ``random``, and perhaps ``range``.
        results: of the sums, by the same words.
        stored: what a device does with a sum at last: a division, and a rounding to the float type.
        orders: to be tried, the simplest first.
    """
    found = widths(rows["width"], results["width"], stored)
    if not found:
        return None
    form = found[0]
    terms = np.concatenate([rows["order"], rows["random"]])
    seen = np.concatenate([results["order"], results["random"]])
    if form.digits > MOST_DIGITS:
        agreeing = int(np.count_nonzero(stored(terms.sum(axis=1)) == seen))
        return Accumulator("at once", DOUBLE, _digits_of(rows["width"]), agreeing, len(seen))
    if "range" in rows and form.digits == HALF.digits:
        form = ranged(form, rows["range"], results["range"], stored)
    order = _order(form, terms, seen, stored, orders)
    agreeing = 0 if order is None else int(np.count_nonzero(_sums(order, form, terms, stored) == seen))
    return Accumulator(order, form, None, agreeing, len(seen))


def _digits_of(rows: Array) -> int:
    """Return how many binary digits lie between the largest and the smallest terms."""
    terms = np.abs(rows[rows != 0])
    return int(np.floor(np.log2(terms.max() / terms.min())))


def _order(
    form: Format, terms: Array, seen: Array, stored: Callable[[Array], Array], orders: Sequence[Order]
) -> Order | None:
    """Return the first order that gives every sum; a few of them are tried first."""
    few = np.linspace(0, len(terms) - 1, FIRST).astype(int)
    for order in orders:
        if np.array_equal(_sums(order, form, terms[few], stored), seen[few]) and np.array_equal(
            _sums(order, form, terms, stored), seen
        ):
            return order
    return None


def _sums(order: Order, form: Format, rows: Array, stored: Callable[[Array], Array]) -> Array:
    return stored(total(order, rows.T, form.round))


INTEGER_WIDTHS = (16, 20, 22, 24, 26, 28, 30, 32, 36, 40, 48)
"""Bits of integer accumulators that are tried."""


def integer_range(integers: Array, weight: float, results: Array, stored: Callable[[Array], Array]) -> str:
    """Return in words what an accumulator of products of integers does when they are many.

    Args:
        integers: (sums, terms).
        weight: the integer that all are multiplied by.
        results: of the sums.
        stored: what a device does with an integer sum at last.
    """
    terms = integers.T * weight
    largest = np.abs(np.cumsum(terms, axis=0)).max()
    if np.array_equal(stored(terms.sum(axis=0)), results):
        return f"exact up to 2^{int(np.log2(largest))}, the most that was tried"
    for bits, wraps in itertools.product(INTEGER_WIDTHS, (True, False)):
        if np.array_equal(stored(_kept(terms, bits, wraps=wraps)), results):
            return f"{'wraps around' if wraps else 'saturates'} at {bits} bits"
    return ""


def _kept(terms: Array, bits: int, *, wraps: bool) -> Array:
    """Return sums of integers in an accumulator of so many bits."""
    end = 2.0 ** (bits - 1)
    if wraps:
        return np.asarray((terms.sum(axis=0) + end) % (2 * end) - end)
    sums = np.zeros(terms.shape[1:])
    for term in terms:
        sums = np.clip(sums + term, -end, end - 1)
    return sums
