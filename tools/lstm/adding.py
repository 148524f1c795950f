"""The adding problem: two numbers of a long sequence are marked, and the answer is their sum.

Every step has a number, even in [0, 1), and a marker, 1 on two steps and 0 on all others: one of the first
ten steps is marked, and one more of the first half of the sequence. The answer must then be kept to the end.
It counts as right when its absolute error is below 0.04.

Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), 1735-1780,
    experiment 4: where the markers stand, and 0.04. There the numbers are of [-1, 1] and the target is
    0.5 + sum / 4, in [0, 1]; of the plain sum of numbers of [0, 1), as here, 0.04 asks twice as much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

TOLERANCE = 0.04
FIRST = 10
"""The first marker stands on one of so many steps."""
MEAN = 1.0
"""The mean answer: what somebody says who does not look."""
HELD_OUT_SEED = 1_000_000_007
"""Far from the seeds of training."""


class Sequences(NamedTuple):
    """A batch of sequences.

    Attributes:
        x: number and marker, float32, shape (count, steps, 2).
        sums: sum of the numbers that were marked so far, float32, shape (count, steps).
    """

    x: np.ndarray
    sums: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """The sum at the end, shape (count, 1)."""
        return self.sums[:, -1:]


def drawn(seed: int, count: int, steps: int) -> Sequences:
    """Draw ``count`` sequences of ``steps`` steps, at least 6.

    Args:
        seed: of the ``numpy.random.RandomState`` that draws them, whose bits are frozen.
        count: how many.
        steps: of each.
    """
    random = np.random.RandomState(seed)
    numbers = random.random_sample((count, steps)).astype(np.float32)
    half = steps // 2
    first = random.randint(0, min(FIRST, half - 1), count)
    second = random.randint(0, half - 1, count)
    second += second >= first  # the second marker stands on any step of the first half but the first's
    markers = np.zeros((count, steps), np.float32)
    for column in (first, second):
        markers[np.arange(count), column] = 1
    sums = np.cumsum(numbers.astype(np.float64) * markers, axis=1)
    return Sequences(np.stack([numbers, markers], axis=-1), sums.astype(np.float32))


def right(answers: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of answers whose absolute error is below the tolerance."""
    return float(np.mean(np.abs(answers - truth) < TOLERANCE))
