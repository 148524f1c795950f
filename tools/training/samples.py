"""Samples for training and judging: a bare face, another's makeup, and the first face with that makeup.

Everything follows from a seed and a number, so that a training that is taken up again sees what it would have
seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from faces import BARE, Portrait, random_face, random_makeup, random_scene

if TYPE_CHECKING:
    from faces.camera import Pixels
    from faces.describe import Makeup

ROUND = 4
"""Steps from which a training can be taken up again are multiples of this."""
HELD_OUT_SEED = 1_000_000_007
"""Far from the seeds of training rounds."""


class Samples(NamedTuple):
    """uint8 arrays, one entry per sample; masks have the channels of ``faces.MASKS``."""

    x: Pixels
    y: Pixels
    target: Pixels
    masks: Pixels

    def mirrored(self, random: np.random.RandomState) -> Samples:
        """Turn left and right: of all X with their targets, of all Y, or of both."""
        first, second = ((1, -1), (-1, 1), (-1, -1))[random.randint(3)]
        turned = (self.x[:, :, ::first], self.y[:, :, ::second], self.target[:, :, ::first])
        return Samples(*turned, self.masks[:, :, ::first])


class _Sitter(NamedTuple):
    portrait: Portrait
    makeup: Makeup


def drawn(seed: int, size: int, count: int, variety: float, bare: float = 0.0) -> Samples:
    """Draw ``count`` samples, at least 2, from as many people: everybody lends makeup to somebody else.

    Args:
        seed: what is drawn.
        size: of the pictures, in pixels.
        count: samples.
        variety: of the scenes, 0 to 1.
        bare: probability that a Y wears no makeup, and the target is X without its noise.
    """
    random = np.random.RandomState(seed)
    sitters = [_sitter(random, size, variety, bare) for _ in range(count)]
    bare_pictures = [sitter.portrait.photograph() for sitter in sitters]
    styles = [sitter.portrait.photograph(sitter.makeup) for sitter in sitters]
    lenders = [(index + 1) % count for index in range(count)]
    pairs = [
        (sitter.portrait, sitters[lender].makeup) for sitter, lender in zip(sitters, lenders, strict=True)
    ]
    return Samples(
        np.stack(bare_pictures),
        np.stack([styles[lender] for lender in lenders]),
        np.stack([portrait.photograph(makeup, noise=False) for portrait, makeup in pairs]),
        np.stack([portrait.masks(makeup) for portrait, makeup in pairs]),
    )


def _sitter(random: np.random.RandomState, size: int, variety: float, bare: float) -> _Sitter:
    portrait = Portrait(random_face(random), random_scene(random, variety), size)
    makeup = random_makeup(random)
    return _Sitter(portrait, BARE if random.uniform() < bare else makeup)


def held_out(size: int, count: int = 20, variety: float = 1.0) -> Samples:
    """Draw the samples that no training sees; those of fewer are not the first of those of more."""
    return drawn(HELD_OUT_SEED % 2**32, size, count, variety)


def training_round(
    seed: int, number: int, size: int, count: int, variety: float, bare: float
) -> list[Samples]:
    """Draw batches of ``count`` samples: ``ROUND`` batches of one, or half as many of several.

    Drawing takes time, so that every sample is used twice: as it is and mirrored.
    """
    random = np.random.RandomState((seed * 7_919 + number) % 2**32)
    samples = drawn(int(random.randint(2**31)), size, max(count, 2), variety, bare)
    batches = [samples, samples.mirrored(random)]
    if count > 1:
        return batches
    return [Samples(*(part[index : index + 1] for part in batch)) for batch in batches for index in (0, 1)]


def model_values(pixels: Pixels) -> np.ndarray:
    """Return pixels as the network takes them: float32 in -1..1."""
    return pixels.astype(np.float32) * np.float32(2.0 / 255.0) - np.float32(1.0)
