"""The BeautyGAN generator as TensorFlow variables and one function, of any size that four divides.

Variables bear the names that they have in the frozen graph ``fixtures/networks/beautygan/graph.pb``, so
that what is trained here fills that graph. Convolutions run in bfloat16 while training, which is 1.5 times
faster, and more for large pictures, on a CPU that has it; instance norm is a batch norm of each picture by
itself, whose kernels are fused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    Array = np.ndarray[Any, np.dtype[np.float32]]
    Tensor = Any  # TensorFlow ships no types

PUBLISHED = Path(__file__).resolve().parents[2] / "fixtures/networks/beautygan/published.json"
EPSILON = 1e-6
BLOCKS = range(6, 18, 2)
"""First convolution of each residual block."""
RESIDUAL_GAMMA = 0.2
"""Initial scale of what a residual block adds: small, so that pictures pass at first."""


def scope(kind: str, index: int) -> str:
    """Return the published name of a layer: ``generator/conv2d``, ``generator/conv2d_1`` and so on."""
    return f"generator/{kind}" + (f"_{index}" if index else "")


def shapes() -> dict[str, list[int]]:
    """Return the shape of every variable by its published name."""
    variables: dict[str, list[int]] = json.loads(PUBLISHED.read_text(encoding="utf-8"))["variables"]
    return variables


def initial(seed: int) -> dict[str, Array]:
    """Draw initial values: He's for most kernels, and channels that carry colours through the network."""
    random = np.random.RandomState(seed)
    values = {name: _drawn(random, name, shape) for name, shape in shapes().items()}
    for block in BLOCKS:
        values[f"{scope('InstanceNorm', block + 1)}/gamma"][:] = RESIDUAL_GAMMA
    _pass_colours_in(values)
    _pass_colours_out(values)
    return values


def _drawn(random: np.random.RandomState, name: str, shape: list[int]) -> Array:
    if name.endswith("/gamma"):
        return np.ones(shape, np.float32)
    if name.endswith("/beta"):
        return np.zeros(shape, np.float32)
    spread = np.sqrt(2.0 / np.prod(shape[:-1]))
    return (spread * random.standard_normal(shape)).astype(np.float32)


def _pass_colours_in(values: Mapping[str, Array]) -> None:
    """Let both encoders carry each colour of each pixel in a channel for it and one for its negative.

    What a Relu takes from one of the two, the other has.
    """
    for first in (0, 3):
        kernel = values[f"{scope('conv2d', first)}/kernel"]
        kernel[..., :6] = 0.0
        for colour in range(3):
            kernel[3, 3, colour, 2 * colour] = 1.0
            kernel[3, 3, colour, 2 * colour + 1] = -1.0
        for index, count in ((first + 1, 3), (first + 2, 12)):
            _separate_pixels(values[f"{scope('conv2d', index)}/kernel"], count)


def _separate_pixels(kernel: Array, count: int) -> None:
    """Make ``count`` pairs of channels four times as many of half the size: one for each pixel of 2 by 2."""
    kernel[..., : 8 * count] = 0.0
    for pair in range(count):
        for pixel in range(4):
            out = 2 * (4 * pair + pixel)
            for sign in (0, 1):
                kernel[pixel // 2, pixel % 2, 2 * pair + sign, out + sign] = 1.0
                kernel[pixel // 2, pixel % 2, 2 * pair + sign, out + 1 - sign] = -1.0


def _pass_colours_out(values: Mapping[str, Array]) -> None:
    """Let the decoder interpolate the mean colour of each block of 4 by 4."""
    taps = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    wide = values[f"{scope('conv2d', 18)}/kernel"]
    narrow = values[f"{scope('conv2d', 19)}/kernel"]
    last = values[f"{scope('conv2d', 20)}/kernel"]
    wide[..., :6], narrow[..., :6], last[:] = 0.0, 0.0, last * 0.1
    for colour in range(3):
        for sign in (1.0, -1.0):
            out = 2 * colour + (sign < 0)
            for channel in range(32):
                wide[:, :, 32 * colour + channel, out] = sign * (-1.0) ** channel * taps
            for channel in range(2):
                narrow[:, :, 2 * colour + channel, out] = sign * (-1.0) ** channel * taps
            last[:, :, out, :] = 0.0
            last[3, 3, out, colour] = 0.6 * sign


def generator(x: Tensor, y: Tensor, weights: Mapping[str, Tensor], *, half: bool) -> Tensor:
    """Return ``x`` with the makeup of ``y``.

    Args:
        x: (pictures, size, size, 3) float32 in -1..1; four divides the size.
        y: the same.
        weights: a variable or array for every published name.
        half: compute in bfloat16 all but the last Tanh; float32 otherwise.
    """
    import tensorflow as tf

    net = _Layers(weights, tf.bfloat16 if half else tf.float32)
    encoded = [net.encoder(tf.cast(image, net.dtype), first) for image, first in ((x, 0), (y, 3))]
    tensor = tf.concat(encoded, -1)
    for index in BLOCKS:
        tensor += net.module(net.module(tensor, index), index + 1, relu=False)
    for index in (18, 19):
        tensor = net.module(_doubled(tensor), index)
    return tf.tanh(tf.cast(net.convolution(tensor, 20), tf.float32))


class _Layers:
    def __init__(self, weights: Mapping[str, Tensor], dtype: Tensor) -> None:
        self.weights, self.dtype = weights, dtype

    def convolution(self, tensor: Tensor, index: int, stride: int = 1) -> Tensor:
        import tensorflow as tf

        kernel = tf.cast(self.weights[f"{scope('conv2d', index)}/kernel"], self.dtype)
        return tf.nn.conv2d(tensor, kernel, stride, "SAME")

    def module(self, tensor: Tensor, index: int, stride: int = 1, *, relu: bool = True) -> Tensor:
        import tensorflow as tf

        tensor = self.instance_norm(self.convolution(tensor, index, stride), index)
        return tf.nn.relu(tensor) if relu else tensor

    def encoder(self, image: Tensor, first: int) -> Tensor:
        tensor = self.module(image, first)
        return self.module(self.module(tensor, first + 1, 2), first + 2, 2)

    def instance_norm(self, tensor: Tensor, index: int) -> Tensor:
        import tensorflow as tf

        name = scope("InstanceNorm", index)
        gamma, beta = (tf.convert_to_tensor(self.weights[f"{name}/{part}"]) for part in ("gamma", "beta"))
        pictures = tf.split(tensor, tensor.shape[0])
        return tf.concat([_normalized(picture, gamma, beta) for picture in pictures], 0)


def _normalized(picture: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Batch norm of a batch of one; statistics are float32."""
    import tensorflow as tf

    unused = tf.zeros([0])
    return tf.raw_ops.FusedBatchNormV3(
        x=picture, scale=gamma, offset=beta, mean=unused, variance=unused, epsilon=EPSILON, is_training=True
    )[0]


def _doubled(tensor: Tensor) -> Tensor:
    import tensorflow as tf

    size = [2 * tensor.shape[1], 2 * tensor.shape[2]]
    return tf.raw_ops.ResizeNearestNeighbor(images=tensor, size=size)
