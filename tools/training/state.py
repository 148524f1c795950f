"""The state of a training: weights, Adam, their running mean, and everything on disk to take it up again."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError
from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Tensor = Any  # TensorFlow ships no types

BETAS = (0.9, 0.99)
AVERAGED_EVERY = 4
"""Steps between two updates of the running mean."""
AVERAGED_OVER = 500
"""Steps that the running mean looks back, about."""


class State:
    """Weights that Adam moves, and their running mean, which is what is judged and exported.

    Args:
        values: the weights at first, by name.
    """

    def __init__(self, values: Mapping[str, np.ndarray]) -> None:
        import tensorflow as tf

        self.step = 0
        self.weights = {name: tf.Variable(value) for name, value in values.items()}
        self.mean = {name: tf.Variable(value) for name, value in values.items()}
        self.moments = {
            name: (tf.Variable(np.zeros_like(value)), tf.Variable(np.zeros_like(value)))
            for name, value in values.items()
        }
        self._average = tf.function(self._average_once)

    def scalars(self, rate: float) -> list[Tensor]:
        """Return what :meth:`move` takes at this step: the rate and the powers of Adam's betas."""
        import tensorflow as tf

        powers = [beta ** (self.step + 1) for beta in BETAS]
        return [tf.constant(value, tf.float32) for value in (rate, *powers)]

    def move(self, gradients: Mapping[str, Tensor], scalars: Sequence[Tensor]) -> None:
        """Let Adam move the weights."""
        import tensorflow as tf

        rate, power1, power2 = scalars
        for name, variable in self.weights.items():
            first, second = self.moments[name]
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=first.handle, v=second.handle, beta1_power=power1, beta2_power=power2,
                lr=rate, beta1=BETAS[0], beta2=BETAS[1], epsilon=1e-8, grad=gradients[name],
            )  # fmt: skip

    def count(self) -> None:
        """Take note that a step was taken; now and then the running mean follows."""
        import tensorflow as tf

        self.step += 1
        if self.step % AVERAGED_EVERY == 0:
            kept = min(1.0 - AVERAGED_EVERY / AVERAGED_OVER, self.step / (self.step + 10.0 * AVERAGED_EVERY))
            self._average(tf.constant(kept, tf.float32))

    def _average_once(self, kept: Tensor) -> None:
        for name, variable in self.weights.items():
            self.mean[name].assign_add((1.0 - kept) * (variable - self.mean[name]))

    def save(self, path: Path) -> None:
        """Write everything to ``path``, whole or not at all."""
        arrays = {f"weights:{name}": value.numpy() for name, value in self.weights.items()}
        arrays |= {f"mean:{name}": value.numpy() for name, value in self.mean.items()}
        for index in (0, 1):
            arrays |= {f"moment{index}:{name}": pair[index].numpy() for name, pair in self.moments.items()}
        write_atomically(path, lambda file: np.savez(file, step=self.step, **arrays))

    def load(self, path: Path) -> None:
        """Take up a training.

        Raises:
            UsageError: the file is not one that ``save`` wrote.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                for name in self.weights:
                    self.weights[name].assign(archive[f"weights:{name}"])
                    self.mean[name].assign(archive[f"mean:{name}"])
                    for index in (0, 1):
                        self.moments[name][index].assign(archive[f"moment{index}:{name}"])
                self.step = int(archive["step"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(
                f"checkpoint {path} cannot be read ({error}); delete it to start anew"
            ) from error

    def export(self, path: Path, about: str, dtype: type = np.float16) -> None:
        """Write the mean weights, compressed, with ``about``, a text on how they were made."""
        arrays = {name: value.numpy().astype(dtype) for name, value in self.mean.items()}
        write_atomically(path, lambda file: np.savez_compressed(file, about=about, **arrays))
