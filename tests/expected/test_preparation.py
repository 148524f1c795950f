"""A user's weights: filled in from a checkpoint, under a name of their own, with goldens of their own."""

import msgspec
import numpy as np
import pytest
from support.damage import flip
from support.emulation import placeholder, same_bits
from support.fresh_python import without_tensorflow
from support.refusals import refused
from support.saved_checkpoints import published_of, save_values
from support.suite_run import run_suite
from support.toy_network import uniform, write_toy

from conformance import cli
from conformance.errors import GoldenError, InfrastructureError, UsageError
from conformance.expected import preparation
from conformance.expected.attainable import check_scales, read_attainable
from conformance.expected.preparation import prepare, prepare_weights
from conformance.expected.scales import scales_directory
from conformance.freezing.published import FILE
from conformance.goldens import GoldenStore
from conformance.networks import Network
from conformance.quantization.files import read_scales

SHAPES = {"a/kernel": (4, 4), "b/kernel": (4, 2), "b/bias": (2,)}
RANDOM = np.random.default_rng(3)
VALUES = {name: RANDOM.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
RECIPES = """
[[weights]]
match = "*/kernel"
kind = "constant"
value = 0.5
"""


def write_network(directory, recipes=RECIPES):
    """Write a network of two matmuls whose bias is read as TensorFlow 1 reads variables."""

    def build(tf):
        a, b = (
            tf.constant(np.ones(SHAPES[f"{name}/kernel"], np.float32), name=f"{name}/kernel") for name in "ab"
        )
        bias = tf.constant(np.zeros(2, np.float32), name="b/bias")
        hidden = tf.nn.relu(tf.linalg.matmul(placeholder(tf, shape=(3, 4)), a, name="first"))
        tf.tanh(tf.linalg.matmul(hidden, b, name="second") + tf.identity(bias, name="b/bias/read"), name="o")

    return write_toy(directory, build, uniform(1, (3, 4), "x"), "o", name="tiny", more=recipes)


def write_checkpoint(directory, values=VALUES):
    directory.mkdir(parents=True, exist_ok=True)
    save_values(directory / "model.ckpt", values)
    return directory


@pytest.fixture
def network(tmp_path):
    return Network(write_network(tmp_path / "network"))


@pytest.fixture
def checkpoint(tmp_path):
    return write_checkpoint(tmp_path / "saved", VALUES | {"of/training": np.ones(3, np.float32)})


@pytest.mark.parametrize("recipes", [RECIPES, ""])
def test_variables_come_from_the_checkpoint(tmp_path, checkpoint, recipes):
    network = Network(write_network(tmp_path / "network", recipes))
    other = network.with_weights(checkpoint)
    assert all(same_bits(other.graph.constant(name), VALUES[name]) for name in VALUES)
    assert not network.graph.constant("b/bias").any()
    assert other.graph.sha256 != network.graph.sha256
    assert other.weights == checkpoint / "model.ckpt"
    assert other.weights_origin == str(checkpoint / "model.ckpt")
    assert network.weights_origin == "the network's own"


def test_its_name_tells_weights_apart(network, checkpoint, tmp_path):
    first = network.with_weights(checkpoint)
    again = network.with_weights(checkpoint / "model.ckpt")
    other = network.with_weights(
        write_checkpoint(tmp_path / "other", VALUES | {"b/bias": np.ones(2, np.float32)})
    )
    assert network.name == "tiny"
    assert first.name == again.name != other.name
    assert first.name.startswith("tiny-")
    assert len(first.name) == len("tiny-") + 8
    assert first.description.network.name == "tiny"


def test_a_directory_without_a_checkpoint(network, tmp_path):
    with refused(r"there is no checkpoint .*nowhere"):
        network.with_weights(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"b/bias": None}, r"lacks variable 'b/bias', which .*tiny.pb needs \(known: a/kernel, b/kernel\)"),
        ({"a/kernel": None, "b/bias": None}, r"lacks variable 'a/kernel' and 1 more, which"),
        ({"b/bias": np.zeros(3, np.float32)}, r"is float32 \(3,\), but .*tiny.pb wants float32 \(2,\)"),
        ({"b/bias": np.zeros(2)}, r"variable 'b/bias' of .* is float64 \(2,\), but .* wants float32 \(2,\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit(network, tmp_path, change, said):
    values = {name: value for name, value in (VALUES | change).items() if value is not None}
    with refused(said):
        _ = network.with_weights(write_checkpoint(tmp_path / "saved", values)).graph


def test_a_graph_without_variables(tmp_path, checkpoint):
    def build(tf):
        tf.tanh(placeholder(tf, shape=(3, 4)), name="out")

    directory = write_toy(tmp_path, build, uniform(1, (3, 4), "x"), name="tiny")
    with refused(r"tiny.pb has no variables that checkpoint .* could fill"):
        _ = Network(directory, checkpoint).graph


def publish(network, checkpoint):
    published = published_of(checkpoint / "model.ckpt", VALUES)
    (network.directory / FILE).write_bytes(msgspec.json.encode(published))
    return published.checkpoint


def test_published_weights_are_recognised(network, checkpoint):
    publish(network, checkpoint)
    origin = network.with_weights(checkpoint).weights_origin
    assert origin.endswith("model.ckpt: all 3 variables have the published names, shapes and CRC-32C")


def test_a_damaged_download_is_named_before_it_is_used(network, checkpoint):
    entries = publish(network, checkpoint)
    flip(checkpoint / "model.ckpt.data-00000-of-00001", entries["b/kernel"].offset)
    with refused(r"variable 'b/kernel' of checkpoint .* is damaged"):
        _ = network.with_weights(checkpoint).graph


def made(store):
    """Prepare, and return the steps that were made."""
    return [done.step for done in prepare(store) if done.state == "made"]


def test_everything_is_made_once_in_a_place_of_its_own(network, checkpoint, tmp_path):
    root = tmp_path / "goldens"
    weighted = network.with_weights(checkpoint)
    assert made(GoldenStore(weighted, root)) == ["scales", "goldens", "bounds"]
    store = GoldenStore(network.with_weights(checkpoint), root)
    assert made(store) == []
    assert store.directory == root / weighted.name
    assert scales_directory(store) == store.directory
    store.ensure(node.name for node in store.manifest.key)
    for bits in (8, 16):
        check_scales(read_attainable(store), read_scales(store.directory, bits, weighted.graph), store)
    assert (store.directory / ".gitignore").read_text() == "*\n"
    assert not list(network.directory.glob("*.quant.txt"))


def test_a_network_with_its_own_weights_is_left_alone(network, tmp_path):
    store = GoldenStore(network, tmp_path / "goldens")
    prepare_weights(store)
    assert not (tmp_path / "goldens").exists()
    assert scales_directory(store) == network.directory


def test_goldens_of_other_weights_are_never_taken(network, checkpoint, tmp_path):
    """Not even when they are put where those of these weights would lie."""
    store = GoldenStore(network.with_weights(checkpoint), tmp_path / "goldens")
    prepare_weights(store)
    other = network.with_weights(
        write_checkpoint(tmp_path / "other", VALUES | {"b/bias": np.ones(2, np.float32)})
    )
    stolen = GoldenStore(other, tmp_path / "goldens")
    store.directory.rename(stolen.directory)
    with refused(r"were made from other graph", GoldenError):
        stolen.ensure(["o"])
    assert made(stolen) == ["scales", "goldens", "bounds"]
    stolen.ensure(["o"])


@pytest.mark.parametrize(
    ("lost", "again"),
    [
        ("manifest.json", ["goldens", "bounds"]),
        ("attainable.json", ["bounds"]),
        ("int16.quant.txt", ["scales"]),
        ("tensors/o.0.npy", []),
    ],
)
def test_what_is_lost_is_made_again(network, checkpoint, tmp_path, lost, again):
    store = GoldenStore(network.with_weights(checkpoint), tmp_path / "goldens")
    prepare(store)
    (store.directory / lost).unlink()
    new = GoldenStore(network.with_weights(checkpoint), tmp_path / "goldens")
    assert made(new) == again
    new.ensure(["o"])
    assert (store.directory / lost).exists()


def test_other_inputs_make_other_goldens(network, checkpoint, tmp_path):
    prepare(GoldenStore(network.with_weights(checkpoint), tmp_path / "goldens"))
    np.save(network.directory / "x-0.npy", np.ones((3, 4), np.float32))
    store = GoldenStore(network.with_weights(checkpoint), tmp_path / "goldens")
    assert made(store) == ["scales", "goldens", "bounds"]


def test_a_place_that_cannot_be_written(network, checkpoint, tmp_path):
    (tmp_path / "goldens").write_text("a file in the way")
    with refused(r"goldens of tiny-\w{8} cannot be written to .* --golden-dir", InfrastructureError):
        prepare(GoldenStore(network.with_weights(checkpoint), tmp_path / "goldens"))


def test_one_that_waited_finds_everything_made(network, checkpoint, tmp_path, monkeypatch):
    """What it read of the old goldens before it waited, it reads again."""
    root, weighted = tmp_path / "goldens", network.with_weights(checkpoint)
    prepare(GoldenStore(weighted, root))
    np.save(network.directory / "x-0.npy", np.ones((3, 4), np.float32))
    waiting = GoldenStore(network.with_weights(checkpoint), root)
    assert preparation.stale(waiting, "goldens") == "they are of other inputs"

    def waits(path):
        monkeypatch.undo()
        prepare(GoldenStore(network.with_weights(checkpoint), root))
        return preparation.filelock.FileLock(path)

    monkeypatch.setattr(preparation.filelock, "FileLock", waits)
    assert made(waiting) == []


def test_collecting_needs_no_tensorflow(network, checkpoint):
    """The name of a weighted network is known from the index file alone."""
    code = (
        "from pathlib import Path; from conformance.networks import Network\n"
        "print(Network(*map(Path, sys.argv[1:])).name)"
    )
    text, _ = without_tensorflow(code, network.directory, checkpoint)
    assert text.strip() == network.with_weights(checkpoint).name


def test_the_suite_judges_a_users_weights_under_a_name_of_their_own(tmp_path, capsys):
    network, checkpoint = write_network(tmp_path / "network"), write_checkpoint(tmp_path / "checkpoint")
    given = [f"--network-path={network}", f"--golden-dir={tmp_path / 'goldens'}", f"--weights={checkpoint}"]
    result = run_suite(tmp_path / "run", *given, "--profile=ideal")
    assert result.code == 0
    assert {record.outcome for record in result.records} == {"conforms"}
    (name,) = {record.network for record in result.records}
    assert name == Network(network, weights=checkpoint).name != "tiny"
    assert cli.main(["annotate", str(tmp_path / "run"), "-o", str(tmp_path / "annotated.pb")]) == 0
    assert name in capsys.readouterr().out


def test_the_suite_says_what_is_wrong_with_weights(tmp_path):
    network = write_network(tmp_path / "network")
    result = run_suite(tmp_path / "run", f"--network-path={network}", f"--weights={tmp_path / 'none'}")
    assert result.code == UsageError.exit_code
    assert "none" in result.text
    assert "Traceback" not in result.text
    assert not result.directory.exists()
