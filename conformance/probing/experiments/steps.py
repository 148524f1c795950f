"""Operators of several steps: which of them are stored. Batch normalisation and linear interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.experiments.elementwise import format_of
from conformance.probing.formats import HALF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.probing.guess import Guess
    from conformance.probing.sheet import Sheet

    Array = np.ndarray[Any, Any]
    Feeds = Mapping[str, Array]

EPSILON = 2.0**-10
CHANNELS = 8
SIZE, NEW_SIZE = (4, 5), (7, 9)


def add_batch_norm(sheet: Sheet) -> None:
    """Add a batch normalisation in inference; its constants are halves, which no device rounds."""
    random = np.random.default_rng(9)
    x = format_of(sheet.precision).round(random.uniform(-4, 4, (1, 8, 8, CHANNELS)))
    inputs = [sheet.feed("batch-norm/x", x)]
    for key, low, high in (("scale", 0.5, 2), ("offset", -1, 1), ("mean", -2, 2), ("variance", 0.5, 4)):
        inputs.append(sheet.constant(f"batch-norm/{key}", HALF.round(random.uniform(low, high, CHANNELS))))
    node = sheet.compute("batch-norm", "FusedBatchNorm", inputs)
    node.attr["epsilon"].f = EPSILON
    node.attr["is_training"].b = False


def add_resize(sheet: Sheet) -> None:
    """Add a picture made larger by linear interpolation, by factors that are no powers of two."""
    random = np.random.default_rng(10)
    x = format_of(sheet.precision).round(random.uniform(-4, 4, (1, *SIZE, 4)))
    size = sheet.constant("resize/size", NEW_SIZE, np.int32)
    sheet.compute("resize", "ResizeBilinear", [sheet.feed("resize/x", x), size])


EXPERIMENTS = (add_batch_norm, add_resize)


def batch_norm(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what a batch normalisation gives."""
    x, scale, offset, mean, variance = (
        feeds[f"{name}/{key}"].astype(np.float64) for key in ("x", "scale", "offset", "mean", "variance")
    )
    factor = scale / np.sqrt(variance + EPSILON)
    steps = guess["batch_norm_steps"]
    if steps == "folded":
        shift = guess.stored(offset - mean * factor)
        return guess.stored(guess.stored(x * guess.stored(factor)) + shift)
    if steps == "rounded":
        scaled = guess.stored(guess.stored(x - mean) * guess.stored(factor))
        return guess.stored(scaled + offset)
    return guess.stored((x - mean) * factor + offset)


def resized(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return what linear interpolation gives, along columns, then along rows."""
    bits = 64 if guess["resize_steps"] == "exact" else None
    x = feeds[f"{name}/x"].astype(np.float64)
    for axis in (2, 1):
        x = _along(guess, x, axis, bits)
    return guess.stored(x)


def _along(guess: Guess, x: Array, axis: int, bits: int | None) -> Array:
    old, new = SIZE[axis - 1], NEW_SIZE[axis - 1]
    places = np.arange(new, dtype=np.float32) * (np.float32(old) / np.float32(new))
    before = np.floor(places)
    weight = guess.stored((places - before).astype(np.float64), bits)
    below, above = (np.take(x, np.minimum(before + step, old - 1).astype(int), axis) for step in (0, 1))
    shape = (-1, 1) if axis == 2 else (-1, 1, 1)
    between = below + guess.stored(guess.stored(above - below, bits) * weight.reshape(shape), bits)
    return guess.stored(between, bits) if axis == 2 else between
