"""A recurrent network unrolled over time: a hidden state per step, and a score at the end; no pictures."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
from emulation import frozen, placeholder
from kept_network import KeptNetwork

from conformance import cli

STEPS, FEATURES, STATE = 9, 6, 16
SERIES = """
[[series]]
name = "hidden state"
nodes = "rnn/step_*/h"
"""
DESCRIPTION = """\
[network]
name = "recurrent"
graph = "graph.pb"

[[input]]
name = "sequence"
files = ["a.npy", "b.npy"]

[[output]]
name = "score"
range = [0.0, 1.0]
{series}
[acceptance]
cosine = 0.99
psnr = 20.0
"""


def _build(tf):
    random = np.random.default_rng(11)

    def weights(*shape):
        return (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)

    into, onto, bias = weights(FEATURES, STATE), weights(STATE, STATE), weights(STATE)
    sequence = placeholder(tf, "sequence", (1, STEPS, FEATURES))
    state = None
    for step in range(STEPS):
        with tf.name_scope(f"rnn/step_{step}/"):
            total = tf.linalg.matmul(sequence[:, step], into, name="in") + bias
            if state is not None:
                total += tf.linalg.matmul(state, onto, name="on")
            state = tf.tanh(total, name="h")
    tf.nn.softmax(tf.linalg.matmul(state, weights(STATE, 4), name="head"), name="score")


def write(directory: Path, series: str = SERIES) -> Path:
    """Write graph, description and inputs, without scales and goldens."""
    directory.mkdir(parents=True)
    frozen(_build, "score").save(directory / "graph.pb")
    (directory / "network.toml").write_text(DESCRIPTION.format(series=series))
    random = np.random.default_rng(5)
    for name in "ab":
        values = random.standard_normal((1, STEPS, FEATURES)).astype(np.float32)
        np.save(directory / f"{name}.npy", values, allow_pickle=False)
    return directory


@functools.cache
def kept_recurrent() -> KeptNetwork:
    """Return the network with scales and goldens, made once per process and deleted at its end."""
    root = Path(tempfile.mkdtemp(prefix="mlu-conformance-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    network = KeptNetwork(write(root / "network"), root / "goldens")
    for arguments in (["quantize"], ["golden", "--golden-dir", str(network.goldens)]):
        assert cli.main([*arguments, str(network.directory)]) == 0
    return network
