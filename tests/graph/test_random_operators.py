"""Random numbers that a graph still draws are named, where they change anything."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused
from support.toy_network import store_of, uniform, write_toy

from conformance.graph.random_operators import refuse_random_numbers

SHAPE = (4, 8)


def dropout(keep, seed=None):
    def build(tf):
        x = placeholder(tf, "x", SHAPE)
        uniform = tf.raw_ops.RandomUniform(shape=SHAPE, dtype=tf.float32, seed=seed or 0, name="drop/random")
        kept = tf.multiply(tf.tanh(x, name="before"), tf.floor(uniform + keep), name="drop/mul")
        tf.matmul(kept, np.ones((8, 3), np.float32), name="o")

    return build


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("command", ["golden", "prepare"])
def test_the_operator_is_named_that_makes_goldens_differ(tmp_path, refusal, said, command, seed):
    directory = write_toy(tmp_path / "network", dropout(0.5, seed), uniform(1, SHAPE, "x"), "o")
    assert said("quantize", directory)[0] == 0
    error = refusal(command, "--golden-dir", tmp_path / "goldens", directory)
    assert "node 'drop/mul' of" in error
    assert "because random numbers of drop/random (RandomUniform) reach it" in error


def test_a_mask_that_is_always_one_harms_nothing(tmp_path):
    assert store_of(tmp_path, dropout(1.0), x=np.ones(SHAPE)).node("o")


def test_random_numbers_that_reach_nothing_judged_harm_nothing():
    graph = frozen(dropout(0.5), "o")
    refuse_random_numbers(graph, ["before"], {"x": np.ones(SHAPE, np.float32)})
    with refused("comes out otherwise every time"):
        refuse_random_numbers(graph, ["before", "o"], {"x": np.ones(SHAPE, np.float32)})
