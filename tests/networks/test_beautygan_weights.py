"""The committed weights transfer makeup: between people whom no training saw, as their figures say."""

import json
import sys

import numpy as np
import pytest
from support.emulation import ROOT
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))

from training import figures, samples
from training.network import shapes

from conformance.graph.execution import GraphRunner
from conformance.networks import Network

DIRECTORY = ROOT / "fixtures/networks/beautygan"
ADVANTAGE = 8.0
"""Decibels, where makeup goes, by which the network must beat the answer "return X unchanged"."""


@pytest.fixture(scope="module")
def archive():
    with np.load(DIRECTORY / "weights.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def held_out():
    return samples.held_out(256)


def transfer_of(graph):
    run = GraphRunner(graph, ["generator/xs"])

    def transfer(x, y):
        feeds = {"X": samples.model_values(x[None]), "Y": samples.model_values(y[None])}
        return np.rint((run(feeds)["generator/xs"][0] + 1.0) * 127.5).astype(np.uint8)

    return transfer


@pytest.fixture(scope="module")
def compared(held_out):
    return figures.compared(transfer_of(Network(DIRECTORY).graph), held_out)


def test_every_variable_has_weights_and_nothing_else_is_there(archive):
    assert {name: list(value.shape) for name, value in archive.items() if name != "about"} == shapes()
    assert all(value.dtype == np.float16 for name, value in archive.items() if name != "about")
    assert (DIRECTORY / "weights.npz").stat().st_size < 16e6


def test_makeup_is_transferred_to_people_whom_no_training_saw(compared):
    network, unchanged = compared
    assert network["makeup"] >= unchanged["makeup"] + ADVANTAGE
    assert all(network[name] > unchanged[name] + 4.0 for name in ("lips", "eyes", "blush"))


def test_the_figures_in_the_file_are_those_of_the_weights(archive, compared):
    about = json.loads(str(archive["about"]))
    said = [line.split() for line in about["figures"].splitlines()]
    for row, found in zip(said[1:], compared, strict=True):
        figures_said = [float(cell) for cell in row[-len(figures.REGIONS) :]]
        assert figures_said == pytest.approx([found[region] for region in figures.REGIONS], abs=0.15)
    assert about["recipe"]["seed"] == 20210
    assert about["steps"] == sum(stage["steps"] for stage in about["recipe"]["stage"])


def test_weights_of_which_one_layer_is_not_trained_are_found_out(held_out):
    graph = Network(DIRECTORY).graph
    name = "generator/conv2d_3/kernel"
    kernel = graph.constant(name)
    spoiled = graph.with_constants(
        {name: np.random.RandomState(1).permutation(kernel.ravel()).reshape(kernel.shape)}
    )
    few = samples.Samples(*(part[:4] for part in held_out))
    network, unchanged = figures.compared(transfer_of(spoiled), few)
    assert network["makeup"] < unchanged["makeup"] + ADVANTAGE
