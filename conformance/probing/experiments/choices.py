"""Operators that a device takes in one form or another, whatever its arithmetic: which pixels and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.probing.guess import Guess
    from conformance.probing.sheet import Sheet

    Array = np.ndarray[Any, Any]
    Feeds = Mapping[str, Array]

SIDE, NEW_SIDE = 4, 7
CROPPED = 5
OUTSIDE = 7.0
BOXES = ((0.0, 0.0, 1.5, 1.5), (0.0, 0.0, 0.75, 0.75))
CROP = 7
"""The first box steps by whole pixels and leaves the picture, the second one steps by half a pixel."""
LARGEST = 3


def add_resize(sheet: Sheet) -> None:
    """Add a picture made larger by taking the nearest pixel."""
    picture = sheet.feed("nearest/x", np.arange(SIDE * SIDE).reshape(1, SIDE, SIDE, 1))
    size = sheet.constant("nearest/size", [NEW_SIDE, NEW_SIDE], np.int32)
    sheet.compute("nearest", "ResizeNearestNeighbor", [picture, size])


def add_top(sheet: Sheet) -> None:
    """Add the largest values of a few, in no order."""
    values = sheet.feed("top/x", [[3, 9, 1, 7, 5, 2, 8, 4]])
    count = sheet.constant("top/count", np.int32(LARGEST), np.int32)
    sheet.compute("top", "TopKV2", [values, count]).attr["sorted"].b = False


def add_crop(sheet: Sheet) -> None:
    """Add a crop by the nearest pixel that leaves the picture, with a value for what lies there."""
    picture = sheet.feed("crop/x", 4 * np.arange(CROPPED * CROPPED).reshape(1, CROPPED, CROPPED, 1))
    boxes = sheet.constant("crop/boxes", BOXES)
    of = sheet.constant("crop/of", [0] * len(BOXES), np.int32)
    size = sheet.constant("crop/size", [CROP, CROP], np.int32)
    node = sheet.compute("crop", "CropAndResize", [picture, boxes, of, size])
    node.attr["method"].s, node.attr["extrapolation_value"].f = b"nearest", OUTSIDE


EXPERIMENTS = (add_resize, add_top, add_crop)


def nearest(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return the picture that nearest pixels make."""
    shift = 0.5 if guess["resize_nearest"] == "half-pixel" else 0.0
    at = np.floor((np.arange(NEW_SIDE) + shift) * SIDE / NEW_SIDE).astype(int)
    return np.asarray(feeds[f"{name}/x"][:, at][:, :, at])


def top(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return the largest values, or the smallest, in their order."""
    values = np.sort(feeds[f"{name}/x"])
    return values[:, :LARGEST] if guess["top_k_unsorted"] == "smallest" else values[:, -LARGEST:]


def cropped(guess: Guess, feeds: Feeds, name: str) -> Array:
    """Return the crops: each row and column of pixels, or of means of two, and what lies outside."""
    as_asked = guess["crop_and_resize"] == "as-asked"
    picture, last = feeds[f"{name}/x"][0, :, :, 0].astype(np.float64), CROPPED - 1
    crops = np.full((len(BOXES), CROP, CROP, 1), OUTSIDE if as_asked else 0.0)
    for index, (_, _, bottom, _) in enumerate(BOXES):
        places = np.arange(CROP) * bottom * last / (CROP - 1)
        inside = places[places <= last]
        below = np.floor(inside + 0.5).astype(int) if as_asked else np.floor(inside).astype(int)
        weight = np.zeros(len(inside)) if as_asked else inside - below
        above = np.minimum(below + 1, last)
        rows = picture[below] + (picture[above] - picture[below]) * weight[:, None]
        found = rows[:, below] + (rows[:, above] - rows[:, below]) * weight
        crops[index, : len(inside), : len(inside), 0] = found
    return crops
