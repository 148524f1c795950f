"""A small generator of two branches, in which every operator occurs several times, to plant faults in.

Two inputs, instance norms as the frozen BeautyGAN has them, joins, residual blocks, uneven resizes, a head;
scales and goldens are made by the command line, once per process.
"""

from __future__ import annotations

import atexit
import functools
import gc
import shutil
import tempfile
from pathlib import Path

import numpy as np
from kept_network import KeptNetwork

from conformance import cli, locations
from conformance.expected.expectations import Expectations
from conformance.goldens import GoldenStore
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.judging.bounds import read_margins
from conformance.networks import Network

SIZE = 24
CHANNELS = 8

DESCRIPTION = """
[network]
name = "twig"
graph = "twig.pb"

[[input]]
name = "X"
files = ["x-0.npy", "x-1.npy"]

[[input]]
name = "Y"
files = ["y-0.npy", "y-1.npy"]

[[output]]
name = "out"
range = [-1.0, 1.0]

[acceptance]
cosine = 0.98
psnr = 22.0
"""


@functools.cache
def planted_network() -> KeptNetwork:
    """Return the network, made once per process and deleted at its end."""
    root = Path(tempfile.mkdtemp(prefix="mlu-conformance-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    kept = KeptNetwork(root / "network", root / "goldens")
    write_network(kept.directory)
    for arguments in (["quantize"], ["golden", "--golden-dir", str(kept.goldens)]):
        assert cli.main([*arguments, str(kept.directory)]) == 0
    gc.freeze()  # TensorFlow's own objects; every session that is closed collects garbage
    return kept


def store_of(kept: KeptNetwork) -> GoldenStore:
    """Return the goldens of a kept network."""
    return GoldenStore(Network(kept.directory), kept.goldens)


@functools.cache
def planted_store() -> GoldenStore:
    """Return the goldens of the network."""
    return store_of(planted_network())


@functools.cache
def expectations(store):
    """Return what a device is held to."""
    return Expectations(store, margins())


def margins():
    """Return the margins of the suite."""
    return read_margins(locations.MARGINS)


def write_network(directory: Path) -> None:
    """Write graph, description and inputs, without scales and goldens."""
    directory.mkdir(parents=True)
    (directory / "twig.pb").write_bytes(_graph())
    (directory / "network.toml").write_text(DESCRIPTION)
    random = np.random.default_rng(7)
    for name in ("x", "y"):
        for sample in range(2):
            values = random.uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)
            np.save(directory / f"{name}-{sample}.npy", values, allow_pickle=False)


class _Layers:
    """The layers that the generator is made of, with weights from one stream of random numbers."""

    def __init__(self) -> None:
        self.tf = tensorflow()
        self.random = np.random.default_rng(3)

    def weights(self, *shape, scale=1.0, offset=0.0):
        return self.tf.constant((self.random.normal(offset, scale, shape)).astype(np.float32))

    def convolution(self, x, size, channels, name, *, stride=1, bias=False):
        inward = x.shape[-1]
        filters = self.weights(size, size, inward, channels, scale=(2 / (size * size * inward)) ** 0.5)
        with self.tf.name_scope(name):
            value = self.tf.nn.conv2d(x, filters, stride, "SAME", name="Conv2D")
            return self.tf.nn.bias_add(value, self.weights(channels), name="BiasAdd") if bias else value

    def normed(self, x, name, gain=1.0):
        tf, channels = self.tf, x.shape[-1]
        gamma, beta = self.weights(channels, scale=0.2, offset=gain), self.weights(channels, scale=0.3)
        with tf.name_scope(name):
            mean = tf.reduce_mean(x, [1, 2], keepdims=True, name="mean")
            squares = tf.math.squared_difference(x, mean, name="squares")
            variance = tf.reduce_mean(squares, [1, 2], keepdims=True, name="variance")
            factor = tf.multiply(
                tf.math.rsqrt(tf.add(variance, 1e-5, name="stable"), name="rsqrt"), gamma, name="factor"
            )
            shift = tf.subtract(beta, tf.multiply(mean, factor, name="centre"), name="shift")
            return tf.add(tf.multiply(x, factor, name="scaled"), shift, name="normal")

    def branch(self, x, name):
        with self.tf.name_scope(name):
            wide = self.normed(self.convolution(x, 3, CHANNELS, "first"), "norm_1")
            wide = self.tf.nn.relu(wide, name="relu")
            small = self.normed(self.convolution(wide, 4, CHANNELS, "second", stride=2), "norm_2")
            return wide, self.tf.tanh(small, name="tanh")

    def block(self, x, name):
        with self.tf.name_scope(name):
            inner = self.normed(self.convolution(x, 3, CHANNELS, "first"), "norm_1")
            inner = self.convolution(self.tf.nn.relu(inner, name="relu"), 3, CHANNELS, "second")
            return self.tf.add(x, self.normed(inner, "norm_2", gain=6.0), name="add")

    def enlarged(self, x, size, name):
        resized = self.tf.raw_ops.ResizeNearestNeighbor(images=x, size=(size, size), name=f"{name}/resize")
        return self.convolution(resized, 3, CHANNELS, name, bias=True)


def _graph() -> bytes:
    tf, layers = tensorflow(), _Layers()
    with tf.Graph().as_default() as graph:
        x, y = (tf.compat.v1.placeholder(tf.float32, (1, SIZE, SIZE, 3), name=name) for name in "XY")
        skipped, image = layers.branch(x, "image")
        _, style = layers.branch(y, "style")
        joined = tf.concat([image, style], 3, name="joined")
        mixed = tf.nn.relu(
            layers.normed(layers.convolution(joined, 3, CHANNELS, "mix"), "mix_norm"), name="relu"
        )
        blocks = layers.block(layers.block(mixed, "block_1"), "block_2")
        larger = tf.nn.relu(layers.enlarged(blocks, 18, "up_1"), name="up_relu")
        merged = tf.concat([layers.enlarged(larger, SIZE, "up_2"), skipped], 3, name="merged")
        tf.tanh(layers.convolution(merged, 3, 3, "head", bias=True) * 0.5, name="out")
    return graph.as_graph_def().SerializeToString(deterministic=True)
