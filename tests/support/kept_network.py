"""A small network kept outside of fixtures/, with scales and goldens made by the command line.

It has what the suite judges: two inputs, two samples, convolutions, means, a join, a node of 256 channels.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from support.emulation import placeholder
from support.toy_network import KeptNetwork, kept, uniform, write_toy

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 16
WIDE = "wide/Conv2D"
KEY_NODES = 15
MEANS = ("norm/mean", "norm/variance")


@functools.cache
def kept_network() -> KeptNetwork:
    """Return the network, made once per test session."""
    return kept("small", write_network)


def write_network(directory: Path) -> None:
    """Write graph, description and inputs, without scales and goldens."""
    inputs = uniform(7, (1, SIZE, SIZE, 3), "X", "Y", samples=2)
    write_toy(directory, _build, inputs, name="small", cosine=0.99, psnr=20.0)


def _build(tf):
    random = np.random.default_rng(3)

    def convolution(value, size, channels, name):
        filters = random.normal(0, 0.3, (size, size, value.shape[-1], channels)).astype(np.float32)
        return tf.nn.conv2d(
            value, tf.constant(filters, name=f"{name}/filter"), 1, "SAME", name=f"{name}/Conv2D"
        )

    x, y = (placeholder(tf, name, (1, SIZE, SIZE, 3)) for name in "XY")
    bare = convolution(x, 3, 8, "bare")
    mean = tf.reduce_mean(bare, [1, 2], keepdims=True, name=MEANS[0])
    squared = tf.math.squared_difference(bare, mean, name="norm/squared")
    variance = tf.reduce_mean(squared, [1, 2], keepdims=True, name=MEANS[1])
    scale = tf.math.rsqrt(variance + 1e-6, name="norm/scale")
    normal = tf.nn.relu(tf.multiply(bare - mean, scale, name="norm/out"), name="relu")
    style = tf.nn.relu(convolution(y, 3, 8, "style"), name="relu_style")
    wide = convolution(tf.concat([normal, style], 3, name="joined"), 1, 256, "wide")
    biased = tf.nn.bias_add(wide, random.normal(0, 1, 256).astype(np.float32), name="wide/bias")
    tf.tanh(convolution(tf.nn.relu(biased, name="relu_wide"), 1, 3, "narrow") * 0.1, name="out")
