"""``mlu-conformance freeze``: what it writes, what it says, and how it ends on every bad input."""

import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.damage import flip
from support.emulation import same_bits
from support.saved_checkpoints import save, variable

from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.lazy_tensorflow import op_definition, tensorflow

X = np.random.default_rng(1).standard_normal((2, 4)).astype(np.float32)


def build(tf):
    x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
    training = tf.compat.v1.placeholder(tf.bool, (), name="is_training")
    w, b = variable("layer/w", (4, 3)), variable("layer/b", (3,), resource=True)
    y = tf.add(tf.linalg.matmul(x, w), b, name="layer/out")
    tf.tanh(tf.compat.v1.cond(training, lambda: y * 2.0, lambda: y), name="net/out")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    feeds = {"x": X, "is_training": np.array(0, bool)}
    directory = tmp_path_factory.mktemp("trained")
    return save(directory, build, feeds, ["net/out"], names=("model.ckpt-1", "model.ckpt-2"))


@pytest.fixture
def directory(trained, tmp_path):
    return shutil.copytree(trained.prefix.parent, tmp_path / "trained")


@pytest.fixture
def said(said):
    return functools.partial(said, "freeze")


def test_it_writes_the_graph_and_says_what_is_in_it(said, directory, trained, tmp_path):
    target = tmp_path / "new/model.pb"
    code, text, note = said(
        *("--checkpoint", directory, "--output", "net/out", "-o", target, "--set", "is_training=false")
    )
    assert code == 0
    assert text.splitlines() == [
        "nodes       10",
        "operators   Identity 4, Const 2, Placeholder 1, MatMul 1, AddV2 1, Tanh 1",
        "parameters  15 in 2 variables",
        f"size        {target.stat().st_size:,} bytes",
        "input       x  float32 ?x4",
        "output      net/out  float32 ?x3",
    ]
    assert note == f"{target}: is_training is False: the other branch is gone\n"
    graph = load_frozen_graph(target, ["net/out"])
    assert same_bits(GraphRunner(graph, ["net/out"])({"x": X})["net/out"], trained.expected["net/out"])


def test_several_outputs_and_inputs(said, directory, tmp_path):
    target = tmp_path / "model.pb"
    code, text, _ = said(
        *("--checkpoint", directory / "model.ckpt-1", "--output", "net/out:0", "--output", "layer/out"),
        *("--input", "layer/out", "--input", "is_training", "-o", target),
    )
    assert code == 0
    shown = [line.split() for line in text.splitlines()]
    assert [words[1] for words in shown if words[0] == "input"] == ["is_training", "layer/out"]
    assert [words[1] for words in shown if words[0] == "output"] == ["net/out", "layer/out"]
    assert ["parameters", "0", "in", "0", "variables"] in shown


def test_what_is_undecided_is_said(said, directory, tmp_path):
    code, _, note = said("--checkpoint", directory, "--output", "net/out", "-o", tmp_path / "model.pb")
    assert code == 0
    assert "a branch by is_training stays" in note
    assert "--set is_training=VALUE" in note


def test_the_file_holds_nothing_that_an_older_tensorflow_would_refuse(said, directory, tmp_path):
    target = tmp_path / "model.pb"
    assert said("--checkpoint", directory, "--output", "net/out", "-o", target)[0] == 0
    graph_def = tensorflow().compat.v1.GraphDef.FromString(target.read_bytes())
    for node in graph_def.node:
        assert not node.device
        defaults = {entry.name: entry.default_value for entry in op_definition(node.op).attr}
        for key, value in node.attr.items():
            assert not key.startswith("_"), (node.name, key)
            assert value != defaults[key], (node.name, key)


def test_two_runs_write_the_same_bytes(said, directory, tmp_path):
    for name in ("first.pb", "second.pb"):
        assert said("--checkpoint", directory, "--output", "net/out", "-o", tmp_path / name)[0] == 0
    assert (tmp_path / "first.pb").read_bytes() == (tmp_path / "second.pb").read_bytes()


def data_of(directory):
    return directory / "model.ckpt-2.data-00000-of-00001"


def truncate(directory):
    data_of(directory).write_bytes(data_of(directory).read_bytes()[:50])


def damage(directory):
    flip(data_of(directory), 30)


def remove(name):
    return lambda directory: (directory / name).unlink()


def exchange(directory):
    """Put the checkpoint of another network there, under the same name."""
    other = save(directory / "other", lambda _: [variable("layer/w", (4, 5)), variable("layer/b", (3,))])
    shutil.copy(other.index, directory / "model.ckpt-2.index")
    shutil.copy(other.data, data_of(directory))


def impoverish(directory):
    other = save(
        directory / "other", lambda _: [variable("layer/weights", (4, 3)), variable("layer/b", (3,))]
    )
    shutil.copy(other.index, directory / "model.ckpt-2.index")
    shutil.copy(other.data, data_of(directory))


def nothing(directory):
    del directory


def empty(directory):
    shutil.rmtree(directory)
    directory.mkdir()


def keras(directory):
    empty(directory)
    (directory / "model.keras").write_bytes(b"")


GOOD = ("--output", "net/out")


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (truncate, GOOD, "data file @.data-00000-of-00001 has 50 bytes, but @.index says"),
        (damage, GOOD, "variable 'layer/w' of checkpoint @ is damaged: its bytes do not have the CRC-32C"),
        (remove("model.ckpt-2.index"), GOOD, "/model.ckpt-2', but @.index is missing"),
        (remove("model.ckpt-2.meta"), GOOD, "checkpoint @ has no model.ckpt-2.meta beside it"),
        (remove("model.ckpt-2.data-00000-of-00001"), GOOD, "checkpoint @ lacks its data file"),
        (
            remove("checkpoint"),
            GOOD,
            "{} holds 2 checkpoints and no file `checkpoint` that names one; give one of",
        ),
        (exchange, GOOD, "variable 'layer/w' of checkpoint @ has shape (4, 5), but 'layer/w' in"),
        (impoverish, GOOD, "checkpoint @ lacks variable 'layer/w', which @.meta needs"),
        (nothing, ("--output", "net/owt"), "node 'net/owt' is not in @.meta (near names: net/out"),
        (nothing, (*GOOD, "--set", "is_training"), "--set 'is_training' is not NAME=VALUE"),
        (nothing, (*GOOD, "--set", "a=1", "--set", "a=2"), "--set a is given as '1' and '2'; drop one"),
        (nothing, (*GOOD, "--graph", "graph.json"), "graph graph.json is neither .meta nor .pb nor .pbtxt"),
        (nothing, (), "argument"),
        (empty, GOOD, "{} is empty; give a directory with a *.index file"),
        (keras, GOOD, "Keras file {}/model.keras is no checkpoint; give the file itself to"),
        (shutil.rmtree, GOOD, "there is no checkpoint {}: {}.index is missing"),
    ],
)
def test_a_bad_input_is_one_sentence_and_writes_nothing(
    refusal, directory, tmp_path, change, arguments, sentence
):
    change(directory)
    target = tmp_path / "target/model.pb"
    error = refusal("--checkpoint", directory, "-o", target, *arguments)
    where = {"@": directory / "model.ckpt-2", "{}": directory}
    for word, path in where.items():
        sentence = sentence.replace(word, str(path))
    assert sentence in error or not arguments
    assert not target.parent.exists()


@pytest.mark.parametrize("kind", ["file in the way", "directory"])
def test_a_target_that_cannot_be_written(refusal, directory, tmp_path, kind):
    target = tmp_path / "way/model.pb"
    if kind == "directory":
        target.mkdir(parents=True)
    else:
        target.parent.write_text("a file")
    error = refusal("--checkpoint", directory, *GOOD, "-o", target, code=3)
    assert error.startswith(f"mlu-conformance: {target} cannot be written: ")


def test_a_failure_leaves_the_old_file(said, directory, tmp_path):
    target = tmp_path / "model.pb"
    target.write_bytes(b"the old one")
    damage(directory)
    assert said("--checkpoint", directory, *GOOD, "-o", target)[0] == 4
    assert target.read_bytes() == b"the old one"
    assert [path.name for path in Path(tmp_path).iterdir() if path.name.startswith(".")] == []


def test_its_help_names_every_argument(said):
    code, text, _ = said("--help")
    assert code == 0
    for word in ("--checkpoint", "--output", "-o", "--graph", "--input", "--set", "--signature"):
        assert word in text
