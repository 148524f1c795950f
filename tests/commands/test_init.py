"""``mlu-conformance init``: from a model file to a network that is prepared and judged, as a user goes."""

import re
import shlex

import msgspec
import numpy as np
import pytest
from support.kept_network import kept_network
from support.saved_checkpoints import tf1_graph
from support.suite_run import run_suite

from conformance import cli, files
from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.initialising import new_network
from conformance.network_file import Description
from conformance.networks import Network

RANDOM = ("--random-inputs", "2")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A small Keras model as ``model.keras``, ``model.h5`` and ``saved``; and a frozen graph ``small.pb``."""
    root = tmp_path_factory.mktemp("models")
    keras = tensorflow().keras
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3), name="picture"),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5, activation="softmax", name="classes"),
        ]
    )
    model.save(root / "model.keras")
    model.save(root / "model.h5")
    model.export(str(root / "saved"), verbose=False)
    (root / "small.pb").write_bytes((kept_network().directory / "small.pb").read_bytes())
    x = np.random.default_rng(1).standard_normal((1, 6, 6, 3)).astype(np.float32)
    return root, x, model(x).numpy()


@pytest.fixture
def said(said, tmp_path, monkeypatch):
    """Run a command in a directory of its own; return its exit code, output and error."""
    monkeypatch.chdir(tmp_path)
    return said


def write_graph(path, build):
    with tf1_graph() as graph:
        build(tensorflow())
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


@pytest.mark.parametrize("name", ["model.keras", "saved", "small.pb"])
def test_a_model_is_judged_after_two_commands(said, models, tmp_path, name):
    code, text, note = said("init", models[0] / name, *RANDOM, "-o", "mine")
    assert code == 0
    assert f"{'written':<11} mine/network.toml" in text
    (remedy,) = re.findall(r"then: (mlu-conformance prepare .*)", note)
    code, text, _ = said(*shlex.split(remedy)[1:], "--golden-dir", "goldens")
    assert (code, [line.split()[1] for line in text.splitlines()]) == (0, ["made"] * 3)
    code, text, _ = said("nodes", "mine")
    assert (code, "output of the network" in text) == (0, True)
    result = run_suite(
        tmp_path / "run",
        f"--network-path={tmp_path / 'mine'}",
        f"--golden-dir={tmp_path / 'goldens'}",
        "--nodes=outputs",
        markers="mlu and int16 and fp32 and (own or fused) and not benchmark",
    )
    assert result.code == 0, result.text
    assert {record.outcome for record in result.records} == {"conforms"}
    code, text, _ = said("prepare", "mine", "--golden-dir", "goldens")
    assert (code, [line.split()[1] for line in text.splitlines()]) == (0, ["fresh"] * 3)


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "saved"])
def test_the_graph_computes_what_the_model_does(said, models, name):
    root, x, expected = models
    code, text, _ = said("init", root / name, "-o", "mine")
    assert code == 0
    (fed,) = re.findall(r"input +(\S+)  float32 \?x6x6x3", text)
    network = Network(new_network.Path("mine"))
    np.save("mine/inputs.npy", x)
    found = GraphRunner(network.graph, ["output_0"])({fed: x})["output_0"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_inputs_to_fill_in(said, refusal, models):
    """Without inputs nothing runs, and each command says which file is missing; with them everything does."""
    code, text, note = said("init", models[0] / "small.pb")
    assert code == 0
    assert [line.split()[1] for line in text.splitlines() if line.startswith("written")] == [
        "small/graph.pb",
        "small/network.toml",
    ]
    assert "put inputs into small/inputs/X-1.npy, small/inputs/Y-1.npy, or name files of yours in" in note
    error = refusal("prepare", "small", "--golden-dir", "goldens")
    assert error.endswith("but small/inputs/X-1.npy is no file\n")
    new_network.Path("small/inputs").mkdir()
    for name in "XY":
        np.save(f"small/inputs/{name}-1.npy", np.load(kept_network().directory / f"{name.lower()}-0.npy"))
    assert said("prepare", "small", "--golden-dir", "goldens")[0] == 0


def test_random_inputs_are_the_same_on_every_machine_and_said_to_be_random(said, models):
    for directory in ("first", "second"):
        code, _, note = said("init", models[0] / "saved", *RANDOM, "-o", directory)
        assert (code, "the inputs are random numbers: put real ones in place of" in note) == (0, True)
    files = sorted(path.name for path in new_network.Path("first/inputs").iterdir())
    assert len(files) == 2
    for name in (*(f"inputs/{name}" for name in files), "graph.pb"):
        first, second = (new_network.Path(directory, name).read_bytes() for directory in ("first", "second"))
        assert first == second
    values = np.load(f"first/inputs/{files[0]}")
    assert (values.shape, values.dtype) == ((1, 6, 6, 3), np.float32)
    np.testing.assert_array_equal(
        values, np.random.RandomState(2017).standard_normal(values.shape).astype("f4")
    )
    assert "RANDOM numbers (seed 2017)" in new_network.Path("first/network.toml").read_text()
    assert "RANDOM" not in new_network.Path("first/network.toml").read_text().replace("# RANDOM numbers", "")


def mixed(tf):
    """Placeholders of every kind, under names that are odd as names of files."""
    tokens = tf.compat.v1.placeholder(tf.int32, (None, 3), name="a/tokens")
    pixels = tf.compat.v1.placeholder(tf.uint8, (2, 3), name="a_tokens")
    flag = tf.compat.v1.placeholder(tf.bool, (), name="flag")
    table = tf.constant(np.ones((2, 5), np.float32))
    values = tf.reduce_sum(tf.gather(table, tokens), [1, 2]) * tf.cast(flag, tf.float32)
    tf.add(tf.cast(pixels, tf.float32), values, name="out")


def test_random_inputs_of_every_type(said, tmp_path):
    assert said("init", write_graph(tmp_path / "mixed.pb", mixed), "--random-inputs", 1, "-o", "mine")[0] == 0
    feeds = Network(tmp_path / "mine").feeds(0)
    assert {name: (value.shape, value.dtype.name) for name, value in feeds.items()} == {
        "a/tokens": ((1, 3), "int32"),
        "a_tokens": ((2, 3), "uint8"),
        "flag": ((), "bool"),
    }
    assert said("prepare", "mine", "--golden-dir", "goldens")[1].startswith("scales   fresh  none needed")


def test_a_size_that_the_graph_leaves_open(said, refusal, tmp_path):
    path = write_graph(
        tmp_path / "open.pb",
        lambda tf: tf.tanh(tf.compat.v1.placeholder(tf.float32, (None, None, 3), name="x"), name="y"),
    )
    error = refusal("init", path, "--random-inputs", 1)
    assert "input 'x' is float32 ?x?x3, of unknown size, so no random input can be drawn" in error
    assert not (tmp_path / "open").exists()
    assert said("init", path)[0] == 0
    assert "# float32 ?x?x3; ? is for you to choose" in (tmp_path / "open/network.toml").read_text()


def fields(kind):
    """Return every key of a description, through all of its tables."""
    for field in msgspec.structs.fields(kind):
        yield field.name
        for inner in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                yield from fields(inner)


def test_every_key_stands_in_the_file_and_may_be_used(said, models, tmp_path):
    assert said("init", models[0] / "model.keras", "-o", "mine")[0] == 0
    text = (tmp_path / "mine/network.toml").read_text()
    used = re.sub(r"(?m)^# (?=\[|\w+ = )", "", text)
    found = msgspec.toml.decode(used, type=Description)
    assert found.input[0].size == (6, 6)
    assert (found.weights[0].kind, found.series[0].name, found.acceptance.psnr) == ("file", "state", 40.0)
    missing = {name for name in fields(Description) if f"{name} = " not in text and f"[{name}]" not in text}
    assert missing == set()
    assert max(map(len, text.splitlines())) <= 160


def test_ranges_follow_from_the_last_operator(said, models, tmp_path):
    said("init", models[0] / "model.keras", "-o", "mine")
    assert "range = [0.0, 1.0] # of Softmax" in (tmp_path / "mine/network.toml").read_text()
    path = write_graph(
        tmp_path / "bare.pb", lambda tf: tf.negative(tf.compat.v1.placeholder(tf.float32, (2,)), name="y")
    )
    assert said("init", path)[0] == 0
    assert "# FILL IN its smallest and largest value" in (tmp_path / "bare/network.toml").read_text()


@pytest.mark.parametrize("present", ["network.toml", "graph.pb", "inputs/X-2.npy"])
def test_nothing_that_is_there_is_overwritten(refusal, models, tmp_path, present):
    path = tmp_path / "mine" / present
    path.parent.mkdir(parents=True)
    path.write_text("of mine")
    error = refusal("init", models[0] / "small.pb", *RANDOM, "-o", "mine")
    assert f"mine/{present} is there already and is not overwritten; give another directory with -o" in error
    assert [item for item in (tmp_path / "mine").rglob("*") if item.is_file()] == [path]
    assert path.read_text() == "of mine"


def test_a_place_that_cannot_be_written(refusal, models, tmp_path):
    (tmp_path / "way").write_text("a file")
    assert "way/mine cannot be written: " in refusal("init", models[0] / "small.pb", "-o", "way/mine", code=3)


def test_an_interrupted_one_leaves_nothing(said, models, tmp_path, monkeypatch):
    write_atomically = files.write_atomically

    def interrupted(path, write):
        if path.name == "network.toml":
            raise KeyboardInterrupt
        write_atomically(path, write)

    monkeypatch.setattr(files, "write_atomically", interrupted)
    assert said("init", models[0] / "small.pb", *RANDOM)[0] == cli.EXIT_INTERRUPTED
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("source", "directory", "name"),
    [
        ("small.pb", None, "small"),
        ("saved", None, "saved"),
        ("saved/saved_model.pb", None, "saved"),
        ("small.pb", "my network!", "my-network-"),
        ("small.pb", "lstm", "lstm-2"),
        ("small.pb", "..-.mine", "mine"),
    ],
)
def test_where_it_goes_and_what_it_is_called(said, models, tmp_path, source, directory, name):
    given = ["-o", directory] if directory else []
    assert said("init", models[0] / source, *given)[0] == 0
    assert Network(tmp_path / (directory or name)).name == name


def test_a_saved_model_in_the_current_directory_is_not_written_into(said, models, monkeypatch):
    before = sorted((models[0] / "saved").rglob("*"))
    monkeypatch.chdir(models[0])
    assert said("init", "saved")[0] == 0
    assert sorted((models[0] / "saved").rglob("*")) == before
    assert (models[0] / "saved-network/network.toml").exists()


def strings(tf):
    texts = tf.compat.v1.placeholder(tf.string, (None,), name="texts")
    numbers = tf.reshape(tf.io.decode_raw(texts, tf.uint8, name="bytes"), [-1, 4])
    hidden = tf.linalg.matmul(tf.cast(numbers, tf.float32, name="pixels"), tf.ones((4, 2)), name="fc")
    tf.nn.softmax(hidden, name="out")


def iterator(tf):
    data = tf.data.Dataset.from_tensors(np.ones((2, 4), np.float32))
    pixels = tf.compat.v1.data.make_one_shot_iterator(data).get_next()
    tf.nn.softmax(tf.linalg.matmul(pixels, tf.ones((4, 2)), name="fc"), name="out")


@pytest.mark.parametrize(
    ("build", "sentence", "cut"),
    [
        (strings, "reads strings from placeholder 'texts'", "pixels"),
        (iterator, "node 'OneShotIterator' (OneShotIterator)", "IteratorGetNext"),
    ],
)
def test_inputs_that_take_no_numbers_are_cut(said, refusal, tmp_path, build, sentence, cut):
    path = write_graph(tmp_path / "piped.pb", build)
    error = refusal("init", path, *RANDOM, "-o", "mine")
    assert sentence in error
    assert f"such as --input {cut}" in error
    assert not (tmp_path / "mine").exists()
    assert said("init", path, *RANDOM, "--input", cut, "-o", "mine")[0] == 0
    network = Network(tmp_path / "mine")
    assert (network.graph.inputs, network.graph.outputs) == ((cut,), ("out",))
    assert network.feeds(0)[cut].shape[1:] == (4,)
    assert said("prepare", "mine", "--golden-dir", "goldens")[0] == 0


def test_a_saved_model_that_reads_strings(said, refusal, tmp_path):
    tf = tensorflow()
    model = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
    def serve(texts):
        pixels = tf.cast(tf.reshape(tf.io.decode_raw(texts, tf.uint8), [-1, 4]), tf.float32, name="pixels")
        return {"classes": tf.nn.softmax(pixels), "names": tf.strings.as_string(pixels)}

    model.serve = serve
    tf.saved_model.save(model, str(tmp_path / "model"), {"serving_default": serve})
    error = refusal("init", "model", "-o", "mine")
    (cut,) = re.findall(r"such as --input (\S+)", error)
    code, text, _ = said("init", "model", "--input", cut, "-o", "mine")
    assert code == 0
    assert f"input       {cut}  float32 ?x4" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("output ")] == ["classes"]


def argmax(tf):
    classes = tf.nn.softmax(tf.compat.v1.placeholder(tf.float32, (2, 3), name="x"), name="classes")
    tf.argmax(classes, 1, name="number")


def constant(tf):
    tf.compat.v1.placeholder(tf.float32, (2, 3), name="x")
    tf.negative(tf.constant(2.0), name="fixed")


def unfrozen(tf):
    weight = tf.compat.v1.get_variable("w", (3, 2), use_resource=False)
    tf.linalg.matmul(tf.compat.v1.placeholder(tf.float32, (2, 3), name="x"), weight, name="y")


@pytest.mark.parametrize(
    ("build", "arguments", "sentence"),
    [
        (argmax, ["--output", "klasses"], "node 'klasses' is not in {}/made.pb (near names: classes"),
        (argmax, ["--output", "number"], "gives int64, and only floats are judged; give --output classes"),
        (argmax, ["--set", "x"], "--set 'x' is not NAME=VALUE"),
        (argmax, ["--signature", "other"], "--signature other means nothing for {}/made.pb"),
        (argmax, ["--random-inputs", "-1"], "--random-inputs -1 is not from 0 to 1000"),
        (argmax, ["--input", "z"], "node 'z' is not in {}/made.pb (known: x, classes"),
        (constant, ["--output", "fixed"], "depend on no placeholder, so nothing can be fed"),
        (constant, [], "{}/made.pb has no float node that depends on an input; name its outputs"),
        (unfrozen, [], "{}/made.pb is not frozen: it has variables, such as 'w', without values; freeze it"),
    ],
)
def test_a_wrong_graph_or_argument_is_one_sentence(refusal, tmp_path, build, arguments, sentence):
    error = refusal("init", write_graph(tmp_path / "made.pb", build), *arguments)
    assert sentence.replace("{}", str(tmp_path)) in error
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("command", ["init", "freeze"])
def test_an_unknown_output_of_a_model_lists_its_outputs(refusal, models, command):
    source = {"init": [], "freeze": ["--checkpoint"]}[command]
    for name in ("saved", "model.keras"):
        error = refusal(command, *source, models[0] / name, "--output", "probabilities", "-o", "made.pb")
        assert f"'probabilities' is neither a node nor an output of {models[0] / name}" in error
        assert "its outputs are output_0 (signature serve); output_0 (signature serving_default)" in error


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "broken.keras",
            b"nothing",
            "Keras cannot read {}/broken.keras: it is damaged, or no .keras file; save",
        ),
        ("broken.h5", b"nothing", "Keras cannot read {}/broken.h5: it is damaged, or no .h5 file; save the"),
        ("empty.keras", b"", "Keras cannot read {}/empty.keras: it is empty; save the model again\n"),
        ("empty.h5", b"", "Keras cannot read {}/empty.h5: it is empty; save the model again\n"),
        ("broken.pb", b"nothing", "graph {}/broken.pb is damaged or holds no nodes"),
        ("model.onnx", b"nothing", "{}/model.onnx is no model: give a frozen .pb, the directory of a Sav"),
        ("mk.py", b"nothing", "{}/mk.py is no model: give a frozen .pb, the directory of a SavedModel, or a"),
        (
            "empty",
            None,
            "{}/empty is empty; give a directory with a *.index file, or a SavedModel (saved_model.pb)",
        ),
    ],
)
def test_a_file_that_is_no_model(refusal, tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert sentence.replace("{}", str(tmp_path)) in refusal("init", path, "-o", "mine")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_file_of_keras_that_was_cut_short(refusal, models, tmp_path, name):
    content = (models[0] / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert f"Keras cannot read {name}: it is damaged, or no " in refusal("init", name)


def test_a_model_with_layers_of_its_own_is_not_called_damaged(refusal, tmp_path):
    keras = tensorflow().keras

    class Doubled(keras.layers.Layer):
        def call(self, values):
            return 2 * values

    keras.Sequential([keras.Input((3,)), Doubled()]).save(tmp_path / "own.keras")
    error = refusal("init", "own.keras")
    assert "Keras cannot export own.keras (TypeError: " in error
    assert "layers of your own" in error


@pytest.mark.parametrize("command", [("init",), ("freeze", "--output=out", "-o=made.pb", "--checkpoint")])
@pytest.mark.parametrize("name", ["nothere.pb", "nothere.keras", "nothere.h5", "no/such/nothere.pbtxt"])
def test_a_model_that_is_not_there(refusal, command, name):
    assert refusal(*command, name) == f"mlu-conformance: there is no file or directory {name}\n"


def test_a_model_that_is_not_there_under_this_name(refusal, tmp_path):
    (tmp_path / "small.pb").touch()
    for name in ("smal.pb", "small"):
        assert f"no file or directory {name} (near names: small.pb)\n" in refusal("init", name)


def test_a_checkpoint_is_frozen_first(said, tmp_path):
    tensorflow().raw_ops.SaveV2(
        prefix=str(tmp_path / "model.ckpt"), tensor_names=["w"], shape_and_slices=[""], tensors=[np.ones(2)]
    )
    code, _, error = said("init", tmp_path / "model.ckpt")
    assert (code, "the outputs of checkpoint" in error) == (4, True)
