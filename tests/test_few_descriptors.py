"""A process may have few descriptors open, as by ``ulimit -n``; what is judged may have many parts."""

import subprocess
import sys

import numpy as np
from support.emulation import ROOT, placeholder
from support.toy_network import uniform, write_toy

LAYERS, SAMPLES, LIMIT = 120, 3, 256


def chain(tf):
    value = placeholder(tf, shape=(1, 8))
    random = np.random.default_rng(5)
    for number in range(LAYERS):
        filters = tf.constant(random.normal(0, 0.3, (8, 8)).astype(np.float32))
        value = tf.tanh(tf.matmul(value, filters, name=f"layer_{number}"))
    tf.identity(value, name="out")


def test_goldens_of_a_network_with_many_nodes(tmp_path):
    assert LAYERS * SAMPLES > LIMIT
    network = write_toy(tmp_path / "network", chain, uniform(1, (1, 8), "x", samples=SAMPLES))
    command = [
        sys.executable,
        "-m",
        "conformance.cli",
        "prepare",
        network,
        "--golden-dir",
        tmp_path / "goldens",
    ]
    limited = ["bash", "-c", f'ulimit -n {LIMIT}; exec "$@"', "limited", *map(str, command)]
    for _ in range(2):  # made, then verified
        done = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "goldens/toy/tensors").glob("*.npy"))) > LIMIT
