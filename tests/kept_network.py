"""A small network kept outside of fixtures/, with scales and goldens made by the command line.

It has what the suite judges: two inputs, two samples, convolutions, means, a join, a node of 256 channels.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import gc
import shutil
import tempfile
from pathlib import Path

import numpy as np

from conformance import cli
from conformance.graph.lazy_tensorflow import tensorflow

SIZE = 16
WIDE = "wide/Conv2D"
KEY_NODES = 15
MEANS = ("norm/mean", "norm/variance")

DESCRIPTION = """
[network]
name = "small"
graph = "small.pb"

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
cosine = 0.99
psnr = 20.0
"""


@dataclasses.dataclass(frozen=True)
class KeptNetwork:
    """Where a network and its goldens lie."""

    directory: Path
    goldens: Path

    def copied(self, to: Path) -> KeptNetwork:
        """Return a copy below ``to`` that a test may damage."""
        copy = KeptNetwork(to / "network", to / "goldens")
        shutil.copytree(self.directory, copy.directory)
        shutil.copytree(self.goldens, copy.goldens)
        return copy


@functools.cache
def kept_network() -> KeptNetwork:
    """Return the network, made once per process and deleted at its end."""
    root = Path(tempfile.mkdtemp(prefix="mlu-conformance-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    network = KeptNetwork(root / "network", root / "goldens")
    write_network(network.directory)
    assert cli.main(["prepare", "--golden-dir", str(network.goldens), str(network.directory)]) == 0
    gc.freeze()  # TensorFlow's own objects; every run of the suite collects garbage, a second of it in vain
    return network


def write_network(directory: Path) -> None:
    """Write graph, description and inputs, without scales and goldens."""
    directory.mkdir(parents=True)
    (directory / "small.pb").write_bytes(_graph())
    (directory / "network.toml").write_text(DESCRIPTION)
    random = np.random.default_rng(7)
    for name in ("x", "y"):
        for sample in range(2):
            values = random.uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)
            np.save(directory / f"{name}-{sample}.npy", values, allow_pickle=False)


def _graph() -> bytes:
    tf = tensorflow()
    random = np.random.default_rng(3)

    def convolution(value, size, channels, name):
        filters = random.normal(0, 0.3, (size, size, value.shape[-1], channels)).astype(np.float32)
        return tf.nn.conv2d(
            value, tf.constant(filters, name=f"{name}/filter"), 1, "SAME", name=f"{name}/Conv2D"
        )

    with tf.Graph().as_default() as graph:
        x, y = (tf.compat.v1.placeholder(tf.float32, (1, SIZE, SIZE, 3), name=name) for name in "XY")
        bare = convolution(x, 3, 8, "bare")
        mean = tf.reduce_mean(bare, [1, 2], keepdims=True, name=MEANS[0])
        squared = tf.math.squared_difference(bare, mean, name="norm/squared")
        variance = tf.reduce_mean(squared, [1, 2], keepdims=True, name=MEANS[1])
        scale = tf.math.rsqrt(variance + 1e-6, name="norm/scale")
        normal = tf.nn.relu(tf.multiply(bare - mean, scale, name="norm/out"), name="relu")
        style = tf.nn.relu(convolution(y, 3, 8, "style"), name="relu_style")
        wide = convolution(tf.concat([normal, style], 3, name="joined"), 1, 256, "wide")
        biased = tf.nn.bias_add(
            wide, tf.constant(random.normal(0, 1, 256).astype(np.float32)), name="wide/bias"
        )
        tf.tanh(convolution(tf.nn.relu(biased, name="relu_wide"), 1, 3, "narrow") * 0.1, name="out")
    return graph.as_graph_def().SerializeToString(deterministic=True)
