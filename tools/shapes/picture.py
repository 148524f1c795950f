"""From scenes to pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from faces import describe
from faces.backdrop import pattern
from faces.fields import blend
from PIL import Image, ImageFilter

from shapes.outlines import CLASSES
from shapes.scene import random_scene

if TYPE_CHECKING:
    from faces.camera import Pixels
    from faces.fields import Field
    from numpy.typing import NDArray

    from shapes.outlines import Plane
    from shapes.scene import Scene, Stroke

SIZE = 64
"""Width and height of the pictures that the network is for."""
SHADOW = (0.09, 0.12)
"""Where a shadow falls, across and down, in radii."""


def drawn(seed: int, count: int, size: int = SIZE) -> tuple[Pixels, NDArray[np.int64]]:
    """Draw pictures of all classes, as evenly as ``count`` allows, in random order.

    Args:
        seed: what is drawn.
        count: of pictures.
        size: width and height of each.

    Returns:
        uint8 (count, size, size, 3), and the number of each one's class, int64 (count,).
    """
    random = np.random.RandomState(seed)
    classes = random.permutation(np.arange(count) % len(CLASSES)).astype(np.int64)
    names = list(CLASSES)
    pictures = [draw(names[index], random_scene(random, size), size) for index in classes]
    return np.stack(pictures), classes


def draw(name: str, scene: Scene, size: int = SIZE) -> Pixels:
    """Return one picture of the class ``name``, uint8 (size, size, 3)."""
    random = np.random.RandomState(scene.seed)
    picture = _backdrop(scene, random, size)
    across, down = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    for stroke in scene.strokes:
        blend(picture, stroke.colour, _stroke_cover(stroke, across, down))
    offset = np.multiply(SHADOW, scene.radius)
    shade = _edge(_distance(name, scene, across - offset[0], down - offset[1]), 3.0)
    picture *= 1.0 - np.float32(scene.shadow) * shade[..., None]
    inside = _distance(name, scene, across, down)
    blend(picture, _filling(scene, inside, across, down), _edge(inside))
    return _photographed(picture, scene, random)


def _backdrop(scene: Scene, random: np.random.RandomState, size: int) -> Field:
    behind = describe.Scene(backdrop=scene.backdrop, contrast=scene.contrast, tint=scene.tint)
    varied = pattern(behind, random, size) + np.asarray(scene.ground, np.float32)
    return np.clip(varied, 0.0, 1.0).astype(np.float32)


def _distance(name: str, scene: Scene, across: Plane, down: Plane) -> Plane:
    """Return the signed distance to the outline, in pixels."""
    x, y = across - scene.centre[0], down - scene.centre[1]
    cosine, sine = np.cos(scene.angle), np.sin(scene.angle)
    width = scene.radius * min(1.0, scene.stretch)
    height = scene.radius * min(1.0, 1.0 / scene.stretch)
    return scene.radius * CLASSES[name]((cosine * x + sine * y) / width, (cosine * y - sine * x) / height)


def _edge(distance: Plane, soft: float = 1.0) -> Field:
    """Return how much of a pixel is inside: the edge is ``soft`` pixels wide."""
    return np.clip(0.5 - distance / soft, 0.0, 1.0).astype(np.float32)


def _filling(scene: Scene, inside: Plane, across: Plane, down: Plane) -> Field:
    """Return the colours of the shape, border included, over the whole picture."""
    x, y = (across - scene.centre[0]) / scene.radius, (down - scene.centre[1]) / scene.radius
    along = np.cos(scene.angle) * x + np.sin(scene.angle) * y
    light = {
        "flat": np.zeros_like(x),
        "shaded": along,
        "glossy": 1.6 * np.exp(-2.5 * ((x + 0.3) ** 2 + (y + 0.35) ** 2)) - 0.4,
        "striped": np.tanh(2.0 * np.sin(9.0 * along)),
    }[scene.fill]
    bright = 1.0 + scene.relief * light
    colours = np.asarray(scene.colour) * bright[..., None]
    rim = _edge(-inside - scene.outline) if scene.outline else np.zeros_like(x, np.float32)
    filling = np.clip(colours, 0.0, 1.0).astype(np.float32)
    blend(filling, scene.border, rim)
    return filling


def _stroke_cover(stroke: Stroke, across: Plane, down: Plane) -> Field:
    x, y = across - stroke.centre[0], down - stroke.centre[1]
    along = np.cos(stroke.angle) * x + np.sin(stroke.angle) * y
    beside = np.cos(stroke.angle) * y - np.sin(stroke.angle) * x
    beyond = np.maximum(np.abs(along) - stroke.length / 2.0, 0.0)
    return np.float32(stroke.strength) * _edge(np.hypot(beyond, beside) - stroke.width)


def _photographed(picture: Field, scene: Scene, random: np.random.RandomState) -> Pixels:
    """Return pixels, out of focus and with the sensor's noise."""
    image = Image.fromarray(np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8))
    if scene.blur:
        image = image.filter(ImageFilter.GaussianBlur(scene.blur))
    noise = 255.0 * scene.noise * random.standard_normal(picture.shape)
    return np.clip(np.rint(np.asarray(image) + noise), 0.0, 255.0).astype(np.uint8)
