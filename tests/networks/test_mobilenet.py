"""The depthwise network: its graph and weights are what the tools write, and it tells shapes apart."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from support.tool_modules import TOOLS, tool_module

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(TOOLS))

from mobilenet import samples
from mobilenet.folding import folded
from mobilenet.layers import CLASSES, SIZE, layers, trained_shapes
from mobilenet.model import inference
from mobilenet.trainer import Recipe, Trainer, initial

from conformance.errors import UsageError
from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.retype import to_float64
from conformance.networks import Network

NETWORK = Path(__file__).resolve().parents[2] / "fixtures/networks/mobilenet"
OUTPUT = "MobilenetV1/Predictions/Softmax"
LOGITS = "MobilenetV1/Logits/BiasAdd"
RECIPE = Recipe(
    seed=5, rate=1e-3, warmup=2, decay=0.5, final=0.1, rounds=2, pictures=8, uses=2, batch=4,
    weight_decay=1e-4,
)  # fmt: skip


@pytest.fixture(scope="module")
def builder():
    with tool_module("build_mobilenet") as module:
        yield module


@pytest.fixture(scope="module")
def network():
    return Network(NETWORK)


@pytest.fixture(scope="module")
def trained(builder):
    return builder.trained_variables(builder.TRAINED)


def test_files_are_what_the_tool_writes(builder, tmp_path):
    assert builder.main(["--output", str(tmp_path)]) == 0
    names = ["graph.pb", "weights.npz", "inputs/truth-1.npy", "inputs/truth-2.npy"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (NETWORK / name).read_bytes(), name
    for index in (1, 2):  # Pillow's resampling and blur may differ by a level from one version to the next
        drawn, kept = (np.load(root / f"inputs/pictures-{index}.npy") for root in (tmp_path, NETWORK))
        assert np.abs(drawn.astype(int) - kept).max() <= 2


def test_pictures_are_held_out_and_the_truth_is_theirs(builder):
    for index, number in enumerate(builder.SAMPLES, 1):
        truth = np.load(NETWORK / f"inputs/truth-{index}.npy")
        assert np.array_equal(truth, samples.held_out(builder.PICTURES, number).classes)
        assert np.bincount(truth).tolist() == [builder.PICTURES // CLASSES] * CLASSES
    assert samples.HELD_OUT_SEED < 2**31, "training draws its pictures from seeds beyond"


def test_the_graph_is_a_frozen_one_of_tensorflow_1(network):
    ops = [node.op for node in network.graph.nodes.values()]
    counts = {op: ops.count(op) for op in ("Conv2D", "DepthwiseConv2dNative", "BiasAdd", "Relu6", "MatMul")}
    assert counts == {"Conv2D": 8, "DepthwiseConv2dNative": 7, "BiasAdd": 16, "Relu6": 15, "MatMul": 1}
    assert [ops.count(op) for op in ("AvgPool", "Softmax", "FusedBatchNorm")] == [1, 1, 0]
    assert network.graph.outputs == (OUTPUT,)


def logits_of(graph, pictures, *, wide):
    chosen = to_float64(graph)[0] if wide else graph
    return GraphRunner(chosen, [LOGITS])({"input": pictures})[LOGITS]


@pytest.mark.parametrize("wide", [False, True])
def test_the_folded_graph_is_the_trained_model(network, trained, wide):
    """The model with its batch norms, by TensorFlow 2, against the frozen graph without any."""
    import tensorflow as tf

    pictures = network.feeds(0)["input"][:8]
    wanted = inference(tf.constant(pictures, tf.float64), trained).numpy()
    found = logits_of(network.graph, pictures, wide=wide)
    # filters and biases were rounded to float32 once
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


def test_folding_without_rounding_is_exact_to_float64(trained):
    """The law itself, with NumPy alone, at one layer of each kind."""
    random = np.random.default_rng(3)
    for layer in layers()[:3]:
        sums = random.standard_normal((5, layer.channels_out))
        gamma, beta, mean, variance = (
            trained[layer.norm(part)].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        wanted = gamma * (sums - mean) / np.sqrt(variance + 1e-3) + beta
        values = folded(trained)
        kernel, unfolded = values[layer.kernel], trained[layer.kernel]
        at = np.unravel_index(np.abs(unfolded).argmax(), unfolded.shape)
        channel = at[2] if layer.depthwise else at[3]
        ratio = float(kernel[at]) / float(unfolded[at])
        found = sums[:, channel] * ratio + values[f"{layer.name}/biases"][channel]
        np.testing.assert_allclose(found, wanted[:, channel], rtol=1e-5, atol=1e-5)


def test_a_wrong_fold_shows(network, trained):
    """The test of the tests: an epsilon forgotten, or a channel that is not its own, is seen."""
    import tensorflow as tf

    pictures = network.feeds(0)["input"][:4]
    wrong = dict(trained)
    name = layers()[3].norm("moving_variance")
    wrong[name] = np.roll(trained[name], 1)
    wanted = inference(tf.constant(pictures, tf.float64), wrong).numpy()
    assert np.abs(logits_of(network.graph, pictures, wide=True) - wanted).max() > 1e-2 * np.abs(wanted).max()


def right(graph, batch):
    found = GraphRunner(graph, [OUTPUT])({"input": samples.model_values(batch.pictures)})[OUTPUT]
    return float(np.mean(found.argmax(-1) == batch.classes))


def test_it_tells_freshly_drawn_pictures_apart(network):
    fresh = samples.held_out(300, 77)
    assert right(network.graph, fresh) >= 0.97
    shuffled = fresh._replace(classes=np.roll(fresh.classes, 1))
    assert right(network.graph, shuffled) < 0.3


def test_model_values_are_those_that_the_network_is_fed_with(network):
    raw = np.load(NETWORK / "inputs/pictures-1.npy")
    assert np.array_equal(samples.model_values(raw), network.feeds(0)["input"])
    assert network.feeds(0)["input"].shape == (40, SIZE, SIZE, 3)


def test_a_training_can_be_taken_up_again(tmp_path):
    def batches(number):
        return list(samples.training_round(RECIPE.seed, number, RECIPE.pictures, RECIPE.batch, RECIPE.uses))

    whole = Trainer(RECIPE)
    for number in range(2):
        for batch in batches(number):
            assert np.isfinite(whole.train(batch))
    begun = Trainer(RECIPE)
    for batch in batches(0):
        begun.train(batch)
    begun.save(tmp_path / "checkpoint.npz")
    taken_up = Trainer(RECIPE)
    taken_up.load(tmp_path / "checkpoint.npz")
    assert (taken_up.step, taken_up.round) == (4, 1)
    for batch in batches(1):
        taken_up.train(batch)
    for name, variable in whole.variables.items():
        np.testing.assert_allclose(variable.numpy(), taken_up.variables[name].numpy(), atol=1e-5, rtol=1e-4)
        trained = not name.endswith(("gamma", "beta"))
        assert not trained or not np.array_equal(variable.numpy(), initial(RECIPE.seed)[name])


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(b"no archive")
    with pytest.raises(UsageError, match="cannot be read"):
        Trainer(RECIPE).load(tmp_path / "checkpoint.npz")


def test_variables_of_another_network_are_refused(builder, tmp_path):
    values = initial(1)
    values["MobilenetV1/Logits/biases"] = np.zeros(3, np.float32)
    np.savez(tmp_path / "trained.npz", **values)
    with pytest.raises(UsageError, match=r"should have \[10\]"):
        builder.trained_variables(tmp_path / "trained.npz")
    np.savez(tmp_path / "trained.npz", other=np.zeros(3))
    with pytest.raises(UsageError, match="cannot be read"):
        builder.trained_variables(tmp_path / "trained.npz")


def test_an_exported_training_is_what_the_builder_takes(builder, tmp_path):
    trainer = Trainer(RECIPE)
    trainer.export(tmp_path / "trained.npz", "about")
    values = builder.trained_variables(tmp_path / "trained.npz")
    assert {name: list(value.shape) for name, value in values.items()} == trained_shapes()


def test_turning_changes_no_pixel():
    pictures = samples.held_out(10).pictures
    found = samples.turned(pictures, np.random.RandomState(1))
    for before, after in zip(pictures, found, strict=True):
        assert np.array_equal(np.sort(before.reshape(-1, 3), 0), np.sort(after.reshape(-1, 3), 0))
    assert not np.array_equal(pictures, found)


def test_the_graph_loads_without_its_weights():
    assert load_frozen_graph(NETWORK / "graph.pb", [OUTPUT]).inputs == ("input",)
