"""Networks of ``tf.keras.applications`` with random weights that let numbers neither vanish nor explode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Array = np.ndarray[Any, Any]

SEED = 2015
PICTURES = 2
"""From which batch norms take their statistics."""


def write_application(path: Path, name: str, pixels: tuple[float, float]) -> None:
    """Write a network of ``tf.keras.applications`` as a ``.keras`` file.

    Args:
        path: of the file.
        name: of the network there.
        pixels: the smallest and the largest value of its inputs.
    """
    import tensorflow as tf

    model = getattr(tf.keras.applications, name)(weights=None)
    draw_weights(model, pixels)
    model.save(path)


def draw_weights(model: Any, pixels: tuple[float, float]) -> None:
    """Give a Keras model of pictures random weights, and its batch norms the statistics of what reaches them.

    Args:
        model: of one input, pictures.
        pixels: their smallest and largest value.
    """
    random = np.random.RandomState(SEED)
    for layer in model.layers:
        layer.set_weights([_drawn(random, layer, variable) for variable in layer.weights])
        if type(layer).__name__ == "BatchNormalization":
            layer.momentum = 0.0  # the statistics become those of the next pictures
    model(picture(model.input_shape, pixels, PICTURES), training=True)


def picture(shape: Iterable[int | None], pixels: tuple[float, float], count: int = 1) -> Array:
    """Return pictures of random pixels, as float32; the first entry of the shape is their number."""
    _, *size = shape
    return np.random.RandomState(SEED).uniform(*pixels, (count, *size)).astype(np.float32)


def _drawn(random: np.random.RandomState, layer: Any, variable: Any) -> Array:
    """Return random numbers for a variable: He's normal ones for kernels, small ones for what is added.

    Source: He et al., "Delving Deep into Rectifiers", 2015.
    """
    shape, kind = tuple(variable.shape), variable.name
    if "kernel" in kind:
        depthwise = type(layer).__name__ == "DepthwiseConv2D"
        summed = np.prod(shape[:2] if depthwise else shape[:-1])
        return random.normal(0.0, np.sqrt(2.0 / summed), shape).astype(np.float32)
    if kind == "gamma":
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    if kind in {"beta", "bias"}:
        return random.normal(0.0, 0.1, shape).astype(np.float32)
    return np.asarray(variable)  # statistics, and the constants of a layer that scales pixels
