"""Smooth shapes and seeded textures on a grid, in float32."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field: TypeAlias = NDArray[np.float32]

STRANDS = 8192
"""Length of a table of strands: a power of two."""


def smooth(low: Field | float, high: Field | float, x: Field) -> Field:
    """Rise from 0 at ``low`` to 1 at ``high`` without corners (Hermite)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bell(x: Field, centre: Field | float, spread: float) -> Field:
    """Gaussian of height 1 around ``centre`` with standard deviation ``spread``."""
    t = (x - centre) * np.float32(1.0 / spread)
    return np.exp(np.float32(-0.5) * t * t)


def blend(picture: Field, colour: object, cover: Field) -> None:
    """Lay ``colour`` over ``picture``, in place, where ``cover`` (0..1) says so."""
    picture += (np.asarray(colour, np.float32) - picture) * cover[..., None]


def texture(random: np.random.RandomState, cells: tuple[int, int], shape: tuple[int, int]) -> Field:
    """Noise of mean 0: ``cells`` (rows, columns) random values of unit deviation, smooth over ``shape``."""
    values = random.standard_normal(cells).astype(np.float32)
    image = Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(image)


def strand_table(random: np.random.RandomState) -> Field:
    """Return periodic noise in one dimension, three octaves, mean 0: 32 values for each strand."""
    total = np.zeros(STRANDS, np.float32)
    for octave in range(3):
        count = STRANDS >> (5 - octave)
        values = random.standard_normal(count)
        place = np.arange(STRANDS) * (count / STRANDS)
        total += np.interp(place, np.arange(count + 1), np.append(values, values[0])) / 1.6**octave
    return total / 2.0


def strands(table: Field, along: Field) -> Field:
    """Values of ``table`` at ``along``, in strands."""
    return table[(along * np.float32(32.0)).astype(np.int32) & (STRANDS - 1)]
