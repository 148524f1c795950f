"""Pictures of a network's inputs and outputs side by side, where they are pictures."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL.Image import Image

    from conformance.networks import Network, Output

Array = np.ndarray[Any, Any]

COLOURS = (1, 3)
"""Channels of a picture."""
PICTURE_RANK = 4
MARGIN, LABEL, LETTER = 6, 14, 6
"""Pixels between panels, of a label's line, and of a letter's width."""
BACKGROUND, INK = (255, 255, 255), (0, 0, 0)
DIFFERENCE_GAIN = 4.0
"""How much brighter a difference is shown than it is; said in its label."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """A picture with its label; pixels are uint8, height × width × 3."""

    label: str
    pixels: Array


def is_picture(value: object) -> bool:
    """Return whether an array can be shown: batch × height × width × 1 or 3."""
    return isinstance(value, np.ndarray) and value.ndim == PICTURE_RANK and value.shape[3] in COLOURS


def shown(value: Array, scale: float, offset: float) -> Array:
    """Return the first picture of a batch as pixels, 0 to 255 for ``value·scale + offset`` from 0 to 1.

    What is no finite number is shown as magenta, so that nobody takes it for a colour of the picture.
    """
    levels = np.repeat(value[0], 3 // value.shape[3], axis=2).astype(np.float64) * scale + offset
    pixels = np.round(np.clip(np.nan_to_num(levels), 0, 1) * 255).astype(np.uint8)
    pixels[~np.isfinite(levels).all(axis=2)] = (255, 0, 255)
    return pixels


def input_panels(network: Network, sample: int) -> list[Panel]:
    """Return the inputs that are pictures, as their files show them."""
    panels = []
    for entry in network.description.input:
        value = network.feeds(sample)[entry.name]
        if is_picture(value):
            scale = 1 / (255 * entry.scale)
            panels.append(Panel(entry.name, shown(value, scale, -entry.offset * scale)))
    return panels


def output_panel(label: str, value: object, output: Output) -> Panel | None:
    """Return an output as its network's description shows it, or None if it is no picture."""
    return (
        Panel(label, shown(value, output.scale, output.offset))
        if isinstance(value, np.ndarray) and is_picture(value)
        else None
    )


def difference_panel(golden: Array, value: object, output: Output) -> Panel | None:
    """Return the absolute difference, brighter than it is by ``DIFFERENCE_GAIN``."""
    if not isinstance(value, np.ndarray) or value.shape != golden.shape or not is_picture(golden):
        return None
    difference = np.abs(value.astype(np.float64) - golden)
    pixels = shown(difference, DIFFERENCE_GAIN * abs(output.scale), 0.0)
    return Panel(f"difference x{DIFFERENCE_GAIN:g}", pixels)


def sheet(rows: Sequence[Sequence[Panel | None]]) -> Image:
    """Return panels in rows and columns, each under its label; None leaves a gap."""
    from PIL import Image, ImageDraw

    panels = [panel for row in rows for panel in row if panel is not None]
    height = max(panel.pixels.shape[0] for panel in panels)
    width = max(max(panel.pixels.shape[1], LETTER * len(panel.label)) for panel in panels)
    columns = max(map(len, rows))
    size = (columns * (width + MARGIN) + MARGIN, len(rows) * (height + LABEL + MARGIN) + MARGIN)
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for y, row in enumerate(rows):
        for x, panel in enumerate(row):
            if panel is not None:
                corner = (MARGIN + x * (width + MARGIN), MARGIN + y * (height + LABEL + MARGIN))
                draw.text(corner, panel.label, fill=INK)
                picture.paste(Image.fromarray(panel.pixels), (corner[0], corner[1] + LABEL))
    return picture


def save(picture: Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    write_atomically(path, lambda file: picture.save(file, format="PNG", optimize=True))
