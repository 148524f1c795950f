"""A recurrent network unrolled over time: a hidden state per step, and a score at the end; no pictures."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from support.damage import edited
from support.emulation import placeholder
from support.toy_network import KeptNetwork, kept, uniform, write_toy

if TYPE_CHECKING:
    from pathlib import Path

STEPS, FEATURES, STATE = 9, 6, 16
SERIES = """
[[series]]
name = "hidden state"
nodes = "rnn/step_*/h"
"""


def _build(tf):
    random = np.random.default_rng(11)

    def weights(*shape):
        return (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    into, onto, bias = weights(FEATURES, STATE), weights(STATE, STATE), weights(STATE)
    sequence = placeholder(tf, "sequence", (1, STEPS, FEATURES))
    state = None
    for step in range(STEPS):
        with tf.name_scope(f"rnn/step_{step}/"):
            total = tf.linalg.matmul(sequence[:, step], into, name="in") + bias
            if state is not None:
                total += tf.linalg.matmul(state, onto, name="on")
            state = tf.tanh(total, name="h")
    tf.nn.softmax(tf.linalg.matmul(state, weights(STATE, 4), name="head"), name="score")


def write(directory: Path, series: str = SERIES) -> Path:
    """Write graph, description and inputs, without scales and goldens."""
    inputs = uniform(5, (1, STEPS, FEATURES), "sequence", samples=2)
    fields = {"name": "recurrent", "low": 0.0, "cosine": 0.99, "psnr": 20.0}
    return write_toy(directory, _build, inputs, "score", more=series, **fields)


@functools.cache
def kept_recurrent() -> KeptNetwork:
    """Return the network with scales and goldens, made once per test session."""
    return kept("recurrent", write)


def with_series(to: Path, series: str) -> KeptNetwork:
    """Return a copy below ``to`` whose description has ``series`` in place of its own."""
    copy = kept_recurrent().copied(to)
    edited(copy.directory / "network.toml", SERIES, series)
    return copy
