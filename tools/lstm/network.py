"""The LSTM as TensorFlow 2 trains it: the same weights, by the same names, as the frozen graph has.

One layer of the LSTM with forget gate and without peepholes, gates in the order i, j, f, o of TensorFlow 1's
``BasicLSTMCell``; its ``forget_bias`` is part of the bias. A linear head reads the answer off every step.

Source: F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget: Continual Prediction with LSTM",
    Neural Computation 12 (2000), 2451-2471.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Tensor = Any  # TensorFlow ships no types

FEATURES = 2
UNITS = 32
STEPS = 100
BATCH = 128
"""Sequences of one sample; a card compiles for a fixed batch."""
SHAPES: dict[str, tuple[int, ...]] = {
    "lstm/kernel": (FEATURES + UNITS, 4 * UNITS),
    "lstm/bias": (4 * UNITS,),
    "answer/kernel": (UNITS, 1),
    "answer/bias": (1,),
}


def initial(seed: int) -> dict[str, np.ndarray]:
    """Return the weights before training: even draws of Glorot and Bengio (2010), forget gates open."""
    random = np.random.RandomState(seed)
    values = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    for name in ("lstm/kernel", "answer/kernel"):
        limit = np.sqrt(6.0 / sum(SHAPES[name]))
        values[name] = random.uniform(-limit, limit, SHAPES[name]).astype(np.float32)
    values["lstm/bias"][2 * UNITS : 3 * UNITS] = 1.0
    return values


def answers(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Return the answer at every step.

    Args:
        x: shape (sequences, steps, 2), both known.
        weights: see ``SHAPES``.

    Returns:
        float32 of shape (sequences, steps).
    """
    import tensorflow as tf

    kernel, bias, head, offset = (tf.convert_to_tensor(weights[name]) for name in SHAPES)
    zeros = tf.zeros([x.shape[0], UNITS])

    def cell(state: tuple[Tensor, Tensor], now: Tensor) -> tuple[Tensor, Tensor]:
        c, h = state
        i, j, f, o = tf.split(tf.matmul(tf.concat([now, h], 1), kernel) + bias, 4, 1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
        return c, tf.sigmoid(o) * tf.tanh(c)

    _, hidden = tf.scan(cell, tf.transpose(x, [1, 0, 2]), (zeros, zeros))
    answer = tf.tensordot(hidden, head, 1) + offset
    return tf.transpose(answer[..., 0])
