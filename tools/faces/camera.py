"""From the person on the grid and a backdrop to pixels: placing, exposure, colour, blur, noise."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from faces.head import EXTENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faces.describe import Scene
    from faces.fields import Field

    Pixels = NDArray[np.uint8]

MESH = 8
"""Quadrilaterals along each side of the picture that follow the turn of the head."""
EXPOSURE = (0.75, 1.25)
"""Limits of the factor that brings a picture to the standard deviation asked for."""


class Exposure(NamedTuple):
    """Level and gain that a camera chose for one picture: ``(value - middle) * gain + mean``."""

    middle: Field
    gain: float
    mean: Field


def quadrilaterals(scene: Scene, size: int, grid_size: int) -> list[tuple[Any, Any]]:
    """Return Pillow's mesh: boxes of the picture and, for each, the corners on the grid that it shows."""
    ticks = np.round(np.linspace(0, size, MESH + 1)).astype(int)
    x, y = np.meshgrid(ticks * 2.0 / size - 1.0, ticks * 2.0 / size - 1.0)
    u, v = _face_coordinates(scene, x, y)
    columns, rows = ((w + EXTENT) / (2.0 * EXTENT) * grid_size for w in (u, v))
    mesh = []
    for i in range(MESH):
        for j in range(MESH):
            corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
            quad = [float(w[c]) for c in corners for w in (columns, rows)]
            mesh.append(((ticks[j], ticks[i], ticks[j + 1], ticks[i + 1]), quad))
    return mesh


def _face_coordinates(scene: Scene, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where the face is seen at ``x`` and ``y`` of the picture; what stands out moves as the head turns."""
    x, y = x - scene.shift[0], y - scene.shift[1]
    cosine, sine = np.cos(scene.rotation), np.sin(scene.rotation)
    u = (cosine * x + sine * y) / (scene.scale * scene.aspect)
    v = (cosine * y - sine * x) / scene.scale
    out = np.clip(1.0 - (u / 0.6) ** 2 - (v / 0.9) ** 2, 0.0, None)
    return u - scene.turn[0] * out, v - scene.turn[1] * out


def place(layer: Field, mesh: list[tuple[Any, Any]], size: int) -> Field:
    """Show ``layer``, (grid, grid, 3 or 4) in 0..1, in the picture."""
    image = Image.fromarray(_bytes(layer))
    shown = image.transform((size, size), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    return np.asarray(shown, np.float32) * np.float32(1.0 / 255.0)


def _bytes(picture: Field) -> Pixels:
    return (np.clip(picture, 0.0, 1.0) * np.float32(255.0) + np.float32(0.5)).astype(np.uint8)


def wall(scene: Scene, person: Field, behind: Field) -> Field:
    """Return the pattern ``behind``, so bright that with ``person`` before it the picture has its mean."""
    cover = person[..., 3:]
    free = np.float32(1.0) - cover
    wanted = np.asarray(scene.mean, np.float32) - (person[..., :3] * cover + free * behind).mean((0, 1))
    base = np.clip(wanted / max(float(free.mean()), 0.05), 0.04, 0.96)
    return np.clip(behind + base.astype(np.float32), 0.0, 1.0)


def compose(person: Field, behind: Field) -> Field:
    """Put ``person``, whose fourth channel is cover, before a backdrop."""
    return behind + (person[..., :3] - behind) * person[..., 3:]


def develop(scene: Scene, picture: Field) -> Field:
    """White balance and gamma."""
    balanced = np.clip(picture, 0.0, 1.0) * np.asarray(scene.balance, np.float32)
    return balanced if scene.gamma == 1.0 else balanced ** np.float32(scene.gamma)


def expose(scene: Scene, picture: Field) -> Exposure:
    """Choose gain and level that give ``picture`` the mean and deviation asked for, within limits."""
    middle = picture.mean((0, 1))
    spread = float(np.sqrt(np.mean((picture - middle) ** 2)))
    gain = float(np.clip(scene.spread / max(spread, 1e-3), *EXPOSURE))
    mean = middle + np.clip(np.asarray(scene.mean, np.float32) - middle, -0.2, 0.2)
    return Exposure(middle, gain, mean.astype(np.float32))


def finish(scene: Scene, picture: Field, exposure: Exposure) -> Pixels:
    """Exposed and focused, without noise."""
    exposed = _bytes((picture - exposure.middle) * np.float32(exposure.gain) + exposure.mean)
    radius = scene.blur * picture.shape[0] / 256.0
    if radius < 0.15:
        return exposed
    return np.asarray(Image.fromarray(exposed).filter(ImageFilter.GaussianBlur(radius)))


@cache
def _grain_table() -> Field:
    """Noise of unit deviation, more of it grey than coloured: drawn once, as it takes long."""
    random = np.random.RandomState(7)
    grey, colour = random.standard_normal((700, 700, 1)), random.standard_normal((700, 700, 3))
    return (grey + 0.4 * colour).astype(np.float32)


def _grain(random: np.random.RandomState, size: int) -> Field:
    """A random part of the table, turned at random; larger pictures repeat it."""
    top, left, turns = random.randint([700, 700, 4])
    rows, columns = (np.arange(size) + top) % 700, (np.arange(size) + left) % 700
    return np.rot90(_grain_table()[rows[:, None], columns], turns)


def spoil(scene: Scene, pixels: Pixels, random: np.random.RandomState) -> Pixels:
    """Add the noise of the sensor and of JPEG."""
    if scene.noise > 0.0:
        noisy = pixels + np.float32(255.0 * scene.noise) * _grain(random, pixels.shape[0])
        pixels = np.clip(noisy + np.float32(0.5), 0.0, 255.0).astype(np.uint8)
    if not scene.quality:
        return pixels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=scene.quality)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))
