"""``init`` and ``freeze`` of what one protocol buffer cannot hold, with the limit lowered."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.emulation import frozen, placeholder, same_bits
from support.saved_checkpoints import save, session, tf1_graph, variable

from conformance import cli, files
from conformance.graph import frozen as frozen_module
from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.networks import Network

RANDOM = np.random.default_rng(6)
FIRST, SECOND = ((RANDOM.standard_normal(shape) / 10).astype("f4") for shape in ((6, 400), (400, 5)))
X = RANDOM.standard_normal((1, 6)).astype(np.float32)
LIMIT = 10_000


def layers(tf, x, first, second):
    return tf.nn.softmax(tf.nn.relu(x @ first) @ second, name="out")


def build_constants(tf):
    x = placeholder(tf, "x", (None, 6))
    layers(tf, x, tf.constant(FIRST, name="first/w"), tf.constant(SECOND, name="second/w"))


def build_variables(tf):
    x = tf.compat.v1.placeholder(tf.float32, (None, 6), name="x")
    first = variable("first/w", FIRST.shape, initial=FIRST, resource=True)
    return x, layers(tf, x, first, variable("second/w", SECOND.shape, initial=SECOND))


def keras_model():
    keras = tensorflow().keras
    inner = keras.layers.Dense(400, activation="relu", use_bias=False, name="first")
    outer = keras.layers.Dense(5, activation="softmax", use_bias=False, name="second")
    model = keras.Sequential([keras.Input((6,), name="x"), inner, outer])
    model.set_weights([FIRST, SECOND])
    return model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The same network from every source: files of Keras, SavedModels, a checkpoint, frozen graphs."""
    root = tmp_path_factory.mktemp("models")
    model = keras_model()
    model.save(root / "model.keras")
    model.save(root / "model.h5")
    model.export(str(root / "second"), verbose=False)
    with tf1_graph() as graph:
        x, out = build_variables(tensorflow())
        with session(graph) as running:
            running.run(tensorflow().compat.v1.global_variables_initializer())
            tensorflow().compat.v1.saved_model.simple_save(running, str(root / "first"), {"x": x}, {"y": out})
    save(root / "checkpoint", build_variables)
    graph = frozen(build_constants, "out")
    graph.save(root / "frozen.pb")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(frozen_module, "LARGEST_MESSAGE", LIMIT)
        graph.save(root / "apart.pb")
    text = tensorflow().compat.v1.GraphDef.FromString((root / "apart.pb").read_bytes())
    (root / "apart.pbtxt").write_text(str(text))
    return root


@pytest.fixture
def lowered(monkeypatch):
    """Let a protocol buffer hold less than the weights."""
    return lambda: monkeypatch.setattr(frozen_module, "LARGEST_MESSAGE", LIMIT)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


SOURCES = ("model.keras", "model.h5", "second", "first", "frozen.pb", "apart.pb", "apart.pbtxt")


@pytest.mark.parametrize("source", SOURCES)
def test_init_writes_the_same_network_with_arrays_beside_its_graph(said, models, lowered, source):
    assert said("init", models / source, "--random-inputs", 1, "-o", "whole/net")[0] == 0
    lowered()
    code, text, _ = said("init", models / source, "--random-inputs", 1, "-o", "apart/net")
    assert code == 0
    whole, apart = (Network(Path(directory, "net")) for directory in ("whole", "apart"))
    assert not Path("whole/net/graph.arrays").exists()
    assert Path("apart/net/graph.pb").stat().st_size < 3000
    arrays = sorted(Path("apart/net/graph.arrays").iterdir())
    assert sorted(map(str, np.concatenate([np.load(path).ravel() for path in arrays]))) == sorted(
        map(str, np.concatenate([FIRST.ravel(), SECOND.ravel()]))
    )
    assert (apart.graph.sha256, apart.graph.outputs) == (whole.graph.sha256, whole.graph.outputs)
    assert Path("apart/net/network.toml").read_bytes() == Path("whole/net/network.toml").read_bytes()
    written = [line.split()[1] for line in text.splitlines() if line.startswith("written")]
    (inputs,) = (path for path in map(str, Path("apart/net/inputs").iterdir()))
    assert written == [
        inputs,
        *(f"apart/net/{name}" for name in ("graph.arrays", "graph.pb", "network.toml")),
    ]
    size = sum(path.stat().st_size for path in (*arrays, Path("apart/net/graph.pb")))
    assert (
        f"size        {size:,} bytes in apart/net/graph.pb and, to be kept beside it, apart/net/graph.arrays"
        in text.splitlines()
    )
    assert "parameters  4,400 in 2 variables" in text


@pytest.mark.parametrize("source", ["checkpoint", *SOURCES])
def test_freeze_writes_the_same_graph_with_arrays_beside_it(said, models, lowered, source):
    outputs = {"model.keras": "output_0", "model.h5": "output_0", "second": "output_0", "first": "y"}
    output = outputs.get(source, "out")
    given = ("--checkpoint", models / source, "--output", output)
    assert said("freeze", *given, "-o", "whole.pb")[0] == 0
    lowered()
    code, text, note = said("freeze", *given, "-o", "apart.pb")
    assert code == 0
    assert len(list(Path("apart.arrays").iterdir())) == 2
    assert "bytes in apart.pb and, to be kept beside it, apart.arrays\n" in text
    assert note == "apart.pb: to TensorFlow, which reads no apart.arrays, its constants are zeros\n"
    name = "out" if output == "y" else output
    whole, apart = (load_frozen_graph(Path(file), [name]) for file in ("whole.pb", "apart.pb"))
    assert whole.sha256 == apart.sha256
    (fed,) = whole.inputs
    found, expected = (GraphRunner(graph, [name])({fed: X})[name] for graph in (apart, whole))
    assert same_bits(found, expected)
    np.testing.assert_allclose(found, run_by_hand(), rtol=1e-5)


def run_by_hand():
    values = np.exp(np.maximum(X.astype(float) @ FIRST, 0) @ SECOND)
    return values / values.sum()


def everything(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("present", ["graph.arrays/first%2Fw.npy", "graph.arrays/other.npy"])
@pytest.mark.parametrize("limit", [False, True])
def test_arrays_that_are_there_are_neither_overwritten_nor_taken(refusal, models, lowered, present, limit):
    """They would be taken for those of the new graph, or left beside a graph that has none."""
    path = Path("mine", present)
    path.parent.mkdir(parents=True)
    path.write_text("of mine")
    if limit:
        lowered()
    error = refusal("init", models / "frozen.pb", "-o", "mine")
    assert (
        "mine/graph.arrays is there already and is not overwritten; give another directory with -o" in error
    )
    path.parent.rename("mine.arrays")
    before = everything(Path())
    error = refusal("freeze", "--checkpoint", models / "frozen.pb", "--output=out", "-o", "mine.pb")
    assert (
        "mine.arrays, where arrays of mine.pb would lie, is there already and is not overwritten; " in error
    )
    assert error.endswith("delete both, or name another file\n")
    assert everything(Path()) == before


def stops(error, at):
    """Return a way to write that fails at the file of this name."""
    write_atomically = files.write_atomically

    def stopping(path, write):
        if path.name == at:
            raise error
        write_atomically(path, write)

    return stopping


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize("at", ["first%2Fw.npy", "second%2Fw.npy", "graph.pb"])
@pytest.mark.parametrize(("error", "code"), [(FULL, 3), (KeyboardInterrupt(), cli.EXIT_INTERRUPTED)])
def test_what_fails_half_way_leaves_nothing(said, models, lowered, monkeypatch, at, error, code):
    lowered()
    monkeypatch.setattr(files, "write_atomically", stops(error, at))
    found, text, note = said("init", models / "frozen.pb", "--random-inputs", 1, "-o", "new/net")
    assert (found, text) == (code, "")
    assert "Traceback" not in note
    given = ("--checkpoint", models / "frozen.pb", "--output=out")
    found, text, note = said("freeze", *given, "-o", "new/graph.pb")
    assert (found, text) == (code, "")
    if error is FULL:
        assert note.endswith(
            "new/graph.pb cannot be written: No space left on device; give another file with -o\n"
        )
    assert list(Path().iterdir()) == []


def test_a_file_that_is_replaced_stays_where_its_replacement_fails(said, models, lowered, monkeypatch):
    Path("graph.pb").write_text("older")
    lowered()
    with monkeypatch.context() as patched:
        patched.setattr(files, "write_atomically", stops(FULL, "graph.pb"))
        given = ("freeze", "--checkpoint", models / "frozen.pb", "--output=out", "-o", "graph.pb")
        assert said(*given)[0] == 3
    assert everything(Path()) == {Path("graph.pb"): b"older"}
    assert said(*given)[0] == 0
    assert load_frozen_graph(Path("graph.pb"), ["out"]).arrays.keys() == {"first/w", "second/w"}


def test_an_array_that_is_lost_is_named(refusal, models):
    for name in ("apart.pb", "apart.pbtxt"):
        shutil.copy(models / name, name)
        error = refusal("init", name)
        assert re.search(
            f"constant '(first|second)/w' of frozen graph {name} cannot be read from apart.a", error
        )
        assert error.endswith(
            "No such file or directory: 'apart.arrays/first%2Fw.npy'; keep the directory beside the graph\n"
        )
