"""What stands behind a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from faces.fields import texture

if TYPE_CHECKING:
    from faces.describe import Scene
    from faces.fields import Field

KINDS = ("plain", "gradient", "glow", "clouds", "stripes", "shapes", "scenery")
TILED, ROUND = 0.4, 0.5
"""Part of the stripes that cross others, and of the shapes that are discs."""


def pattern(scene: Scene, random: np.random.RandomState, size: int) -> Field:
    """Return the backdrop's deviation from its mean colour, (size, size, 3), scaled by its contrast."""
    shape = _shape(scene.backdrop, random, size)
    shape = (shape - shape.mean((0, 1))) / (shape.std() + np.float32(1e-6))
    colour = 1.0 + np.asarray(scene.tint, np.float32)
    return np.float32(scene.contrast) * shape * colour


def _shape(kind: str, random: np.random.RandomState, size: int) -> Field:
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    x, y = axis[None, :, None], axis[:, None, None]
    if kind == "plain":
        return np.zeros((size, size, 1), np.float32)
    if kind == "gradient":
        angle = random.uniform(0.0, 2.0 * np.pi)
        return np.cos(angle) * x + np.sin(angle) * y
    if kind == "glow":
        right, down = random.uniform(-0.7, 0.7, 2)
        return np.exp(-((x - right) ** 2) - (y - down) ** 2)
    if kind == "stripes":
        return _stripes(random, x, y)
    return {"clouds": _clouds, "shapes": _shapes, "scenery": _scenery}[kind](random, size)


def _stripes(random: np.random.RandomState, x: Field, y: Field) -> Field:
    """Bars, boards or tiles, soft or hard."""
    angle, pitch, hard = random.uniform(0.0, np.pi), random.uniform(6.0, 40.0), random.uniform(1.0, 12.0)
    wave = np.tanh(hard * np.sin(pitch * (np.cos(angle) * x + np.sin(angle) * y)))
    if random.uniform() < TILED:
        wave = wave * np.tanh(hard * np.sin(pitch * (np.cos(angle) * y - np.sin(angle) * x)))
    return wave.astype(np.float32)


def _clouds(random: np.random.RandomState, size: int) -> Field:
    """One colour, mottled, like a painted cloth."""
    cells = random.randint(3, 12)
    return texture(random, (cells, cells), (size, size))[..., None]


def _shapes(random: np.random.RandomState, size: int) -> Field:
    """Discs and boxes of many colours, out of focus."""
    image = Image.new("RGB", (size, size), (128, 128, 128))
    pen = ImageDraw.Draw(image)
    for _ in range(random.randint(4, 14)):
        at, half = random.uniform(-0.1, 1.1, 2) * size, random.uniform(0.04, 0.35, 2) * size
        box = [*(at - half), *(at + half)]
        grey = random.randint(0, 256)
        colour = tuple(int(value) for value in np.clip(grey + random.randint(-50, 51, 3), 0, 255))
        (pen.ellipse, pen.rectangle)[random.uniform() >= ROUND](box, fill=colour)
    blurred = image.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 12.0) * size / 256.0))
    return np.asarray(blurred, np.float32)


def _scenery(random: np.random.RandomState, size: int) -> Field:
    """Detail of all sizes with the spectrum of photographs: half the amplitude at twice the frequency."""
    total = np.zeros((size, size, 3), np.float32)
    cells, weight = random.randint(2, 6), 1.0
    while cells < size:
        grey = texture(random, (cells, cells), (size, size))
        total += np.float32(weight) * grey[..., None]
        if cells < 12:
            for channel in range(3):
                total[..., channel] += np.float32(0.5 * weight) * texture(random, (cells,) * 2, (size,) * 2)
        cells, weight = cells * 2, weight * 0.55
    return total
