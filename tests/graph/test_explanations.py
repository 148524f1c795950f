"""Reasons in words: each kind on a small graph, all of them on BeautyGAN."""

import collections

import numpy as np
import pytest
from support.emulation import ROOT, frozen, placeholder

from conformance.graph.explanations import explained
from conformance.graph.selection import selectable_nodes
from conformance.graph.structure import Structure
from conformance.networks import Network

FILTER = np.ones((1, 1, 3, 3), np.float32)


def explanations(graph):
    structure = Structure(graph)
    return {node.name: explained(structure, node) for node in selectable_nodes(structure) if node.reasons}


def test_each_reason():
    def build(tf):
        x, y, z = (placeholder(tf, name, (2, 4, 4, 3)) for name in "xyz")
        x = tf.concat([x, y, z], 0, name="join")
        for index in range(2):
            residue = tf.nn.relu(tf.nn.conv2d(x, FILTER, 1, "SAME", name=f"conv{index}"))
            x = tf.add(x, residue, name=f"block{index}")
        for index in range(2):
            x = tf.tanh(x, name=f"tanh{index}")
        tf.reduce_mean(tf.sigmoid(x), [1, 2], name="o")

    found = explanations(frozen(build, "o"))
    assert found == {
        "join": ["first join of the branches from x, y and z", "rare: the only ConcatV2"],
        "conv0": ["fixed point: Conv2D 1x1, 3 terms", "rare: Conv2D 1 of 2"],
        "Relu": ["rare: Relu 1 of 2"],
        "block0": [
            "end of block 1 of 2 (Conv2D, Relu, AddV2)",
            "end of the module after join",
            "rare: AddV2 1 of 2",
        ],
        "conv1": ["fixed point: Conv2D 1x1, 3 terms", "rare: Conv2D 2 of 2"],
        "Relu_1": ["rare: Relu 2 of 2"],
        "block1": [
            "end of block 2 of 2 (Conv2D, Relu, AddV2)",
            "end of the module after block0",
            "rare: AddV2 2 of 2",
        ],
        "tanh0": ["rare: Tanh 1 of 2"],
        "tanh1": ["rare: Tanh 2 of 2"],
        "Sigmoid": ["rare: the only Sigmoid"],
        "o": ["output of the network", "reduction: Mean over 16 elements (axes 1, 2)", "rare: the only Mean"],
    }


def test_a_module_is_named_after_its_first_fork():
    def build(tf):
        x = placeholder(tf)
        for _ in range(3):
            x = tf.nn.relu(x)
        first = tf.nn.relu(x, name="first")
        second = tf.nn.relu(first, name="second")
        tf.add_n([first, second, tf.nn.relu(second)], name="o")

    found = explanations(frozen(build, "o"))
    assert "end of the module after first" in found["o"]


@pytest.fixture(scope="module")
def beautygan():
    return explanations(Network(ROOT / "fixtures/networks/beautygan").graph)


def test_beautygan(beautygan):
    assert len(beautygan) == 91
    assert beautygan["generator/conv2d/Conv2D"] == ["fixed point: Conv2D 7x7, 147 terms"]
    assert beautygan["generator/concat"] == [
        "first join of the branches from X and Y",
        "rare: the only ConcatV2",
    ]
    assert beautygan["generator/add_2"] == [
        "end of block 3 of 6 (Conv2D, Mean, SquaredDifference, Add, …)",
        "end of the module after generator/add_1",
    ]
    assert beautygan["generator/ResizeNearestNeighbor_1"] == ["rare: ResizeNearestNeighbor 2 of 2"]
    assert beautygan["generator/xs"] == ["output of the network", "rare: the only Tanh"]


def test_means_and_residual_blocks_of_beautygan(beautygan):
    phrases = collections.Counter(phrase for why in beautygan.values() for phrase in why)
    assert {phrase: count for phrase, count in phrases.items() if "Mean over" in phrase} == {
        "reduction: Mean over 65536 elements (axes 1, 2)": 6,
        "reduction: Mean over 16384 elements (axes 1, 2)": 6,
        "reduction: Mean over 4096 elements (axes 1, 2)": 28,
    }
    assert [phrase.partition(" (")[0] for phrase in phrases if "of block" in phrase] == [
        f"end of block {index} of 6" for index in range(1, 7)
    ]
