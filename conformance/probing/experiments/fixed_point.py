"""Fixed point: how numbers become integers, and how products of integers are summed."""

from __future__ import annotations

from fractions import Fraction
from math import floor, frexp
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.formats import SINGLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.probing.guess import Guess
    from conformance.probing.sheet import Sheet

    Array = np.ndarray[Any, Any]
    Feeds = Mapping[str, Array]

COUNT = 64
SCALES = (3.024, 3.77971, 1.65038)
"""Scales of six digits; for each there is a half, below, whose product with it lies so little below a tie
that float32 rounds it to the tie."""
NEAR_TIES = (31.25, 21.5625, 28.78125)
UNIT = 2.0**7
"""A scale by which whole numbers over 128 become the whole numbers."""
BLOCK = 64
"""Terms of a matmul that the emulator's partial sums add exactly."""
BLOCKS = 3
CHANNELS = 1024
WINDOW = (3, 3)


def _ties(bits: int) -> list[float]:
    """Return numbers half-way between integers, and a quarter beside."""
    halves = [sign * (k + 0.5) for k in (0, 1, 2, 3, 8, 61) for sign in (1, -1)]
    return [*halves, 0.25, -0.25, 0.75, -0.75, *([1000.5, -1000.5] if bits == 16 else [])]


def _ends(bits: int) -> list[float]:
    """Return numbers at the ends of the integers' range, and beyond."""
    end = 2.0 ** (bits - 1)
    return [-1, 1, end, 1.5 * end, -end, -1.25 * end, -1.5 * end]


def add(sheet: Sheet) -> None:
    """Add multiplications by 1 in fixed point: by a matmul and by a convolution."""
    for name, of in (("ties", _ties), ("ends", _ends)):
        x = np.resize(of(sheet.precision.fixed_bits), COUNT)
        source = sheet.feed(f"{name}/x", x.reshape(COUNT, 1))
        one = sheet.constant(f"{name}/filter", [[1.0]])
        sheet.fixed_point(name, "MatMul", [source, one], (1.0, 1.0))
        image = sheet.feed(f"conv-{name}/x", x.reshape(1, COUNT, 1, 1))
        kernel = sheet.constant(f"conv-{name}/filter", [[[[1.0]]]])
        sheet.fixed_point(f"conv-{name}", "Conv2D", [image, kernel], (1.0, 1.0))


def add_scales(sheet: Sheet) -> None:
    """Add multiplications by 1 with scales that are no powers of two."""
    for index, (scale, tie) in enumerate(zip(SCALES, NEAR_TIES, strict=True)):
        x = np.resize([tie, 1, 2, 3.5, 5.25, 10.125, 17, 23.75], COUNT).reshape(COUNT, 1)
        source = sheet.feed(f"scale-{index}/x", x)
        one = sheet.constant(f"scale-{index}/filter", [[1.0]])
        sheet.fixed_point(f"scale-{index}", "MatMul", [source, one], (scale, 1.0))


def add_depthwise(sheet: Sheet) -> None:
    """Add a depthwise convolution by 1, of numbers that are no integers."""
    x = (np.arange(16) / 8 + 0.0625).reshape(1, 4, 4, 1)
    source = sheet.feed("depthwise/x", x)
    kernel = sheet.constant("depthwise/filter", [[[[1.0]]]])
    sheet.fixed_point("depthwise", "DepthwiseConv2dNative", [source, kernel], (1.0, 1.0))


def add_sums(sheet: Sheet) -> None:
    """Add a matmul and a convolution of large sums that cancel, with small ones in between."""
    length = BLOCK * BLOCKS
    random = np.random.default_rng(5)
    rows = random.integers(-127, 128, (8, length))
    rows[0], rows[1] = 0, 0
    rows[0, :BLOCK], rows[0, BLOCK], rows[0, 2 * BLOCK :] = 127, 1, -127
    rows[1, 0], rows[1, BLOCK], rows[1, 2 * BLOCK] = 100, 1, -100
    weights = np.full(length, 127)
    weights[BLOCK] = 1
    source = sheet.feed("matmul-sums/x", rows / UNIT)
    kernel = sheet.constant("matmul-sums/filter", (weights / UNIT)[:, None])
    sheet.fixed_point("matmul-sums", "MatMul", [source, kernel], (UNIT, UNIT))
    image, taps = np.zeros((8, *WINDOW, CHANNELS)), np.full((*WINDOW, CHANNELS), 127.0)
    image[0], image[0, 1, 1] = 127, 0
    image[0, 1, 1, 0] = 1
    image[1:] = random.integers(-127, 128, (7, *WINDOW, CHANNELS))
    taps[1, 1] = 1
    taps[1, 2], taps[2] = -127, -127
    data = sheet.feed("conv-sums/x", image / UNIT)
    kernel = sheet.constant("conv-sums/filter", (taps / UNIT)[..., None])
    sheet.fixed_point("conv-sums", "Conv2D", [data, kernel], (UNIT, UNIT))


WIDE_UNIT = 2.0**15


def add_wide_sums(sheet: Sheet) -> None:
    """Add a matmul of int16 at fp32 whose products differ by more than float32 can hold side by side."""
    if sheet.precision.fixed_bits != 16 or sheet.precision.float_bits != 32:
        return
    length = BLOCK * BLOCKS
    rows = np.zeros((8, length))
    weights = np.full(length, 32767.0)
    weights[BLOCK : 2 * BLOCK] = 1
    rows[:, 0], rows[:, BLOCK], rows[:, 2 * BLOCK] = 2.0**14, 2.0 ** np.arange(8), -(2.0**14)
    source = sheet.feed("wide-sums/x", rows / WIDE_UNIT)
    kernel = sheet.constant("wide-sums/filter", (weights / WIDE_UNIT)[:, None])
    sheet.fixed_point("wide-sums", "MatMul", [source, kernel], (WIDE_UNIT, WIDE_UNIT))


EXPERIMENTS = (add, add_scales, add_depthwise, add_sums, add_wide_sums)


def integers(guess: Guess, x: Array, scale: float) -> tuple[Array, float]:
    """Return the integers that numbers become, and the factor that they stand for."""
    factor = _factor(guess, scale)
    bits = guess.precision.fixed_bits
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if any(_whole(guess, value, factor) <= low for value in np.unique(x)):
        low = low if guess["fixed_point_range"] == "full" else low + 1
    whole = [min(max(_whole(guess, value, factor), low), high) for value in x.ravel()]
    return np.array(whole, np.float64).reshape(x.shape), float(factor)


def _factor(guess: Guess, scale: float) -> Fraction:
    exact = Fraction(float(np.float32(scale)))
    if frexp(scale)[0] == 0.5 or guess["fixed_point_scale"] != "position":
        return exact
    bits = guess.precision.fixed_bits
    largest = (2 ** (bits - 1) - 1) / scale
    return Fraction(2) ** (bits - 2 - (frexp(largest)[1] - 1))


def _whole(guess: Guess, value: float, factor: Fraction) -> int:
    """Return an integer before it is kept to its range."""
    exact = Fraction(float(value)) * factor
    if factor.numerator & (factor.numerator - 1) and guess["fixed_point_scale"] == "position-scale":
        exact = Fraction(float(SINGLE.round(float(exact))))
    doubled = 2 * exact
    if doubled.denominator == 1 and doubled.numerator % 2 and exact < 0:
        return floor(exact) + (guess["fixed_point_rounding"] == "half-up")
    return floor(exact + Fraction(1, 2))


def multiplied_by_one(guess: Guess, feeds: Feeds, name: str, scale: float = 1.0) -> Array:
    """Return what an operator with a filter of 1 gives."""
    whole, factor = integers(guess, feeds[f"{name}/x"].astype(np.float64), scale)
    return guess.stored(whole / factor)


def depthwise(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a depthwise convolution by 1 gives: what it is fed, or integers."""
    if guess["depthwise_convolution"] == "float":
        return feeds[f"{name}/x"].astype(np.float64)
    return multiplied_by_one(guess, feeds, name)


def matmul_sums(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return sums whose blocks of 64 terms are added exactly, one block after the other."""
    terms = feeds[f"{name}/x"].astype(np.float64) * feeds[f"{name}/filter"][:, 0].astype(np.float64)
    return _in_parts(guess, terms.reshape(len(terms), -1, BLOCK).sum(axis=2))[:, None]


def convolution_sums(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return sums whose channels are added exactly, one place of the window after the other."""
    terms = feeds[f"{name}/x"].astype(np.float64) * feeds[f"{name}/filter"][..., 0].astype(np.float64)
    parts = terms.sum(axis=3).reshape(len(terms), -1)
    return _in_parts(guess, parts).reshape(len(terms), 1, 1, 1)


def _in_parts(guess: Guess, parts: Array) -> Array:
    """Return sums over the second axis, rounded as ``convolution_sums`` says."""
    kind = guess["convolution_sums"]
    bits = 64 if kind == "exact" else int(kind.removeprefix("fp"))
    if bits < guess.float_bits:
        bits = 64
    total = np.zeros(len(parts))
    for part in guess.stored(parts, bits).T:
        total = guess.stored(total + part, bits)
    return guess.stored(total)
