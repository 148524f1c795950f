"""A network with one operator that the emulator does not model: what rests on it says nothing of a card."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from support.emulation import placeholder
from support.toy_network import KeptNetwork, kept, uniform, write_toy

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 8
UNMODELLED = "norm"


def _build(tf):
    random = np.random.default_rng(5)

    def convolution(value, name):
        filters = random.normal(0, 0.3, (1, 1, 3, 3)).astype(np.float32)
        return tf.nn.conv2d(
            value, tf.constant(filters, name=f"{name}/filter"), 1, "SAME", name=f"{name}/Conv2D"
        )

    first = convolution(placeholder(tf, "X", (1, SIZE, SIZE, 3)), "first")
    normal = tf.nn.local_response_normalization(first, name=UNMODELLED)
    tf.tanh(convolution(normal, "last"), name="out")


def write(directory: Path) -> None:
    """Write graph, description and inputs, without scales and goldens."""
    write_toy(directory, _build, uniform(7, (1, SIZE, SIZE, 3), "X", samples=2), name="partly")


@functools.cache
def kept_unmodelled() -> KeptNetwork:
    """Return the network with scales and goldens, made once per test session."""
    return kept("partly", write)
