"""Training the LSTM that adds: the recipe and one step of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from training.schedule import Schedule
from training.state import State

from lstm.adding import Sequences, drawn
from lstm.network import answers, initial

if TYPE_CHECKING:
    import numpy as np

    Tensor = Any  # TensorFlow ships no types

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Updates on sequences of one length."""

    length: Annotated[int, msgspec.Meta(ge=6)]
    batch: Positive
    updates: Positive


class Recipe(Schedule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to train; a recipe and its seed make the weights."""

    seed: int
    clip: Annotated[float, msgspec.Meta(gt=0)]  # largest norm of all gradients together
    stage: list[Stage]

    @property
    def steps(self) -> int:
        """All updates."""
        return sum(stage.updates for stage in self.stage)

    def at(self, step: int) -> Stage:
        """Return the stage of an update."""
        for stage in self.stage:
            if step < stage.updates:
                return stage
            step -= stage.updates
        return self.stage[-1]


class Trainer(State):
    """Trains the LSTM to say at every step what the sum is so far.

    Args:
        recipe: how to train.
    """

    def __init__(self, recipe: Recipe) -> None:
        import tensorflow as tf

        super().__init__(initial(recipe.seed))
        self.recipe = recipe
        self._update = tf.function(self._update_once)
        self._gradients = tf.function(self._gradients_once, jit_compile=True)
        self._answers = tf.function(lambda x: answers(x, self.mean), jit_compile=True)

    def train(self) -> float:
        """Take one step and return the loss before it, the mean squared error."""
        import tensorflow as tf

        stage = self.recipe.at(self.step)
        batch = drawn((self.recipe.seed * 7_919 + self.step) % 2**31, stage.batch, stage.length)
        scalars = self.scalars(self.recipe.rate_at(self.step))
        loss = self._update(tf.constant(batch.x), tf.constant(batch.sums), *scalars)
        self.count()
        return float(loss)

    def _update_once(self, x: Tensor, sums: Tensor, *scalars: Tensor) -> Tensor:
        import tensorflow as tf

        loss, gradients = self._gradients(x, sums)
        clipped, _ = tf.clip_by_global_norm(gradients, self.recipe.clip)
        self.move(dict(zip(self.weights, clipped, strict=True)), scalars)
        return loss

    def _gradients_once(self, x: Tensor, sums: Tensor) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(answers(x, self.weights) - sums))
        return loss, tape.gradient(loss, list(self.weights.values()))

    def answers(self, sequences: Sequences) -> np.ndarray:
        """Return the answers of the mean weights at every step, shape (sequences, steps)."""
        import tensorflow as tf

        return self._answers(tf.constant(sequences.x)).numpy()
