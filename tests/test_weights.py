"""Recipes that fill a graph's constants: drawn, constant, or stored in a file."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused

from conformance.errors import UsageError
from conformance.weights import Weights, filled

SHAPES = {"a/kernel": (3, 4), "b/kernel": (4, 2), "a/bias": (4,)}


def build(tf):
    x = placeholder(tf, shape=(1, 3))
    for name in ("a", "b"):
        x = tf.linalg.matmul(
            x, tf.constant(np.zeros(SHAPES[f"{name}/kernel"], np.float32), name=f"{name}/kernel")
        )
        if name == "a":
            x += tf.constant(np.zeros(4, np.float32), name="a/bias")
    tf.reduce_sum(x, tf.constant([0, 1], name="axes"), name="o")


@pytest.fixture(scope="module")
def graph():
    return frozen(build, "o")


def drawn(graph, *recipes, seed=3, source=None):
    result = filled(graph, recipes, seed, source)
    return {name: result.constant(name) for name in SHAPES}


def test_truncated_normals_are_those_of_the_seed(graph):
    values = drawn(graph, Weights("*/kernel", "truncated-normal", std=0.5))
    random = np.random.RandomState(3)
    for name in ("a/kernel", "b/kernel"):
        expected = random.standard_normal(SHAPES[name])
        while (np.abs(expected) > 2).any():
            outside = np.abs(expected) > 2
            expected[outside] = random.standard_normal(outside.sum())
        assert np.array_equal(values[name], (expected * 0.5).astype(np.float32))
    assert not values["a/bias"].any()
    assert not np.array_equal(
        drawn(graph, Weights("a/kernel", "truncated-normal"), seed=4)["a/kernel"], values["a/kernel"]
    )


def test_nothing_lies_beyond_two_deviations():
    def build(tf):
        tf.add(
            placeholder(tf, shape=(20_000,)), tf.constant(np.zeros(20_000, np.float32), name="w"), name="o"
        )

    values = filled(frozen(build, "o"), [Weights("w", "truncated-normal", std=0.08)], 1, None).constant("w")
    assert 0.158 < np.abs(values).max() <= np.float32(0.16)
    assert abs(values.std() - 0.08 * 0.8796) < 1e-3  # the deviation of a normal truncated there


def test_constants_and_the_order_of_recipes(graph):
    values = drawn(graph, Weights("a/*", "constant", value=2.5), Weights("a/bias", "constant", value=-1.0))
    assert (values["a/kernel"] == 2.5).all()
    assert (values["a/bias"] == -1).all()
    assert not values["b/kernel"].any()


def test_stored_weights(graph, tmp_path):
    wanted = {
        name: np.random.default_rng(1).standard_normal(shape).astype("f4") for name, shape in SHAPES.items()
    }
    np.savez(tmp_path / "w.npz", **wanted)
    values = drawn(graph, Weights("[ab]/*", "file", file="w.npz"), source=tmp_path / "network.toml")
    assert all(np.array_equal(values[name], wanted[name]) for name in SHAPES)


def test_patterns_that_match_nothing_or_no_floats(graph, tmp_path):
    source = tmp_path / "network.toml"
    with pytest.raises(
        UsageError, match=r"weights 'a/kernal' in .* match no constant \(near names: a/kernel"
    ):
        filled(graph, [Weights("a/kernal", "constant")], 1, source)
    with refused(r"weights '.' in .* match 'axes', which holds int32; narrow the pattern"):
        filled(graph, [Weights("*", "constant")], 1, source)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("a/bias"), "w.npz lack 'a/bias'"),
        (
            lambda arrays: arrays.update({"a/bias": np.zeros(5)}),
            r"'a/bias' in .* have shape \(5,\), but .* \(4,\)",
        ),
        (
            lambda arrays: arrays.update({"a/bias": np.full(4, np.nan)}),
            "'a/bias' in .* are not finite floats",
        ),
        (lambda arrays: arrays.update({"a/bias": np.full(4, "a")}), "'a/bias' in .* are not finite floats"),
    ],
)
def test_stored_weights_that_do_not_fit(graph, tmp_path, change, said):
    arrays = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    change(arrays)
    np.savez(tmp_path / "w.npz", **arrays)
    with refused(said):
        drawn(graph, Weights("[ab]/*", "file", file="w.npz"), source=tmp_path / "network.toml")


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "array", "truncated", "pickled"])
def test_files_that_are_no_archive(graph, tmp_path, damage):
    path = tmp_path / "w.npz"
    arrays = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    np.savez(path, **(arrays | {"a/bias": np.array([{}], object)} if damage == "pickled" else arrays))
    if damage == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif damage == "missing":
        path.unlink()
    elif damage != "pickled":
        path.write_bytes({"empty": b"", "text": b"weights"}.get(damage, path.read_bytes()[:-40]))
    with refused(r"weights .*w.npz cannot be read as .npz"):
        drawn(graph, Weights("[ab]/*", "file", file="w.npz"), source=tmp_path / "network.toml")
