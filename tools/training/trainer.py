"""Training the BeautyGAN generator: the recipe and one step of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from training.network import generator, initial
from training.samples import ROUND, model_values
from training.schedule import Schedule
from training.state import State

if TYPE_CHECKING:
    from faces.camera import Pixels

    from training.samples import Samples

    Tensor = Any  # TensorFlow ships no types


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps at one size; variety grows evenly from the first to the second value."""

    size: int
    batch: int
    steps: Annotated[int, msgspec.Meta(multiple_of=ROUND)]
    variety: tuple[float, float]
    square: float  # weight of the squared error beside the absolute one
    weights: tuple[float, float, float, float]  # of a pixel: anywhere, and more on face, lips and eyes, blush


class Recipe(Schedule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to train; a recipe and its seed make the weights."""

    seed: int
    bare: float  # probability that Y wears no makeup
    stage: list[Stage]

    @property
    def steps(self) -> int:
        """All steps."""
        return sum(stage.steps for stage in self.stage)

    def at(self, step: int) -> tuple[Stage, float]:
        """Return the stage of a step and its variety."""
        for stage in self.stage:
            if step < stage.steps:
                first, last = stage.variety
                return stage, first + (last - first) * step / stage.steps
            step -= stage.steps
        return self.stage[-1], self.stage[-1].variety[1]


class Trainer(State):
    """Trains the generator.

    Args:
        recipe: how to train.
    """

    def __init__(self, recipe: Recipe) -> None:
        import tensorflow as tf

        super().__init__(initial(recipe.seed))
        self.recipe = recipe
        self._update = tf.function(self._update_once)
        self._transfer = tf.function(lambda x, y: generator(x, y, self.mean, half=False))

    def train(self, samples: Samples) -> float:
        """Take one step and return the loss before it."""
        import tensorflow as tf

        pictures = [tf.constant(model_values(part)) for part in samples[:3]]
        masks = tf.constant(samples.masks.astype(np.float32) / 255.0)
        stage, _ = self.recipe.at(self.step)
        emphasis = [tf.constant(value, tf.float32) for value in (stage.square, *stage.weights)]
        loss = self._update(pictures, masks, self.scalars(self.recipe.rate_at(self.step)), emphasis)
        self.count()
        return float(loss)

    def _update_once(
        self, pictures: list[Tensor], masks: Tensor, scalars: list[Tensor], emphasis: list[Tensor]
    ) -> Tensor:
        import tensorflow as tf

        x, y, target = pictures
        with tf.GradientTape() as tape:
            loss = weighted_loss(generator(x, y, self.weights, half=True), target, masks, *emphasis)
        gradients = tape.gradient(loss, self.weights)
        self.move(gradients, scalars)
        return loss

    def transfer(self, x: Pixels, y: Pixels) -> Pixels:
        """Put the makeup of ``y`` on ``x`` with the mean weights."""
        import tensorflow as tf

        result = self._transfer(tf.constant(model_values(x[None])), tf.constant(model_values(y[None])))
        return np.rint((result.numpy()[0] + 1.0) * 127.5).astype(np.uint8)


def weighted_loss(result: Tensor, target: Tensor, masks: Tensor, square: Tensor, *weights: Tensor) -> Tensor:
    """Return the mean of absolute and squared error, weighted by what a pixel shows.

    Args:
        result: (pictures, height, width, 3) float32 in -1..1.
        target: the same.
        masks: (pictures, height, width, 4) in 0..1, channels as ``faces.MASKS``.
        square: weight of the squared error.
        weights: of a pixel anywhere, and more on the face, on lips and eyes, on blush.
    """
    import tensorflow as tf

    anywhere, face, feature, blush = weights
    lips, eyes, cheeks, skin = tf.unstack(masks, axis=-1)
    makeup = tf.maximum(feature * tf.maximum(lips, eyes), blush * cheeks)
    weight = (anywhere + face * skin + makeup)[..., None]
    error = tf.abs(result - target)
    return tf.reduce_mean(weight * (error + square * error * error))
