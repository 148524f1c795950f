"""Arrays as pixels: what an input, an output and a difference look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing import TypeGuard

    from conformance.network_file import Input, Output

Array = np.ndarray[Any, Any]

COLOURS = (1, 3)
"""Channels of a picture."""
PICTURE_RANK, SMALLEST = 4, 8
"""Axes of a picture in a network, and the least height and width that is one."""
NOT_FINITE = (255, 0, 255)
"""Magenta: nobody takes it for a colour of the picture, and no difference has it."""
GAIN = 8.0
"""How much brighter a difference is shown than it is: white is an eighth of what can be shown, or more."""


def is_picture_shape(shape: tuple[int, ...]) -> bool:
    """Return whether this is batch × height × width × 1 or 3, and large enough to be a picture."""
    return len(shape) == PICTURE_RANK and shape[3] in COLOURS and min(shape[1:3]) >= SMALLEST


def is_picture(value: object) -> TypeGuard[Array]:
    """Return whether something that a device may have returned can be shown."""
    return (
        isinstance(value, np.ndarray)
        and np.issubdtype(value.dtype, np.floating)
        and value.size > 0
        and is_picture_shape(value.shape)
    )


def shown(value: Array, scale: float, offset: float) -> Array:
    """Return the first picture of a batch, uint8, height × width × 3: 0 to 255 for ``value·scale + offset``.

    What is no finite number is magenta.
    """
    levels = np.repeat(value[0], 3 // value.shape[3], axis=2).astype(np.float64) * scale + offset
    finite = np.logical_and.reduce(np.isfinite(levels), axis=2)
    return _pixels(np.clip(np.nan_to_num(levels), 0, 1), finite)


def input_pixels(value: Array, entry: Input, name: str) -> Array:
    """Return an input as its file shows it; of a ``.npy`` file, from its smallest value to its largest."""
    if name.endswith(".npy"):
        low, high = float(value[0].min()), float(value[0].max())
        width = high - low or 1.0
        return shown(value, 1 / width, -low / width)
    scale = 1 / (255 * entry.scale)
    return shown(value, scale, -entry.offset * scale)


def output_pixels(value: Array, output: Output) -> Array:
    """Return an output as its network's description shows it."""
    return shown(value, *output.shades)


def difference_pixels(golden: Array, value: Array, output: Output) -> Array:
    """Return the mean absolute difference of a pixel's channels, times ``GAIN``; see :func:`heat`."""
    difference = np.abs(value[0].astype(np.float64) - golden[0]).mean(axis=2)
    return heat(difference * (GAIN * abs(output.shades[0])))


def heat(levels: Array) -> Array:
    """Return 0 to 1 as black, red, yellow, white; height × width becomes height × width × 3.

    What is no finite number is magenta.
    """
    steps = 3 * np.clip(np.nan_to_num(levels), 0, 1)[..., None] - np.arange(3)
    return _pixels(np.clip(steps, 0, 1), np.isfinite(levels))


def fitted(pixels: Array, side: int) -> Array:
    """Return a picture scaled so that its longer edge is ``side``.

    A pixel that is not finite stays to be seen however much the picture shrinks.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    size = (
        max(1, round(width * side / max(height, width))),
        max(1, round(height * side / max(height, width))),
    )
    how = Image.Resampling.LANCZOS if max(height, width) > side else Image.Resampling.NEAREST
    scaled = np.array(Image.fromarray(pixels).resize(size, how))
    stray = (pixels == NOT_FINITE).all(axis=2)
    if stray.any():
        box = Image.Resampling.BOX if how is Image.Resampling.LANCZOS else how
        covered = np.array(Image.fromarray(stray.astype(np.float32)).resize(size, box)) > 0
        scaled[covered] = NOT_FINITE
    return scaled


def _pixels(levels: Array, finite: Array) -> Array:
    pixels = np.round(levels * 255).astype(np.uint8)
    pixels[~finite] = NOT_FINITE
    return pixels
