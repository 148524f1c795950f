"""An LSTM of two layers, unrolled over time, with random weights: movements in, six activities out.

Its size is that of networks for human activity recognition: 9 signals, 32 units, a dense layer before the two
of LSTM. Equations as in Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    Tensor = Any

INPUT, OUTPUT = "signals", "activities"
SEED = 1997


@dataclasses.dataclass(frozen=True)
class Size:
    """The sizes of an unrolled LSTM."""

    steps: int = 200
    signals: int = 9
    units: int = 32
    layers: int = 2
    classes: int = 6


class UnrolledLstm:
    """Writes one into TensorFlow's current graph.

    Args:
        size: its sizes.
    """

    def __init__(self, size: Size) -> None:
        import tensorflow as tf

        self.tf, self.size = tf, size
        self.random = np.random.RandomState(SEED)

    def write(self) -> None:
        """Write the placeholder ``INPUT``, float32 of shape (1, steps, signals), and all up to ``OUTPUT``."""
        tf, size = self.tf, self.size
        signals = tf.compat.v1.placeholder(tf.float32, (1, size.steps, size.signals), INPUT)
        rows = tf.reshape(tf.transpose(signals, (1, 0, 2)), (-1, size.signals))
        sequence = tf.split(tf.nn.relu(self.dense("before", rows, size.units)), size.steps)
        for layer in range(size.layers):
            sequence = self.layer(f"layer_{layer}", sequence)
        tf.identity(self.dense("after", sequence[-1], size.classes), name=OUTPUT)

    def layer(self, name: str, sequence: list[Tensor]) -> list[Tensor]:
        """Return what a layer hands on at every step, of shape (1, units)."""
        tf, units = self.tf, self.size.units
        kernel = self.drawn(f"{name}/kernel", 2 * units, 4 * units)
        bias = self.drawn(f"{name}/bias", 4 * units)
        state = hidden = tf.zeros((1, units))
        handed = []
        for step, x in enumerate(sequence):
            with tf.name_scope(f"{name}/step_{step}/"):
                gates = tf.nn.bias_add(tf.matmul(tf.concat([x, hidden], 1), kernel), bias)
                into, new, forget, out = tf.split(gates, 4, 1)
                state = state * tf.sigmoid(forget + 1.0) + tf.sigmoid(into) * tf.tanh(new)
                hidden = tf.tanh(state) * tf.sigmoid(out)
            handed.append(hidden)
        return handed

    def dense(self, name: str, x: Tensor, width: int) -> Tensor:
        """Return ``x`` times random weights, plus a random bias."""
        kernel = self.drawn(f"{name}/kernel", int(x.shape[-1]), width)
        return self.tf.nn.bias_add(self.tf.matmul(x, kernel), self.drawn(f"{name}/bias", width))

    def drawn(self, name: str, *shape: int) -> Tensor:
        """Return a constant of normal numbers that keep the size of what is multiplied by them."""
        values = self.random.standard_normal(shape) / np.sqrt(shape[0])
        return self.tf.constant(values.astype(np.float32), name=name)


def write_unrolled_lstm(path: Path, size: Size) -> None:
    """Write one as a frozen ``.pb``."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        UnrolledLstm(size).write()
    path.write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))


def signals(size: Size) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return random signals, of shape (1, steps, signals)."""
    return np.random.RandomState(SEED).standard_normal((1, size.steps, size.signals)).astype(np.float32)
