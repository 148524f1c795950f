"""Graphs whose constants one protocol buffer cannot hold: their arrays lie in files beside them."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused

from conformance.graph import frozen as frozen_module
from conformance.graph.array_files import array_path
from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph

KERNEL = np.random.default_rng(3).normal(size=(40, 30)).astype(np.float32)
FEEDS = {"x": np.random.default_rng(4).normal(size=(2, 40)).astype(np.float32)}
FILE = "graph.arrays/kernel%2Fof.npy"


def build(tf):
    x = placeholder(tf, shape=(2, 40))
    half = tf.constant(KERNEL[0].astype(tf.bfloat16.as_numpy_dtype).repeat(30), name="half")
    shifted = tf.matmul(x, tf.constant(KERNEL, name="kernel/of")) + tf.reduce_sum(tf.cast(half, tf.float32))
    tf.gather(shifted, tf.constant(np.arange(300) % 30, tf.int32), axis=1, name="o")


@pytest.fixture
def graph():
    return frozen(build, "o")


@pytest.fixture
def saved(graph, tmp_path, monkeypatch):
    """Return the file of a graph that is too large by a byte."""
    size = sum(array.nbytes for array in graph.arrays.values())
    monkeypatch.setattr(frozen_module, "LARGEST_MESSAGE", size - 1)
    graph.save(tmp_path / "graph.pb")
    return tmp_path / "graph.pb"


def test_a_graph_that_fits_is_one_file(graph, tmp_path, monkeypatch):
    monkeypatch.setattr(
        frozen_module, "LARGEST_MESSAGE", sum(array.nbytes for array in graph.arrays.values())
    )
    graph.save(tmp_path / "graph.pb")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.pb"]


def test_it_is_read_back_as_it_was(graph, saved):
    assert saved.stat().st_size < 2000
    read = load_frozen_graph(saved, ["o"])
    assert sorted(read.arrays) == sorted(graph.arrays)
    assert len(read.arrays) == 3
    assert read.sha256 == graph.sha256
    ours, theirs = (GraphRunner(each, ["o"])(FEEDS)["o"] for each in (graph, read))
    assert ours.tobytes() == theirs.tobytes()
    assert np.ptp(ours) > 0


def test_it_cannot_be_one_message(saved):
    with refused(r"the constants of .* have \d+ bytes, but one protocol buffer holds \d+ at most"):
        load_frozen_graph(saved, ["o"]).copied_graph_def()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "cannot be read from .*No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "cannot be read from"),
        (lambda path: np.save(path, KERNEL[1:]), r"is float32 \(40, 30\), but .* holds float32 \(39, 30\)"),
        (lambda path: np.save(path, KERNEL.astype(float)), r"is float32 .* holds float64"),
    ],
)
def test_what_is_missing_or_damaged_is_named(saved, damage, said):
    damage(saved.parent / FILE)
    with refused(rf"constant 'kernel/of' of frozen graph .*graph.pb {said}"):
        load_frozen_graph(saved, ["o"])


def test_the_same_values_in_another_order_of_memory_are_the_same_graph(graph, saved):
    np.save(saved.parent / FILE, np.asfortranarray(KERNEL))
    read = load_frozen_graph(saved, ["o"])
    assert read.sha256 == graph.sha256
    assert GraphRunner(read, ["o"])(FEEDS)["o"].tobytes() == GraphRunner(graph, ["o"])(FEEDS)["o"].tobytes()


def test_names_of_files(tmp_path):
    """Two names never share a file, however long they are and whatever they hold."""
    names = ["a/b", "a_b", "a%2Fb", "a/../b", "..", *(f"{'scope/' * 60}{end}" for end in ("w", "v"))]
    paths = [array_path(tmp_path / "graph.pb", name) for name in names]
    assert len(set(paths)) == len(names)
    for path in paths:
        assert path.parent == tmp_path / "graph.arrays"
        path.parent.mkdir(exist_ok=True)
        path.touch()


def test_another_value_is_another_graph(graph, saved):
    np.save(saved.parent / FILE, KERNEL + 1)
    assert load_frozen_graph(saved, ["o"]).sha256 != graph.sha256
