"""Pictures as the card's program reads and writes them, and how far two are apart."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError
from conformance.numerics.metrics import compare

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[Any, Any]
LEVELS = 255.0
TILE = 8
"""Pixels along the sides of what a JPEG file describes at once."""


@dataclasses.dataclass(frozen=True)
class Likeness:
    """How near a picture comes to another one.

    Attributes:
        psnr: in dB over 255 levels.
        coarse: the same of the means of tiles of 8 × 8 pixels, without the dither that any rounding changes.
        level: the difference of the channels' means, in levels; that of the worst channel.
        contrast: the same of their standard deviations.
    """

    psnr: float
    coarse: float
    level: float
    contrast: float


def read_picture(path: Path) -> Array:
    """Return a picture as uint8, height × width × 3, red first.

    Raises:
        UsageError: it is no picture that can be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise UsageError(f"{path} is not a picture that can be read: {error}") from error


def as_fed(picture: Array, size: tuple[int, int]) -> Array:
    """Return what the program feeds: blue first, scaled to ``size``, whole levels as float32, a batch of one.

    Bilinear between the centres of four pixels, without smoothing, as OpenCV's ``resize`` by default.
    """
    blue_first = picture[..., ::-1].astype(np.float64)
    rows = _interpolated(blue_first, size[0])
    both = _interpolated(rows.swapaxes(0, 1), size[1]).swapaxes(0, 1)
    return np.floor(both + 0.5)[None].astype(np.float32)


def _interpolated(values: Array, length: int) -> Array:
    """Scale the first axis to a length."""
    at = np.clip((np.arange(length) + 0.5) * len(values) / length - 0.5, 0, len(values) - 1)
    low = np.floor(at).astype(int)
    share = (at - low)[:, None, None]
    return values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share


def as_written(output: Array, like: Path) -> Array:
    """Return an output, blue first, as the program writes it, red first: rounded and through a JPEG file.

    Args:
        output: float32, 1 × height × width × 3; OpenCV writes what is no number as 0.
        like: a picture of the program, whose tables and sampling are used; one that is no JPEG changes
            nothing.
    """
    from PIL import Image, JpegImagePlugin

    levels = np.nan_to_num(output[0, ..., ::-1], posinf=LEVELS, neginf=0.0)
    pixels = np.clip(np.rint(levels), 0, LEVELS).astype(np.uint8)
    with Image.open(like) as model:
        if model.format != "JPEG":
            return pixels
        tables, sampling = model.quantization, JpegImagePlugin.get_sampling(model)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", qtables=tables, subsampling=sampling)
    return np.asarray(Image.open(file))


def likeness(picture: Array, other: Array) -> Likeness:
    """Return how near ``picture`` comes to ``other``, of the same shape."""
    shift = [np.abs(_channels(picture, of) - _channels(other, of)).max() for of in (np.mean, np.std)]
    return Likeness(_psnr(picture, other), _psnr(_tiles(picture), _tiles(other)), *map(float, shift))


def _channels(picture: Array, of: Any) -> Array:
    return np.array([of(picture[..., channel].astype(np.float64)) for channel in range(picture.shape[-1])])


def _psnr(picture: Array, other: Array) -> float:
    return compare(other.astype(np.float64), picture.astype(np.float64)).psnr(LEVELS)


def _tiles(picture: Array) -> Array:
    height, width, channels = picture.shape
    rows, columns = height // TILE, width // TILE
    whole = picture[: rows * TILE, : columns * TILE].astype(np.float64)
    return whole.reshape(rows, TILE, columns, TILE, channels).mean((1, 3))
