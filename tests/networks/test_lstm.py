"""The LSTM that adds: its files are what the tools write, and its weights solve the task."""

import json
import math
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tool_modules import TOOLS, tool_module

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(TOOLS))

from lstm import adding
from lstm.network import BATCH, SHAPES, STEPS, UNITS, answers, initial
from lstm.trainer import Recipe, Stage, Trainer
from support.emulation import profile

from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.errors import UsageError
from conformance.files import read_toml
from conformance.graph.execution import GraphRunner
from conformance.graph.retype import to_float64
from conformance.networks import Network
from conformance.precision import parse_precision
from conformance.quantization.calibration import calibrate, largest_magnitudes
from conformance.quantization.files import read_scales
from conformance.quantization.parameter_file import format_scales

ROOT = Path(__file__).resolve().parents[2]
NETWORK = ROOT / "fixtures/networks/lstm"
RECIPE = Recipe(
    seed=5, rate=3e-3, warmup=2, decay=0.5, final=0.1, clip=1.0, stage=[Stage(8, 16, 30), Stage(12, 16, 10)]
)


@pytest.fixture(scope="module")
def tool():
    with tool_module("build_lstm") as module:
        yield module


@pytest.fixture(scope="module")
def network():
    return Network(NETWORK)


@pytest.fixture(scope="module")
def weights():
    with np.load(NETWORK / "weights.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in SHAPES}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def recurrence(x, weights):
    """The LSTM in NumPy, written down from its formulas: every c, h and answer, in the type of ``x``."""
    kernel, bias, head, offset = (weights[name].astype(x.dtype) for name in SHAPES)
    c = h = np.zeros((len(x), UNITS), x.dtype)
    steps = []
    for t in range(x.shape[1]):
        z = x[:, t] @ kernel[:2] + h @ kernel[2:] + bias
        i, j, f, o = (z[:, k * UNITS : (k + 1) * UNITS] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(j)
        h = sigmoid(o) * np.tanh(c)
        steps.append((c, h, h @ head + offset))
    return [np.stack(series, axis=1) for series in zip(*steps, strict=True)]


# The files


def test_building_again_writes_the_same_bytes(tool, tmp_path):
    assert tool.main(["--output", str(tmp_path)]) == 0
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert len(made) == 5
    for name in made:
        assert (tmp_path / name).read_bytes() == (NETWORK / name).read_bytes(), name


def test_the_committed_scales_regenerate_identically(network):
    largest = largest_magnitudes(network.graph, [network.feeds(sample) for sample in range(network.samples)])
    for bits in (8, 16):
        assert format_scales(calibrate(largest, bits)) == (NETWORK / f"int{bits}.quant.txt").read_text(
            "utf-8"
        )


def test_the_truth_is_the_sum_of_the_marked_numbers(network):
    output = network.outputs[0]
    seen = []
    for sample in range(network.samples):
        x = network.feeds(sample)["x"].astype(np.float64)
        numbers, markers = x[..., 0], x[..., 1]
        assert set(np.unique(markers)) == {0.0, 1.0}
        assert (markers.sum(1) == 2).all()
        truth = network.truth(output, sample, (BATCH, 1))
        np.testing.assert_allclose(truth[:, 0], (numbers * markers).sum(1), rtol=0, atol=1e-7)
        seen.append(x)
    assert (seen[0] != seen[1]).any()


def test_the_graph_is_an_unrolled_loop(network):
    graph = network.graph
    census = Counter(node.op for node in graph.nodes.values())
    per_step = {"MatMul": 2, "BiasAdd": 2, "Split": 1, "Sigmoid": 3, "Tanh": 2, "Mul": 3, "Add": 1}
    assert {op: census[op] for op in per_step} == {op: count * STEPS for op, count in per_step.items()}
    assert not {"Enter", "Merge", "Switch", "NextIteration", "Exit", "While"} & set(census)
    for series in network.series:
        before, after = series.nodes.split("*")
        assert all(f"{before}{step:03}{after}" in graph.nodes for step in range(STEPS)), series.name


def test_the_key_nodes_are_the_state_the_answer_and_the_products_of_every_step():
    manifest = json.loads((ROOT / "goldens/lstm/manifest.json").read_text("utf-8"))
    key = {node["name"] for node in manifest["nodes"] if node["reasons"]}
    parts = ("c", "h", "answer", "gates/MatMul", "answer/MatMul")
    steps = {f"lstm/step_{step:03}/{part}" for step in range(STEPS) for part in parts}
    assert key == steps | {"answer", "answers", "lstm/unstack"}


# The network


@pytest.mark.parametrize("sample", [0, 1])
def test_the_graph_computes_the_recurrence(network, weights, sample):
    wide, narrow = to_float64(network.graph)
    assert not list(narrow)
    steps = (0, 1, 57, STEPS - 1)
    names = [f"lstm/step_{step:03}/{part}" for step in steps for part in ("c", "h", "answer")]
    run = GraphRunner(wide.prune([*names, "answer", "answers"]), [*names, "answer", "answers"])
    x = network.feeds(sample)["x"]
    found = run({"x": x})
    c, h, answer = recurrence(x.astype(np.float64), weights)
    for step in steps:
        for part, series in (("c", c), ("h", h), ("answer", answer)):
            expected = series[:, step]
            np.testing.assert_allclose(found[f"lstm/step_{step:03}/{part}"], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["answers"], answer[..., 0], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found["answer"], found[f"lstm/step_{STEPS - 1:03}/answer"])


def test_the_trained_network_is_that_of_the_graph(weights):
    x = adding.drawn(3, 4, 20).x
    found = answers(np.asarray(x), weights).numpy()
    expected = recurrence(x.astype(np.float64), weights)[2][..., 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def fixed_point(values, scale, bits):
    """Integers of a tensor: scale as float32, half away from zero, the full range."""
    scaled = values.astype(np.float64) * np.float64(np.float32(scale))
    whole = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    return np.clip(whole, -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1)


def product(values, filters, name, scales, bits):
    """A MatMul of the card: exact sums of integers, rescaled and rounded to float32 once."""
    factors = [scales[f"{name}/MatMul/{which}"] for which in ("input", "filter")]
    sums = fixed_point(values, factors[0], bits) @ fixed_point(filters, factors[1], bits)
    return (sums / np.prod(np.float32(factors), dtype=np.float64)).astype(np.float32)


def on_a_card(x, weights, scales, bits):
    """The running answers in fixed point with float32, written down from the facts in docs/numerics.md."""

    def rounded(function, values):
        return function(values.astype(np.float64)).astype(np.float32)

    kernel, bias, head, offset = (weights[name] for name in SHAPES)
    c = h = np.zeros((len(x), UNITS), np.float32)
    found = []
    for t in range(STEPS):
        step = f"lstm/step_{t:03}"
        z = product(np.concatenate([x[:, t], h], 1), kernel, f"{step}/gates", scales, bits) + bias
        i, j, f, o = (z[:, k * UNITS : (k + 1) * UNITS] for k in range(4))
        c = rounded(sigmoid, f) * c + rounded(sigmoid, i) * rounded(np.tanh, j)
        h = rounded(sigmoid, o) * rounded(np.tanh, c)
        found.append(product(h, head, f"{step}/answer", scales, bits) + offset)
    return np.concatenate(found, 1)


@pytest.mark.parametrize("bits", [8, 16])
def test_fixed_point_adds_up_along_the_steps_as_computed_independently(network, weights, bits):
    scales = read_scales(NETWORK, bits, network.graph)
    feeds = network.feeds(0)
    with EmulatorDevice(profile()).open(
        network.graph, ["answers"], precision=parse_precision(f"int{bits}-fp32"), scales=scales
    ) as session:
        found = session.run(feeds)["answers"]
    expected = on_a_card(feeds["x"], weights, scales.scales, bits)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    errors = np.abs(found - recurrence(feeds["x"].astype(np.float64), weights)[2][..., 0]).max(0)
    assert errors[-10:].max() > 4 * errors[:3].max()


def solved(weights, seed, count=1000):
    sequences = adding.drawn(seed, count, STEPS)
    return adding.right(recurrence(sequences.x, weights)[2][:, -1], sequences.answers)


def test_the_weights_solve_the_task_on_sequences_that_nothing_has_seen(weights):
    assert solved(weights, seed=3_000_000_019) >= 0.99


def test_other_weights_do_not(weights):
    assert solved(initial(1), seed=3_000_000_019) < 0.2
    turned = weights | {"lstm/kernel": weights["lstm/kernel"][::-1]}
    assert solved(turned, seed=3_000_000_019) < 0.2
    slightly_off = weights | {"lstm/bias": weights["lstm/bias"] + np.float32(0.03)}
    assert solved(slightly_off, seed=3_000_000_019) < 0.99


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("lstm/bias"), "lack 'lstm/bias'"),
        (lambda arrays: arrays.update({"lstm/kernel": arrays["lstm/kernel"].T}), "have shape"),
        (lambda arrays: arrays.update({"answer/bias": np.full(1, np.nan, np.float32)}), "not finite"),
    ],
)
def test_a_wrong_file_of_weights_is_an_error(weights, tmp_path, change, said):
    arrays = dict(weights)
    change(arrays)
    shutil.copytree(NETWORK, tmp_path / "lstm")
    np.savez(tmp_path / "lstm/weights.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        _ = Network(tmp_path / "lstm").graph


def test_the_committed_weights_say_how_they_were_made():
    with np.load(NETWORK / "weights.npz", allow_pickle=False) as archive:
        about = msgspec.json.decode(str(archive["about"]))
    recipe = read_toml(TOOLS / "train_lstm.toml", Recipe, "recipe")
    assert about["recipe"] == msgspec.json.decode(msgspec.json.encode(recipe))
    assert about["steps"] == recipe.steps


# The task


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 50), steps=st.integers(6, 200))
def test_sequences_are_those_of_the_adding_problem(seed, count, steps):
    x, sums = adding.drawn(seed, count, steps)
    numbers, markers = x[..., 0], x[..., 1]
    assert x.shape == (count, steps, 2)
    assert x.dtype == sums.dtype == np.float32
    assert (numbers >= 0).all()
    assert (numbers <= 1).all()
    assert set(np.unique(markers)) == {0.0, 1.0}
    assert (markers.sum(1) == 2).all()
    assert not markers[:, steps // 2 :].any()
    assert (markers[:, : adding.FIRST].sum(1) >= 1).all()
    assert (np.abs(sums[:, -1:] - adding.Sequences(x, sums).answers) == 0).all()
    np.testing.assert_allclose(sums[:, -1], (numbers * markers).sum(1), rtol=0, atol=1e-6)
    np.testing.assert_allclose(sums[:, 0], numbers[:, 0] * markers[:, 0], rtol=0, atol=0)


def test_the_second_marker_stands_anywhere_in_the_first_half():
    markers = adding.drawn(1, 20_000, 20).x[..., 1]
    where = markers.mean(0)
    assert (where[:10] > 0.1).all()
    assert not where[10:].any()


def test_who_does_not_look_is_seldom_right():
    sequences = adding.drawn(1, 4096, STEPS)
    assert 0.04 < adding.right(np.ones_like(sequences.answers), sequences.answers) < 0.12


# The training


@pytest.fixture(scope="module")
def trainer():
    return Trainer(RECIPE)


def state(trainer):
    return np.concatenate(
        [value.numpy().ravel() for value in (*trainer.weights.values(), *trainer.mean.values())]
    )


def test_training_lowers_the_loss_and_can_be_taken_up_again(trainer, tmp_path):
    losses = [trainer.train() for _ in range(20)]
    assert math.isfinite(losses[-1])
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    trainer.save(tmp_path / "checkpoint.npz")
    again = Trainer(RECIPE)
    again.load(tmp_path / "checkpoint.npz")
    assert again.step == trainer.step
    np.testing.assert_array_equal(state(again), state(trainer))
    assert again.train() == pytest.approx(trainer.train(), rel=1e-5)


def test_stages_follow_each_other():
    assert RECIPE.steps == 40
    assert [RECIPE.at(step).length for step in (0, 29, 30, 39, 40)] == [8, 8, 12, 12, 12]
    assert RECIPE.rate_at(10) == RECIPE.rate
    assert RECIPE.rate_at(39) < RECIPE.rate_at(30) < RECIPE.rate


def test_all_of_it_in_little(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    general = (TOOLS / "train_lstm.toml").read_text("utf-8").partition("[[stage]]")[0]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(general + "[[stage]]\nlength = 8\nbatch = 4\nupdates = 3\n", "utf-8")
    command = [str(tmp_path / "out"), "--recipe", str(recipe), "--interval", "0"]
    with tool_module("train_lstm") as tool:
        assert tool.main(command) == 0
        said = capsys.readouterr().out
        assert "step 3/3 length 8 loss" in said
        assert "right within 0.04 (always 1: " in said
        with np.load(tmp_path / "out/weights.npz", allow_pickle=False) as archive:
            assert {name: archive[name].shape for name in SHAPES} == SHAPES
        assert tool.main(command) == 0
        assert "step " not in capsys.readouterr().out.replace("100 steps", "")


def test_a_loss_that_is_no_number_stops_the_training(trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "train", lambda: math.nan)
    with tool_module("train_lstm") as tool, pytest.raises(UsageError, match="is nan; lower the rate"):
        tool.train(trainer, tmp_path, 1.0, 30.0)
    assert not list(tmp_path.iterdir())
