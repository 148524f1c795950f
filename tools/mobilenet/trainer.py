"""One training: variables, Adam, and everything on disk that taking it up again needs."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from training.schedule import Schedule

from conformance.errors import UsageError
from conformance.files import write_atomically
from mobilenet.layers import LOGITS, MOMENTS, layers, trained_shapes
from mobilenet.model import inference, training
from mobilenet.samples import model_values

if TYPE_CHECKING:
    from pathlib import Path

    from mobilenet.samples import Batch

    Array = np.ndarray[Any, Any]
    Tensor = Any  # TensorFlow ships no types

BETAS = (0.9, 0.999)
KEPT = 0.99
"""Part of the moving moments that a step leaves."""


class Recipe(Schedule, frozen=True, forbid_unknown_fields=True):
    """How to train; a recipe and its seed make the weights."""

    seed: int
    rounds: int
    pictures: int  # drawn in each round
    uses: int  # of every picture, turned and mirrored
    batch: int
    weight_decay: float  # of all filters but the depthwise ones

    @property
    def steps_of_a_round(self) -> int:
        """Steps between two places where a training can be taken up again."""
        return self.uses * self.pictures // self.batch

    @property
    def steps(self) -> int:
        """All steps."""
        return self.rounds * self.steps_of_a_round


def initial(seed: int) -> dict[str, Array]:
    """Draw initial values: He's for filters, batch norms that do nothing."""
    random = np.random.RandomState(seed)
    values = {}
    for name, shape in trained_shapes().items():
        if name.endswith(("gamma", "moving_variance")):
            values[name] = np.ones(shape, np.float32)
        elif name.endswith(("beta", "moving_mean", "biases")):
            values[name] = np.zeros(shape, np.float32)
        else:
            terms = np.prod(shape[:2] if name.endswith("depthwise_weights") else shape[:-1])
            values[name] = (np.sqrt(2.0 / terms) * random.standard_normal(shape)).astype(np.float32)
    return values


class Trainer:
    """Holds the state of a training.

    Args:
        recipe: how to train.
    """

    def __init__(self, recipe: Recipe) -> None:
        import tensorflow as tf

        self.recipe, self.step = recipe, 0
        self.variables = {name: tf.Variable(value) for name, value in initial(recipe.seed).items()}
        self.moments = {
            name: (tf.Variable(tf.zeros_like(variable)), tf.Variable(tf.zeros_like(variable)))
            for name, variable in self.variables.items()
            if not name.endswith(MOMENTS)
        }
        self._update = tf.function(self._update_once)
        self._logits = tf.function(lambda pictures: inference(pictures, self.variables))

    @property
    def round(self) -> int:
        """The round that comes next."""
        return self.step // self.recipe.steps_of_a_round

    def train(self, batch: Batch) -> float:
        """Take one step and return the loss before it."""
        import tensorflow as tf

        powers = [beta ** (self.step + 1) for beta in BETAS]
        scalars = [tf.constant(value, tf.float32) for value in (self.recipe.rate_at(self.step), *powers)]
        loss = self._update(tf.constant(model_values(batch.pictures)), tf.constant(batch.classes), *scalars)
        self.step += 1
        return float(loss)

    def _update_once(self, pictures: Tensor, classes: Tensor, *scalars: Tensor) -> Tensor:
        import tensorflow as tf

        trained = {name: self.variables[name] for name in self.moments}
        with tf.GradientTape() as tape:
            logits, moments = training(pictures, self.variables)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(classes, logits))
            gradients = tape.gradient(loss + self._decayed(), trained)
        self._move(gradients, *scalars)
        for layer in layers():
            for part, value in zip(MOMENTS, moments[layer.name], strict=True):
                variable = self.variables[layer.norm(part)]
                variable.assign_add((1.0 - KEPT) * (value - variable))
        return loss

    def _decayed(self) -> Tensor:
        import tensorflow as tf

        names = [*(layer.kernel for layer in layers() if not layer.depthwise), f"{LOGITS}/weights"]
        return self.recipe.weight_decay * tf.add_n([tf.nn.l2_loss(self.variables[name]) for name in names])

    def _move(self, gradients: dict[str, Tensor], rate: Tensor, power1: Tensor, power2: Tensor) -> None:
        import tensorflow as tf

        for name, (first, second) in self.moments.items():
            tf.raw_ops.ResourceApplyAdam(
                var=self.variables[name].handle, m=first.handle, v=second.handle, beta1_power=power1,
                beta2_power=power2, lr=rate, beta1=BETAS[0], beta2=BETAS[1], epsilon=1e-7,
                grad=gradients[name],
            )  # fmt: skip

    def guesses(self, batch: Batch) -> Array:
        """Return the number of the class that each picture is taken for."""
        import tensorflow as tf

        logits = self._logits(tf.constant(model_values(batch.pictures)))
        return np.argmax(logits.numpy(), axis=-1)

    def save(self, path: Path) -> None:
        """Write everything to ``path``, whole or not at all."""
        arrays = {f"variables:{name}": variable.numpy() for name, variable in self.variables.items()}
        for name, pair in self.moments.items():
            arrays |= {f"moment{index}:{name}": moment.numpy() for index, moment in enumerate(pair)}
        write_atomically(path, lambda file: np.savez(file, step=self.step, **arrays))

    def load(self, path: Path) -> None:
        """Take up a training.

        Raises:
            UsageError: the file is not one that ``save`` wrote.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                for name, variable in self.variables.items():
                    variable.assign(archive[f"variables:{name}"])
                for name, pair in self.moments.items():
                    for index, moment in enumerate(pair):
                        moment.assign(archive[f"moment{index}:{name}"])
                self.step = int(archive["step"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(
                f"checkpoint {path} cannot be read ({error}); delete it to start anew"
            ) from error

    def export(self, path: Path, about: str) -> None:
        """Write the variables as float32 with ``about``, a text on how they were made."""
        arrays = {name: variable.numpy() for name, variable in self.variables.items()}
        write_atomically(path, lambda file: np.savez(file, about=about, **arrays))
