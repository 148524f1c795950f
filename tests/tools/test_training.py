"""``tools/train_beautygan.py`` trains the network of the frozen graph, can go on later, is judged."""

import math
import os
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tool_modules import TOOLS, tool_module

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(TOOLS))

from training import figures, samples
from training.network import generator, initial, scope, shapes
from training.trainer import Recipe, Stage, Trainer, weighted_loss

from conformance.errors import UsageError
from conformance.files import read_toml

ROOT = Path(__file__).resolve().parents[2]
NETWORK = ROOT / "fixtures/networks/beautygan"
SIZE = 32
RECIPE = Recipe(
    seed=5,
    rate=1e-3,
    warmup=2,
    decay=0.5,
    final=0.1,
    bare=0.0,
    stage=[
        Stage(SIZE, 1, 12, (0.0, 1.0), 1.0, (0.5, 0.7, 4.0, 1.6)),
        Stage(64, 2, 8, (1.0, 1.0), 4.0, (0.5, 0.7, 6.0, 2.5)),
    ],
)


@pytest.fixture(scope="module")
def trainer():
    return Trainer(RECIPE)


@pytest.fixture(scope="module")
def batches():
    return [
        batch
        for number in range(0, 12, samples.ROUND)
        for batch in samples.training_round(3, number, SIZE, 1, 0.3, 0.0)
    ]


@pytest.fixture(scope="module")
def tool():
    with tool_module("train_beautygan") as module:
        yield module


def state(trainer):
    return np.concatenate(
        [value.numpy().ravel() for value in (*trainer.weights.values(), *trainer.mean.values())]
    )


# The network


def test_the_network_is_the_frozen_graph():
    import tensorflow as tf

    from conformance.graph.graph_file import load_frozen_graph

    random = np.random.RandomState(1)
    values = {name: random.normal(value, 0.02) for name, value in initial(0).items()}
    graph = load_frozen_graph(NETWORK / "graph.pb", ["generator/xs"]).with_constants(values)
    x, y = random.uniform(-1, 1, (2, 1, 256, 256, 3)).astype(np.float32)
    with tf.Graph().as_default() as frozen:
        tf.import_graph_def(graph.copied_graph_def(), name="")
    with tf.compat.v1.Session(graph=frozen) as session:
        expected = session.run("generator/xs:0", {"X:0": x, "Y:0": y})
    found = generator(x, y, {name: np.float32(value) for name, value in values.items()}, half=False).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


def test_initial_values_have_the_published_names_and_shapes():
    values = initial(0)
    assert {name: list(value.shape) for name, value in values.items()} == shapes()
    assert {value.dtype for value in values.values()} == {np.dtype(np.float32)}
    assert (initial(1)[f"{scope('conv2d', 7)}/kernel"] != values[f"{scope('conv2d', 7)}/kernel"]).any()


def test_at_first_the_network_passes_colours():
    batch = samples.held_out(64, 3)
    x, y = (samples.model_values(part) for part in (batch.x, batch.y))
    result = generator(x, y, initial(0), half=False).numpy()
    for picture, shown in zip(x, result, strict=True):
        for channel in range(3):
            assert np.corrcoef(picture[..., channel].ravel(), shown[..., channel].ravel())[0, 1] > 0.8


def test_bfloat16_is_close_to_float32():
    batch = samples.held_out(SIZE, 2)
    x, y = (samples.model_values(part) for part in (batch.x, batch.y))
    half, full = (generator(x, y, initial(0), half=half).numpy() for half in (True, False))
    assert 0.0 < np.sqrt(np.mean((half - full) ** 2)) < 0.03


def test_pictures_of_a_batch_do_not_see_each_other():
    batch = samples.held_out(SIZE, 2)
    x, y = (samples.model_values(part) for part in (batch.x, batch.y))
    both = generator(x, y, initial(0), half=False).numpy()
    alone = generator(x[1:], y[1:], initial(0), half=False).numpy()
    np.testing.assert_allclose(both[1:], alone, rtol=0, atol=1e-4)


# The samples


def test_a_target_is_x_with_the_makeup_of_y():
    batch = samples.drawn(11, 64, 3, variety=0.5)
    inside = (batch.masks[..., :3] >= figures.HALF).any(-1)
    bare_skin = (batch.masks[..., :3] == 0).all(-1)
    difference = np.abs(batch.target.astype(float) - batch.x).mean(-1)
    assert difference[inside].mean() > 3 * difference[bare_skin].mean()
    lips = batch.masks[..., 0] >= figures.HALF
    lent = [batch.target[i][lips[i]].mean(0) - batch.x[i][lips[i]].mean(0) for i in range(3)]
    assert np.linalg.norm(lent, axis=-1).min() > 20


def test_without_makeup_the_target_is_x_without_noise():
    batch = samples.drawn(11, 64, 2, variety=0.5, bare=1.0)
    assert np.abs(batch.target.astype(float) - batch.x).mean() < 6


def test_rounds_repeat_and_differ():
    first, again, other = (
        samples.training_round(3, number, SIZE, 1, 1.0, 0.0) for number in (0, 0, samples.ROUND)
    )
    assert len(first) == samples.ROUND
    np.testing.assert_array_equal(first[0].x, again[0].x)
    assert (first[0].x != other[0].x).any()
    assert len(samples.training_round(3, 0, SIZE, 2, 1.0, 0.0)) == samples.ROUND // 2


def test_mirroring_keeps_targets_and_masks_with_their_x():
    batch = samples.drawn(1, SIZE, 2, 1.0)
    turned = [batch.mirrored(np.random.RandomState(seed)) for seed in range(20)]
    kinds = {
        tuple(bool((part == whole).all()) for part, whole in zip(one, batch, strict=True)) for one in turned
    }
    assert kinds == {(False, True, False, False), (True, False, True, True), (False, False, False, False)}
    for one in turned:
        np.testing.assert_array_equal(
            (one.x == batch.x).all(), (one.masks == batch.masks).all() and (one.target == batch.target).all()
        )


# The recipe


def test_the_committed_recipe_is_read():
    recipe = read_toml(TOOLS / "train_beautygan.toml", Recipe, "recipe")
    assert recipe.stage[-1].size == 256
    assert recipe.stage[-1].variety[1] == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [(("warmup", "warmpu"), "warmpu"), (("steps = 2488", "steps = 2001"), "multiple of 4")],
)
def test_a_wrong_recipe_is_an_error(tool, tmp_path, change, said):
    path = tmp_path / "recipe.toml"
    path.write_text((TOOLS / "train_beautygan.toml").read_text(encoding="utf-8").replace(*change), "utf-8")
    with pytest.raises(UsageError, match=said):
        tool.main([str(tmp_path / "out"), "--recipe", str(path)])


@given(step=st.integers(0, RECIPE.steps - 1))
def test_the_rate_warms_up_and_falls(step):
    rate = RECIPE.rate_at(step)
    assert 0.0 < rate <= RECIPE.rate
    if RECIPE.warmup <= step < RECIPE.steps * (1 - RECIPE.decay):
        assert rate == RECIPE.rate
    if step >= RECIPE.steps * (1 - RECIPE.decay):
        assert RECIPE.rate_at(step + 1) < rate
    assert RECIPE.rate_at(RECIPE.steps) == pytest.approx(RECIPE.rate * RECIPE.final)


def test_stages_follow_each_other_and_variety_grows():
    assert [RECIPE.at(step)[0].size for step in (0, 11, 12, 19, 20)] == [32, 32, 64, 64, 64]
    assert [RECIPE.at(step)[1] for step in (0, 6, 12, 20)] == [0.0, 0.5, 1.0, 1.0]


# The training


def test_the_loss_weighs_pixels_by_what_they_show():
    result, masks = np.zeros((1, 1, 5, 3), np.float32), np.zeros((1, 1, 5, 4), np.float32)
    target = np.full_like(result, 0.5)
    masks[0, 0, [1, 2, 3, 4], [3, 0, 1, 2]] = 1.0  # anywhere, then face, lips, eyes, blush
    masks[0, 0, 2:, 3] = 1.0
    found = weighted_loss(result, target, masks, 4.0, 0.5, 0.7, 6.0, 2.5)
    weights = [0.5, 1.2, 7.2, 7.2, 3.7]
    assert float(found) == pytest.approx(np.mean(weights) * (0.5 + 4.0 * 0.25), rel=1e-6)


def test_training_lowers_the_loss(trainer, batches):
    losses = [trainer.train(batches[0]) for _ in range(8)]
    assert math.isfinite(losses[-1])
    assert losses[-1] < 0.8 * losses[0]


def test_a_training_taken_up_again_goes_on_as_if_it_had_not_stopped(trainer, batches, tmp_path):
    path = tmp_path / "checkpoint.npz"
    trainer.save(path)
    begin, before = trainer.step, state(trainer)
    for batch in batches[:8]:
        trainer.train(batch)
    end = state(trainer)
    trainer.load(path)
    assert trainer.step == begin
    np.testing.assert_array_equal(state(trainer), before)
    for batch in batches[:8]:
        trainer.train(batch)
    moved = np.linalg.norm(end - before)
    assert moved > 0
    assert np.linalg.norm(state(trainer) - end) < 0.02 * moved


@pytest.mark.parametrize("content", [b"", b"PK no archive", None])
def test_a_checkpoint_that_cannot_be_read_is_an_error(trainer, tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    if content is None:
        np.savez(path, step=3)
    else:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"checkpoint\.npz cannot be read"):
        trainer.load(path)


def test_exported_weights_fill_the_graph(trainer, tmp_path):
    from conformance.graph.graph_file import load_frozen_graph
    from conformance.weights import Weights, filled

    trainer.export(tmp_path / "weights.npz", "a test")
    assert (tmp_path / "weights.npz").stat().st_size < 16e6
    graph = load_frozen_graph(NETWORK / "graph.pb", ["generator/xs"])
    recipes = [
        Weights(match=f"generator/*/{part}", kind="file", file="weights.npz")
        for part in ("kernel", "beta", "gamma")
    ]
    exported = filled(graph, recipes, 0, tmp_path / "network.toml")
    for name, variable in trainer.mean.items():
        stored = exported.constant(name)
        assert stored.dtype == np.float32
        np.testing.assert_allclose(stored, variable.numpy(), rtol=1e-3, atol=1e-7, err_msg=name)


# The judge


def test_psnr_of_a_known_error():
    target = np.full((2, 8, 8, 3), 100, np.uint8)
    result = target.copy()
    masks = np.zeros((2, 8, 8, 4), np.uint8)
    masks[:, :2, :, 0], masks[:, 2:4, :, 1], masks[:, 4:6, :, 2] = 255, 200, 128
    result[:, :2] += 51
    found = figures.psnr(result, target, masks)
    assert set(found) == set(figures.REGIONS)
    lips = -20 * math.log10(0.2)
    assert found["lips"] == pytest.approx(lips)
    assert found["makeup"] == pytest.approx(lips + 10 * math.log10(3))
    assert found["all"] == pytest.approx(lips + 10 * math.log10(4))
    assert min(found[region] for region in ("eyes", "blush", "rest")) > 100


def test_a_region_without_pixels_has_no_psnr():
    picture = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="no pixel of these pictures is in 'lips'"):
        figures.psnr(picture, picture, np.zeros((1, 8, 8, 4), np.uint8))


def test_returning_x_is_no_better_than_returning_x_and_the_target_is_perfect():
    batch = samples.held_out(64, 4)
    unchanged, baseline = figures.compared(lambda x, _: x, batch)
    assert unchanged == baseline
    answers = iter(batch.target)
    perfect, _ = figures.compared(lambda *_: next(answers), batch)
    assert min(perfect.values()) > 100
    assert baseline["makeup"] < 20
    assert baseline["rest"] > 28


def test_the_grid_has_a_row_for_every_input_and_for_what_was_wanted():
    picture = np.full((8, 8, 3), 10, np.uint8)
    styles = [picture + 1, picture + 2]
    grid = np.asarray(
        figures.grid(lambda x, y: x + y, [picture, picture * 2], styles, [[picture * 5] * 2, []])
    )
    assert grid[::8, ::8, 0].tolist() == [[255, 11, 12], [10, 21, 22], [255, 50, 50], [20, 31, 32]]


def test_all_of_it_in_little(tool, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    general = (ROOT / "tools/train_beautygan.toml").read_text().partition("[[stage]]")[0]
    loss = "square = 1.0\nweights = [0.5, 0.7, 4.0, 1.6]\n"
    stage = f"[[stage]]\nsize = {SIZE}\nbatch = 1\nsteps = 4\nvariety = [0.0, 1.0]\n{loss}"
    path = tmp_path / "recipe.toml"
    path.write_text(general + stage)
    command = [str(tmp_path / "out"), "--recipe", str(path), "--size", str(SIZE), "--interval", "0"]
    assert tool.main(command) == 0
    said = capsys.readouterr().out
    assert "step 4/4 size 32 loss" in said
    assert "return X" in said
    assert {item.name for item in (tmp_path / "out").iterdir()} == {
        "checkpoint.npz",
        "grid.png",
        "weights.npz",
    }
    with np.load(tmp_path / "out/weights.npz") as archive:
        about = msgspec.json.decode(str(archive["about"]))
        assert {archive[name].dtype for name in shapes()} == {np.dtype(np.float16)}
    assert about["steps"] == 4
    assert about["recipe"] == msgspec.json.decode(msgspec.json.encode(read_toml(path, Recipe, "recipe")))
    assert tool.main(command) == 0
    assert "step " not in capsys.readouterr().out


def test_a_loss_that_is_no_number_stops_the_training(tool, trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "train", lambda _: math.nan)
    monkeypatch.setattr(trainer, "step", 0)
    with pytest.raises(UsageError, match="the loss at step 0 is nan"):
        tool.train(trainer, tmp_path, 1.0, 30.0)
    assert list(tmp_path.iterdir()) == []
