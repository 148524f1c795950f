"""A small network with its files: two inputs, branches, norms, a pooled head; everything made in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from support.emulation import frozen, placeholder

if TYPE_CHECKING:
    from pathlib import Path

HEIGHT, WIDTH = 12, 10
NAME = "small"
TOML = """\
[network]
name = "small"
graph = "graph.pb"

[[input]]
name = "image"
files = ["image-1.png", "image-2.png"]
size = [12, 10] # height and width
scale = 0.0078125
offset = -1.0

[[input]]
name = "style"
files = ["style-1.npy", "style-2.npy"]

[[output]]
name = "picture"
range = [-1.0, 1.0]

[[output]]
name = "score"
range = [0.0, 1.0]

[acceptance]
cosine = 0.999
psnr = 40.0
"""


def build(tf, dtype="float32"):
    """Make the network's nodes; ``dtype`` is that of all tensors, the weights are float32 numbers."""
    random = np.random.default_rng(2026)

    def filters(*shape):
        values = random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
        return values.astype(np.float32).astype(dtype)

    def normed(x, name):
        with tf.name_scope(name):
            mean = tf.reduce_mean(x, [1, 2], keepdims=True, name="mean")
            variance = tf.reduce_mean(
                tf.math.squared_difference(x, mean), [1, 2], keepdims=True, name="variance"
            )
            factor = tf.math.rsqrt(variance + 2.0**-10) * filters(1, x.shape[-1])[0]
            return tf.add(x * factor, filters(1, x.shape[-1])[0] - mean * factor, name="add")

    def branch(x, name, stride):
        with tf.name_scope(name):
            return tf.nn.relu(
                normed(tf.nn.conv2d(x, filters(3, 3, 3, 8), stride, "SAME", name="conv"), "norm")
            )

    image = branch(placeholder(tf, "image", (None, HEIGHT, WIDTH, 3), dtype), "image_branch", 1)
    style = branch(placeholder(tf, "style", (None, HEIGHT, WIDTH, 3), dtype), "style_branch", 2)
    style = tf.compat.v1.image.resize_nearest_neighbor(style, (HEIGHT, WIDTH), name="resize")
    both = tf.concat([image, style], -1, name="join")
    mixed = tf.nn.conv2d(both, filters(1, 1, 16, 8), 1, "SAME", name="mix")
    residual = tf.add(image, tf.nn.relu(normed(mixed, "mix_norm")), name="residual")
    tf.tanh(tf.nn.conv2d(residual, filters(3, 3, 8, 3), 1, "SAME", name="to_picture"), name="picture")
    pooled = tf.reduce_mean(residual, [1, 2], name="pooled")
    tf.nn.softmax(tf.linalg.matmul(pooled, filters(8, 5), name="head"), name="score")


def graph():
    """Return the frozen graph of both outputs."""
    return frozen(build, "picture", "score")


def write(directory: Path):
    """Write graph, description and inputs of two samples into ``directory`` and return it."""
    from PIL import Image

    directory.mkdir(parents=True, exist_ok=True)
    graph().save(directory / "graph.pb")
    (directory / "network.toml").write_text(TOML, encoding="utf-8")
    random = np.random.default_rng(7)
    for sample in (1, 2):
        pixels = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(directory / f"image-{sample}.png")
        style = random.standard_normal((1, HEIGHT, WIDTH, 3)).astype(np.float32)
        np.save(directory / f"style-{sample}.npy", style)
    return directory


def feeds(seed=0, batch=1):
    """Return random feeds of both inputs."""
    random = np.random.default_rng(seed)
    shape = (batch, HEIGHT, WIDTH, 3)
    return {name: random.uniform(-1, 1, shape).astype(np.float32) for name in ("image", "style")}
