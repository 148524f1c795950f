"""What is fed, what is fixed, what takes its default; and graphs in every form that they are given in."""

import numpy as np
import pytest
from support.emulation import same_bits
from support.refusals import refused
from support.saved_checkpoints import frozen_alike, save, variable

from conformance.freezing.freeze import Request, freeze
from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import tensorflow

X = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)


def build(tf):
    x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
    scale = tf.compat.v1.placeholder_with_default(2.5, (), name="scale")
    flag = tf.compat.v1.placeholder(tf.bool, (), name="flag")
    rows = tf.compat.v1.placeholder(tf.int32, (2,), name="rows")
    first, second = tf.split(x * variable("w", (4,)), 2, axis=1, name="halves")
    tf.multiply(second, scale, name="scaled")
    tf.cast(flag, tf.float32, name="as_number")
    tf.add(tf.gather(first, rows), tf.cast(flag, tf.float32), name="chosen")
    tf.multiply(x, 2.0, name="plain")


FEEDS = {"x": X, "flag": np.array(1, bool), "rows": np.array([1, 1], np.int32)}
OUTPUTS = ("scaled", "chosen")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save(tmp_path_factory.mktemp("saved"), build, FEEDS, OUTPUTS)


def results(frozen, feeds, *names):
    return GraphRunner(frozen.graph, names)(feeds)


@pytest.mark.parametrize("output", ["scaled", "scaled:0"])
def test_a_default_is_taken_and_outputs_are_named_either_way(saved, output):
    frozen = freeze(saved.prefix, Request([output]))
    assert frozen.graph.inputs == ("x",)
    assert frozen.graph.outputs == ("scaled",)
    assert same_bits(results(frozen, {"x": X}, "scaled")["scaled"], saved.expected["scaled"])


def test_a_default_that_is_computed(tmp_path):
    def computed(tf):
        x = tf.compat.v1.placeholder_with_default(variable("w", (4,)) * 2.0, (4,), name="x")
        tf.add(x, 1.0, name="out")

    saved = save(tmp_path, computed, fetches=["out"])
    assert frozen_alike(saved, {}, "out").graph.inputs == ()


def test_a_placeholder_with_a_default_is_fed(saved):
    frozen = freeze(saved.prefix, Request(["scaled"], inputs=["x", "scale:0"]))
    assert frozen.graph.inputs == ("x", "scale")
    twice = results(frozen, {"x": X, "scale": 5.0}, "scaled")["scaled"]
    assert same_bits(twice, saved.expected["scaled"] * np.float32(2))


def test_a_tensor_in_the_middle_is_fed(saved):
    frozen = freeze(saved.prefix, Request(["scaled"], inputs=["halves:1"]))
    assert frozen.graph.inputs == ("halves_1",)
    assert frozen.variables == []
    half = np.float32([[1, 2]])
    assert same_bits(results(frozen, {"halves_1": half}, "scaled")["scaled"], half * np.float32(2.5))


def test_placeholders_are_fixed(saved):
    frozen = frozen_alike(saved, {"x": X}, "chosen", fixed={"flag": "TRUE", "rows": "1"})
    assert frozen.graph.inputs == ("x",)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (Request(["scald"]), r"node 'scald' is not in .*\.meta \(near names: scale"),
        (Request(["halves:1"]), "--output halves:1: only the first output of a node"),
        (Request(["scaled"], inputs=["y"]), r"node 'y' is not in"),
        (Request(["scaled"], inputs=["x", "rows"]), "--input rows: the outputs do not depend on it"),
        (Request(["chosen"], inputs=["x", "rows"]), "placeholder 'flag', too; add --input flag, or fix it"),
        (Request(["scaled"], inputs=["halves:2"]), r"--input halves:2 in .* \(Split\) has 2 outputs"),
        (Request(["scaled"], fixed={"flag": "true"}), "--set flag: the outputs do not depend on it"),
        (Request(["scaled"], fixed={"plain": "1"}), r"plain=1: 'plain' in .* is no placeholder but Mul"),
        (Request(["scaled"], fixed={"nothing": "1"}), "node 'nothing' is not in"),
        (Request(["chosen"], fixed={"flag": "1.5"}), r"flag=1.5: 'flag' in .* is bool; give such a value"),
        (Request(["chosen"], fixed={"rows": "some"}), r"--set rows=some: 'rows' in .* is int32; give such"),
        (Request(["chosen"], fixed={"rows": "1.5"}), "--set rows=1.5: int32 does not hold that value"),
        (Request(["scaled"], fixed={"x": "1"}), r"--set x=1: 'x' in .* has shape \(None, 4\); feed it"),
        (Request(["scaled"], signature="s"), "--signature s means nothing for .*, which is no SavedModel"),
    ],
)
def test_what_cannot_be(saved, request_, said):
    with refused(said):
        freeze(saved.prefix, request_)


def test_a_name_that_is_taken(tmp_path):
    def taken(tf):
        first, second = tf.split(variable("w", (4,)), 2, name="halves")
        tf.add(first, second, name="halves_1")

    with refused(r"--input halves:1 would be called 'halves_1', as another node is"):
        freeze(save(tmp_path, taken).prefix, Request(["halves_1"], inputs=["halves:1"]))


def as_text(message):
    from google.protobuf import text_format

    return text_format.MessageToString(message).encode()


def written(saved, path):
    """Write the graph in the form that the suffix says."""
    if path.name == "meta.pbtxt":
        from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

        path.write_bytes(as_text(MetaGraphDef.FromString(saved.meta.read_bytes())))
    elif path.suffix == ".meta":
        path.write_bytes(saved.meta.read_bytes())
    elif path.suffix == ".pbtxt":
        path.write_bytes(as_text(saved.graph_def))
    else:
        path.write_bytes(saved.graph_def.SerializeToString())
    return path


@pytest.mark.parametrize("name", ["graph.pb", "graph.pbtxt", "meta.pbtxt", "meta.pb", "other.meta"])
def test_a_bare_checkpoint_with_its_graph_in_a_file(saved, tmp_path, name):
    bare = tmp_path / "bare"
    for path in (saved.index, saved.data):
        bare.with_name(path.name.replace(saved.prefix.name, "bare")).write_bytes(path.read_bytes())
    graph = written(saved, tmp_path / name)
    frozen = freeze(bare, Request(["scaled"], graph=graph))
    assert same_bits(results(frozen, {"x": X}, "scaled")["scaled"], saved.expected["scaled"])
    assert frozen.graph.sha256 == freeze(saved.prefix, Request(["scaled"])).graph.sha256


def test_fields_of_another_version_in_a_text_graph_are_skipped(saved, tmp_path):
    graph = written(saved, tmp_path / "graph.pbtxt")
    graph.write_bytes(graph.read_bytes() + b"of_another_version: 3\n")
    assert freeze(saved.prefix, Request(["scaled"], graph=graph))


def test_a_checkpoint_without_a_graph(saved, tmp_path):
    for path in (saved.index, saved.data):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with refused(r"has no model.ckpt.meta beside it, .* give it with --graph"):
        freeze(tmp_path, Request(["scaled"]))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("graph.json", b"{}", "is neither .meta nor .pb nor .pbtxt"),
        ("missing.pb", None, "graph .*missing.pb cannot be read: No such file"),
        ("empty.pb", b"", "is damaged or holds no nodes"),
        ("empty.meta", b"", "is damaged or holds no nodes"),
        ("broken.meta", b"\xff" * 40, "is damaged or holds no nodes"),
        ("broken.pbtxt", b"node { name: ", "is damaged or holds no nodes"),
        ("broken.pbtxt", b"\xff\xfe", "is damaged or holds no nodes"),
    ],
)
def test_a_graph_that_is_none(saved, tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with refused(said):
        freeze(saved.prefix, Request(["scaled"], graph=tmp_path / name))


def test_a_graph_that_lacks_a_node(saved, tmp_path):
    graph_def = tensorflow().compat.v1.GraphDef.FromString(saved.graph_def.SerializeToString())
    del graph_def.node[[node.name for node in graph_def.node].index("w/read")]
    (tmp_path / "graph.pb").write_bytes(graph_def.SerializeToString())
    with refused(r"node '.*' in .*graph.pb reads 'w/read', which is missing"):
        freeze(saved.prefix, Request(["scaled"], graph=tmp_path / "graph.pb"))


def test_a_graph_that_tensorflow_refuses(saved, tmp_path):
    graph_def = tensorflow().compat.v1.GraphDef.FromString(saved.graph_def.SerializeToString())
    next(node for node in graph_def.node if node.name == "scaled").attr["T"].type = 3  # int32
    (tmp_path / "graph.pb").write_bytes(graph_def.SerializeToString())
    with refused(r"TensorFlow refuses the frozen graph of .*graph.pb: .*scaled"):
        freeze(saved.prefix, Request(["scaled"], graph=tmp_path / "graph.pb"))
