"""Draw the faces of ``fixtures/networks/beautygan/inputs`` that are not photographs.

A head is a height field: an egg-shaped dome with bumps for nose, lips, brows, cheeks and chin. Its normals
give the shading; skin, makeup, eyes, brows and hair are layers of colour with soft edges. All arithmetic is
float64 NumPy and seeded, so that the same pixels come out everywhere.

Run ``python tools/draw_faces.py``; two runs write the same pixels.

Coordinates: x to the right and y down, both -1..1 over the picture; distances in the same unit. Colours are
red, green and blue in 0..1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from conformance.errors import ConformanceError
from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Field: TypeAlias = NDArray[np.float64]
    Colour: TypeAlias = tuple[float, float, float]

INPUTS = Path(__file__).resolve().parents[1] / "fixtures/networks/beautygan/inputs"
SIZE = 256
OVERSAMPLING = 3
NOISE = 0.008  # standard deviation of the grain of the finished picture
EYE = (0.235, -0.06)  # centre of the right-hand eye
EYE_SIZE = (0.112, 0.050, 0.036)  # half width, height above and below the centre
MOUTH = 0.47  # y of the line between the lips


class Face(NamedTuple):
    """What one face looks like; strengths of makeup are 0 (none) to 1."""

    seed: int
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    background: Colour
    clothes: Colour
    width: float = 0.53  # half width of the head
    brow: float = 1.0  # thickness of the brows
    mouth: float = 0.19  # half width of the mouth
    long_hair: bool = True
    lip_colour: float = 0.35
    shadow: Colour = (0.0, 0.0, 0.0)
    shadow_strength: float = 0.0
    blush: Colour = (0.8, 0.3, 0.3)
    blush_strength: float = 0.0
    lashes: float = 0.3


FACES = {
    "face-2.png": Face(
        seed=2,
        skin=(0.55, 0.36, 0.25),
        hair=(0.10, 0.075, 0.065),
        iris=(0.24, 0.13, 0.07),
        lips=(0.55, 0.27, 0.24),
        background=(0.60, 0.66, 0.70),
        clothes=(0.30, 0.42, 0.38),
        width=0.55,
        brow=1.25,
        long_hair=False,
    ),
    "style-1.png": Face(
        seed=3,
        skin=(0.91, 0.72, 0.61),
        hair=(0.17, 0.10, 0.07),
        iris=(0.30, 0.45, 0.50),
        lips=(0.78, 0.05, 0.12),
        background=(0.80, 0.76, 0.72),
        clothes=(0.16, 0.17, 0.25),
        width=0.51,
        lip_colour=0.95,
        shadow=(0.38, 0.20, 0.42),
        shadow_strength=0.85,
        blush=(0.90, 0.32, 0.36),
        blush_strength=0.55,
        lashes=1.0,
    ),
    "style-2.png": Face(
        seed=4,
        skin=(0.76, 0.55, 0.41),
        hair=(0.28, 0.15, 0.08),
        iris=(0.38, 0.25, 0.10),
        lips=(0.58, 0.07, 0.30),
        background=(0.42, 0.47, 0.45),
        clothes=(0.72, 0.66, 0.58),
        width=0.54,
        brow=1.15,
        mouth=0.20,
        lip_colour=0.9,
        shadow=(0.10, 0.42, 0.40),
        shadow_strength=0.8,
        blush=(0.80, 0.28, 0.22),
        blush_strength=0.6,
        lashes=1.0,
    ),
}


def smooth(low: float, high: float, x: Field) -> Field:
    """Rise from 0 at ``low`` to 1 at ``high`` without corners (Hermite)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(x: Field, y: Field, centre: tuple[float, float], spread: tuple[float, float]) -> Field:
    """Gaussian of height 1 around ``centre``; ``spread`` are its standard deviations."""
    return np.exp(-0.5 * (((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2))


def blend(picture: Field, colour: Field | Colour, cover: Field) -> Field:
    """Lay ``colour`` over ``picture`` where ``cover`` (0..1) says so."""
    return picture + (np.asarray(colour) - picture) * cover[..., None]


class Canvas:
    """The coordinates of one face and its random numbers."""

    def __init__(self, face: Face) -> None:
        self.face = face
        axis = (np.arange(SIZE * OVERSAMPLING) + 0.5) * 2.0 / (SIZE * OVERSAMPLING) - 1.0
        self.x, self.y = np.meshgrid(axis, axis)
        self.side = np.abs(self.x)  # both halves of a face are alike
        self.random = np.random.RandomState(face.seed)
        self.light = np.array([-0.38, -0.42, 0.82])

    def strands(self, along: Field, scale: float) -> Field:
        """Noise of mean 0 that depends on ``along`` only, in three octaves: hair, brows, lip lines."""
        total = np.zeros_like(along)
        for octave in range(3):
            values = self.random.standard_normal(1024)
            total += np.interp(along * scale * 2.0**octave % 1023.0, np.arange(1024), values) / 1.6**octave
        return total / 2.0

    def dome(self) -> Field:
        """Distance from the middle of the head: 0 there, 1 on its outline; narrower towards the chin."""
        down = (self.y + 0.02) / 0.84
        narrowing = 1.0 - 0.33 * smooth(0.1, 1.05, down) ** 1.3 - 0.05 * smooth(-0.2, -1.0, down)
        across = self.side / (self.face.width * narrowing)
        return (np.abs(across) ** 2.35 + np.abs(down) ** 2.35) ** (1.0 / 2.35)
