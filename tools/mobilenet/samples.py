"""Pictures for training and judging; everything follows from a seed and a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from shapes import drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faces.camera import Pixels
    from numpy.typing import NDArray

HELD_OUT_SEED = 1_000_000_007
"""Pictures that no training sees: training draws its seeds from other streams."""
SCALE, OFFSET = 2.0 / 255.0, -1.0
"""Model value = pixel * SCALE + OFFSET."""


class Batch(NamedTuple):
    """uint8 pictures (batch, size, size, 3), and the numbers of their classes, int64 (batch,)."""

    pictures: Pixels
    classes: NDArray[np.int64]


def held_out(count: int, number: int = 0) -> Batch:
    """Draw pictures that no training sees; another ``number``, other ones."""
    return Batch(*drawn((HELD_OUT_SEED + number) % 2**32, count))


def training_round(seed: int, number: int, count: int, batch: int, uses: int) -> Iterator[Batch]:
    """Draw ``count`` pictures and yield them in batches, all of them ``uses`` times, turned and mirrored.

    Args:
        seed: of the training.
        number: of the round.
        count: pictures to draw, a multiple of ``batch``.
        batch: pictures of a batch.
        uses: how often every picture comes.
    """
    random = np.random.RandomState((seed * 7_919 + number) % 2**32)
    pictures, classes = drawn(int(random.randint(2**31 - 1)) | 2**31, count)
    for _ in range(uses):
        order = random.permutation(count)
        for start in range(0, count, batch):
            chosen = order[start : start + batch]
            yield Batch(turned(pictures[chosen], random), classes[chosen])


def turned(pictures: Pixels, random: np.random.RandomState) -> Pixels:
    """Turn every picture by a multiple of 90 degrees, and mirror half of them: no class minds."""
    results = [np.rot90(picture[:, :: random.choice([1, -1])], random.randint(4)) for picture in pictures]
    return np.stack(results)


def model_values(pictures: Pixels) -> np.ndarray:
    """Return pixels as the network takes them: float32 in -1..1."""
    return (pictures.astype(np.float64) * SCALE + OFFSET).astype(np.float32)
