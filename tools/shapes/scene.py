"""What a picture of a shape shows besides the class, as plain values, and how it is drawn by lot."""

from __future__ import annotations

import colorsys

import msgspec
import numpy as np
from faces.describe import Colour

BACKDROPS = ("plain", "gradient", "glow", "clouds", "stripes", "scenery")
"""Those of ``faces.backdrop`` that show no shapes of their own."""
FILLS = ("flat", "shaded", "glossy", "striped")
APART = 0.5
"""Least distance between the colours of shape and backdrop, as :func:`distance` has it."""


class Stroke(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A distractor: a dash with round ends, or a dot where its length is 0; lengths in pixels."""

    centre: tuple[float, float]
    angle: float
    length: float
    width: float
    colour: Colour
    strength: float


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One picture; colours are 0..1, lengths are pixels, angles are radians."""

    seed: int  # of the backdrop's pattern and of the noise
    centre: tuple[float, float]  # across, down
    radius: float
    angle: float
    stretch: float  # width over height, before turning
    colour: Colour
    fill: str
    relief: float  # how much the fill varies
    outline: float  # width of a border; 0: none
    border: Colour
    shadow: float  # how dark a shadow it throws
    backdrop: str
    ground: Colour  # mean colour of the backdrop
    contrast: float  # of its pattern
    tint: Colour
    blur: float  # standard deviation
    noise: float  # standard deviation
    strokes: tuple[Stroke, ...]


def random_scene(random: np.random.RandomState, size: int) -> Scene:
    """Return a scene for a picture of ``size`` pixels: the shape is whole, and its colour stands out."""
    radius = random.uniform(0.21, 0.36) * size
    centre = random.uniform(radius, size - radius, 2)
    ground = random_colour(random)
    colour = apart_from(random, ground)
    return Scene(
        seed=int(random.randint(2**31)),
        centre=(float(centre[0]), float(centre[1])),
        radius=radius,
        angle=random.uniform(0.0, 2.0 * np.pi),
        stretch=float(np.exp(random.uniform(-0.09, 0.09))),
        colour=colour,
        fill=FILLS[random.randint(len(FILLS))],
        relief=random.uniform(0.08, 0.22),
        outline=random.choice([0.0, random.uniform(0.8, 2.0)]),
        border=_scaled(colour, random.choice([0.35, 1.6])),
        shadow=random.choice([0.0, random.uniform(0.15, 0.45)]),
        backdrop=BACKDROPS[random.randint(len(BACKDROPS))],
        ground=ground,
        contrast=random.uniform(0.02, 0.1),
        tint=tuple(float(value) for value in random.uniform(-0.5, 0.5, 3)),  # type: ignore[arg-type]
        blur=max(0.0, random.uniform(-0.4, 0.9)),
        noise=random.uniform(0.0, 0.05),
        strokes=tuple(_random_stroke(random, size) for _ in range(random.randint(7))),
    )


def random_colour(random: np.random.RandomState) -> Colour:
    """Return any colour, pale ones and dark ones included."""
    return colorsys.hsv_to_rgb(random.uniform(), random.uniform(0.0, 0.95), random.uniform(0.12, 1.0))


def apart_from(random: np.random.RandomState, ground: Colour) -> Colour:
    """Return a colour that is plainly another than ``ground``."""
    while distance(colour := random_colour(random), ground) < APART:
        pass
    return colour


def distance(first: Colour, second: Colour) -> float:
    """Return how different two colours look: brightness counts double."""
    difference = np.subtract(first, second)
    return float(np.hypot(np.linalg.norm(difference) / np.sqrt(3.0), difference @ [0.299, 0.587, 0.114]))


def _random_stroke(random: np.random.RandomState, size: int) -> Stroke:
    centre = random.uniform(0.0, size, 2)
    return Stroke(
        centre=(float(centre[0]), float(centre[1])),
        angle=random.uniform(0.0, np.pi),
        length=random.choice([0.0, random.uniform(0.05, 0.8)]) * size,
        width=random.uniform(0.015, 0.035) * size,
        colour=random_colour(random),
        strength=random.uniform(0.3, 0.9),
    )


def _scaled(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(1.0, part * factor) for part in colour)
    return red, green, blue
