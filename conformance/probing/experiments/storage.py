"""Storage: how numbers enter, how results are stored, what becomes of NaN, −0, infinities and subnormals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.probing.experiments.elementwise import (
    LENGTH,
    add_vectors,
    format_of,
    overflowing,
    ties,
    tiny,
)
from conformance.probing.formats import HALF

if TYPE_CHECKING:
    from conformance.probing.sheet import Sheet

SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 0.0, 2.0**-20, -(2.0**-24), 1.0)
PLACES, TERMS = 64, 96


def add_conversions(sheet: Sheet) -> None:
    """Add inputs that are no halves, handed on: at fp16 alone, where they must become some."""
    if sheet.precision.float_bits != 16:
        return
    sums = [(x + y,) for form in (HALF,) for rows in (ties(form), overflowing(form)) for x, y in rows]
    products = [(x * y,) for x, y in tiny(HALF)]
    rows = [*sums, *products]
    for name, part in (("conversion", rows[:LENGTH]), ("conversion-more", rows[LENGTH:] or rows[:1])):
        sheet.compute(name, "Identity", add_vectors(sheet, name, part))


def add_special(sheet: Sheet) -> None:
    """Add operators that get NaN, infinities, −0 and subnormals."""
    rows = [(value,) for value in SPECIAL]
    sheet.compute("special-identity", "Identity", add_vectors(sheet, "special-identity", rows))
    sheet.compute("special-relu", "Relu", add_vectors(sheet, "special-relu", rows))
    for name, op, other in (("special-maximum", "Maximum", -1.0), ("special-mul", "Mul", 1.0)):
        sheet.compute(name, op, add_vectors(sheet, name, [(value, other) for value in SPECIAL]))


def add_places(sheet: Sheet) -> None:
    """Add the same numbers at every place of a batch: to a sum, to a matmul, to a function."""
    random = np.random.default_rng(16)
    row = format_of(sheet.precision).round(random.uniform(-4, 4, TERMS))
    rows = np.tile(row, (PLACES, 1))
    sheet.reduce("places-sum", "Sum", sheet.feed("places-sum/x", rows), [1])
    kernel = sheet.constant("places-matmul/filter", HALF.round(random.uniform(-1, 1, (TERMS, 4))))
    source = sheet.feed("places-matmul/x", rows)
    sheet.fixed_point("places-matmul", "MatMul", [source, kernel], (30.0, 120.0))
    sheet.compute("places-exp", "Exp", [sheet.feed("places-exp/x", rows)])


EXPERIMENTS = (add_conversions, add_special, add_places)
