"""One training: weights, Adam, their running mean, and everything on disk that taking it up again needs."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from conformance.errors import UsageError
from conformance.files import write_atomically
from training.network import generator, initial, shapes
from training.samples import ROUND, model_values
from training.schedule import rate_at

if TYPE_CHECKING:
    from pathlib import Path

    from faces.camera import Pixels

    from training.samples import Samples

    Tensor = Any  # TensorFlow ships no types

BETAS = (0.9, 0.99)
AVERAGED_EVERY = 4
"""Steps between two updates of the running mean."""
AVERAGED_OVER = 500
"""Steps that the running mean looks back, about."""


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Steps at one size; variety grows evenly from the first to the second value."""

    size: int
    batch: int
    steps: Annotated[int, msgspec.Meta(multiple_of=ROUND)]
    variety: tuple[float, float]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to train; a recipe and its seed make the weights."""

    seed: int
    rate: float  # of Adam, at its highest
    warmup: int  # steps
    decay: float  # part of all steps, at the end, in which the rate falls (cosine)
    final: float  # part of the highest rate that is left at the end
    bare: float  # probability that Y wears no makeup
    square: float  # weight of the squared error beside the absolute one
    weights: tuple[float, float, float, float]  # of a pixel: anywhere, and more on face, lips and eyes, blush
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

    def rate_at(self, step: int) -> float:
        """Adam's rate at a step: warm-up, flat, cosine."""
        return rate_at(
            step, self.steps, rate=self.rate, warmup=self.warmup, decay=self.decay, final=self.final
        )


class Trainer:
    """Holds the state of a training.

    Args:
        recipe: how to train.
    """

    def __init__(self, recipe: Recipe) -> None:
        import tensorflow as tf

        self.recipe, self.step = recipe, 0
        values = initial(recipe.seed)
        self.weights = {name: tf.Variable(value) for name, value in values.items()}
        self.mean = {name: tf.Variable(value) for name, value in values.items()}
        self.moments = {
            name: (tf.Variable(np.zeros_like(value)), tf.Variable(np.zeros_like(value)))
            for name, value in values.items()
        }
        self._update = tf.function(self._update_once)
        self._average = tf.function(self._average_once)
        self._transfer = tf.function(lambda x, y: generator(x, y, self.mean, half=False))

    def train(self, samples: Samples) -> float:
        """Take one step and return the loss before it."""
        import tensorflow as tf

        pictures = [tf.constant(model_values(part)) for part in samples[:3]]
        masks = tf.constant(samples.masks.astype(np.float32) / 255.0)
        powers = [beta ** (self.step + 1) for beta in BETAS]
        scalars = [tf.constant(value, tf.float32) for value in (self.recipe.rate_at(self.step), *powers)]
        loss = self._update(*pictures, masks, *scalars)
        self.step += 1
        if self.step % AVERAGED_EVERY == 0:
            kept = min(1.0 - AVERAGED_EVERY / AVERAGED_OVER, self.step / (self.step + 10.0 * AVERAGED_EVERY))
            self._average(tf.constant(kept, tf.float32))
        return float(loss)

    def _update_once(self, x: Tensor, y: Tensor, target: Tensor, masks: Tensor, *scalars: Tensor) -> Tensor:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = self._loss(generator(x, y, self.weights, half=True), target, masks)
        gradients = tape.gradient(loss, self.weights)
        rate, power1, power2 = scalars
        for name, variable in self.weights.items():
            first, second = self.moments[name]
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=first.handle, v=second.handle, beta1_power=power1, beta2_power=power2,
                lr=rate, beta1=BETAS[0], beta2=BETAS[1], epsilon=1e-8, grad=gradients[name],
            )  # fmt: skip
        return loss

    def _loss(self, result: Tensor, target: Tensor, masks: Tensor) -> Tensor:
        import tensorflow as tf

        anywhere, face, feature, blush = self.recipe.weights
        lips, eyes, cheeks, skin = tf.unstack(masks, axis=-1)
        makeup = tf.maximum(feature * tf.maximum(lips, eyes), blush * cheeks)
        weight = (anywhere + face * skin + makeup)[..., None]
        error = tf.abs(result - target)
        return tf.reduce_mean(weight * (error + self.recipe.square * error * error))

    def _average_once(self, kept: Tensor) -> None:
        for name, variable in self.weights.items():
            self.mean[name].assign_add((1.0 - kept) * (variable - self.mean[name]))

    def transfer(self, x: Pixels, y: Pixels) -> Pixels:
        """Put the makeup of ``y`` on ``x`` with the mean weights."""
        import tensorflow as tf

        result = self._transfer(tf.constant(model_values(x[None])), tf.constant(model_values(y[None])))
        return np.rint((result.numpy()[0] + 1.0) * 127.5).astype(np.uint8)

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
                for name in shapes():
                    self.weights[name].assign(archive[f"weights:{name}"])
                    self.mean[name].assign(archive[f"mean:{name}"])
                    for index in (0, 1):
                        self.moments[name][index].assign(archive[f"moment{index}:{name}"])
                self.step = int(archive["step"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(
                f"checkpoint {path} cannot be read ({error}); delete it to start anew"
            ) from error

    def export(self, path: Path, about: str) -> None:
        """Write the mean weights as float16, compressed, with ``about``, a text on how they were made."""
        arrays = {name: value.numpy().astype(np.float16) for name, value in self.mean.items()}
        write_atomically(path, lambda file: np.savez_compressed(file, about=about, **arrays))
