"""Sums whose results show the order of adding, and how wide the accumulator is."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.experiments.elementwise import format_of

if TYPE_CHECKING:
    from conformance.precision import Precision
    from conformance.probing.sheet import Sheet

    Array = np.ndarray[Any, Any]

TERMS = 256
LARGE = 1.5 * 2.0**14
WIDTHS = 30
"""Of an accumulator, so many binary digits are told."""
MASKS = 48
RANDOM = 24


def width_rows() -> Array:
    """Return rows of (a, b, 0, …, −a): what is left of b tells digits and rounding of an accumulator."""
    rows = []
    for digits, part, sign, of in itertools.product(range(4, WIDTHS + 1), (1.0, 1.5), (1, -1), (1, -1)):
        row = np.zeros(TERMS)
        row[0], row[-1] = of * LARGE, -of * LARGE
        row[1] = sign * part * 2.0 ** (14 - digits)
        rows.append(row)
    return np.array(rows)


def range_rows(precision: Precision) -> Array:
    """Return rows whose sums leave the float type's range and come back."""
    largest = format_of(precision).largest
    rows = np.zeros((2, TERMS))
    rows[:, 0], rows[:, 1], rows[:, -1] = largest, largest, -largest
    rows[1] *= -1
    return rows


def order_rows(precision: Precision) -> Array:
    """Return rows of a large number, its negative, and small ones: what is added in between is lost."""
    random = np.random.default_rng(12)
    half = precision.float_bits == 16
    unit = 2.0 ** (-12 if half else -8)
    large = 2.0 ** (15 if half else 40)
    rows = unit * random.integers(1, 4, (MASKS, TERMS)).astype(np.float64)
    for row in rows:
        first, second = random.choice(TERMS, 2, replace=False)
        row[first], row[second] = large, -large
    near = [(0, 1), (0, 2), (1, 2), (0, TERMS - 1), (TERMS - 2, TERMS - 1), (15, 16), (31, 32), (63, 64)]
    for row, places in zip(rows, near, strict=False):
        values = unit * random.integers(1, 4, TERMS)
        row[:] = values
        row[places[0]], row[places[1]] = large, -large
    return rows


def random_rows(precision: Precision) -> Array:
    """Return rows of random numbers of the float type; some of one sign."""
    random = np.random.default_rng(13)
    rows = random.uniform(-64, 64, (RANDOM, TERMS))
    rows[::3] = np.abs(rows[::3])
    rows[1::3] *= 2.0 ** random.integers(-6, 3, (len(rows[1::3]), TERMS))
    return format_of(precision).round(rows)


def rows_of(precision: Precision) -> dict[str, Array]:
    """Return all rows, by what they are for."""
    return {
        "width": width_rows(),
        "range": range_rows(precision),
        "order": order_rows(precision),
        "random": random_rows(precision),
    }


def add(sheet: Sheet) -> None:
    """Add the same sums by Sum, Mean and AvgPool."""
    rows = np.concatenate(list(rows_of(sheet.precision).values()))
    for name, op in (("tree-sum", "Sum"), ("tree-mean", "Mean")):
        sheet.reduce(name, op, sheet.feed(f"{name}/x", rows), [1])
    pool = sheet.compute("tree-pool", "AvgPool", [sheet.feed("tree-pool/x", rows[:, None, :, None])])
    pool.attr["ksize"].list.i.extend([1, 1, TERMS, 1])
    pool.attr["strides"].list.i.extend([1, 1, 1, 1])
    pool.attr["padding"].s = b"VALID"


PLACES = (0, 1, 17, 31, 32, 100, 130, TERMS - 1)
"""Where the filter of a matmul is large, so that products there mask others."""


def filter_integers(bits: int) -> Array:
    """Return the filter of a sum of products: large at a few places, 1 elsewhere."""
    weights = np.ones(TERMS)
    weights[list(PLACES)] = 64 if bits == 8 else 2.0**14
    return weights


def product_rows(bits: int) -> dict[str, Array]:
    """Return the integers of inputs, by what they are for; see :func:`rows_of`."""
    random = np.random.default_rng(14)
    large = 96.0 if bits == 8 else 1.5 * 2.0**13
    width = []
    for power, part, sign, of in itertools.product(range(bits - 2), (2, 3), (1, -1), (1, -1)):
        row = np.zeros(TERMS)
        row[0], row[2], row[-1] = of * large, sign * part * 2.0 ** (power - 1), -of * large
        if row[2] == int(row[2]) and abs(row[2]) <= large:
            width.append(row)
    order = random.integers(1, 4, (MASKS, TERMS)).astype(np.float64)
    order[:, list(PLACES)] = 0
    pairs = itertools.cycle(itertools.permutations(PLACES, 2))
    for row, (first, second) in zip(order, pairs, strict=False):
        row[first], row[second] = large, -large
    half = (
        random.integers(-127, 128, (RANDOM, TERMS))
        if bits == 8
        else 16 * random.integers(-1023, 1024, (RANDOM, TERMS))
    )
    spread = half.astype(np.float64)
    return {"width": np.array(width), "order": order, "random": spread}


def product_scale(bits: int) -> float:
    """Return the scale of inputs and filters: sums of their products are not too large for a half."""
    return 1.0 if bits == 8 else 2.0**11


def add_products(sheet: Sheet) -> None:
    """Add sums of products in fixed point, by a matmul and by a convolution."""
    bits = sheet.precision.fixed_bits
    scale = product_scale(bits)
    rows = np.concatenate(list(product_rows(bits).values())) / scale
    weights = filter_integers(bits) / scale
    source = sheet.feed("tree-matmul/x", rows)
    kernel = sheet.constant("tree-matmul/filter", weights[:, None])
    sheet.fixed_point("tree-matmul", "MatMul", [source, kernel], (scale, scale))
    image = sheet.feed("tree-conv/x", rows.reshape(-1, 4, 4, TERMS // 16))
    kernel = sheet.constant("tree-conv/filter", weights.reshape(4, 4, TERMS // 16, 1))
    sheet.fixed_point("tree-conv", "Conv2D", [image, kernel], (scale, scale))


COUNTS = (1, 2, 3, 4, 5, 8, 16, 64, 256, 1024)
LENGTH = 1024


def overflow_rows(bits: int) -> Array:
    """Return inputs of sums of the largest products: more and more of them, and some that come back."""
    end = 2.0 ** (bits - 1) - 1
    rows = np.zeros((2 * len(COUNTS), LENGTH))
    for index, count in enumerate(COUNTS):
        rows[index, :count] = end
        rows[len(COUNTS) + index, :count] = end
        rows[len(COUNTS) + index, count // 2 : count // 2 + max(count // 2 - 1, 0)] = -end
    return rows


def overflow_scale(bits: int) -> float:
    """Return the scale of inputs and filters that keeps the whole sums within the halves."""
    return 2.0**5 if bits == 8 else 2.0**13


def add_overflow(sheet: Sheet) -> None:
    """Add sums of up to 1024 of the largest products of integers."""
    bits = sheet.precision.fixed_bits
    scale = overflow_scale(bits)
    source = sheet.feed("products-overflow/x", overflow_rows(bits) / scale)
    weights = np.full((LENGTH, 1), (2.0 ** (bits - 1) - 1) / scale)
    kernel = sheet.constant("products-overflow/filter", weights)
    sheet.fixed_point("products-overflow", "MatMul", [source, kernel], (scale, scale))


def add_softmax(sheet: Sheet) -> None:
    """Add a Softmax of one large exponential at changing places, and small ones."""
    random = np.random.default_rng(15)
    logits = random.uniform(-8.5, -7, (64, TERMS))
    logits[np.arange(48), random.integers(0, TERMS, 48)] = 0
    logits[0, 0], logits[1, -1] = 0, 0
    logits[48:] = random.uniform(-4, 0, (16, TERMS))
    form = format_of(sheet.precision)
    sheet.compute("tree-softmax", "Softmax", [sheet.feed("tree-softmax/x", form.round(logits))])


EXPERIMENTS = (add, add_products, add_overflow, add_softmax)
