"""SavedModels of both kinds freeze to the bits that their signatures compute."""

from pathlib import Path

import numpy as np
import pytest
from support.emulation import same_bits
from support.refusals import refused
from support.saved_checkpoints import run, session, tf1_graph, variable

from conformance.errors import UsageError
from conformance.freezing.freeze import Request, freeze
from conformance.graph.lazy_tensorflow import tensorflow

X = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)


def results(frozen, feeds, *names):
    return run(frozen.graph.copied_graph_def(), feeds, names)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A SavedModel of TensorFlow 1, and what its graph computes."""
    tf = tensorflow()
    path = tmp_path_factory.mktemp("models") / "first"
    with tf1_graph() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")
        hidden = tf.linalg.matmul(x, variable("w", (4, 5))) * 0.01
        out = tf.tanh(hidden + variable("b", (5,), resource=True), name="layer/out")
        score = tf.reduce_sum(out, 1, name="layer/score")
        with session(graph) as running:
            running.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.saved_model.simple_save(
                running, str(path), {"image": x}, {"features": out, "score": score}
            )
            expected = running.run({"features": out, "score": score}, {x: X})
    return path, expected


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """A SavedModel of TensorFlow 2, with functions, a loop, two signatures; and what one computes."""
    tf = tensorflow()
    path = tmp_path_factory.mktemp("models") / "second"

    class Model(tf.Module):
        def __init__(self):
            random = np.random.default_rng(2)
            self.w = tf.Variable(random.standard_normal((4, 4)).astype(np.float32), name="w")
            self.table = tf.Variable(random.standard_normal((7, 4)).astype(np.float32), name="table")
            self.rounds = tf.Variable(3, name="rounds")

        @tf.function
        def layer(self, x):
            return tf.tanh(x @ self.w, name="bent")

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
        def run(self, x):
            y = self.layer(x)
            y = tf.while_loop(lambda i, _: i < self.rounds, lambda i, y: (i + 1, y @ self.w), [0, y])[1]
            y += tf.gather(self.table, [1, 2])[0]
            return {"features": y, "score": tf.reduce_sum(y, 1)}

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
        def scale(self, x):
            return {"scaled": x * 2.0}

    model = Model()
    tf.saved_model.save(model, str(path), {"serving_default": model.run, "other": model.scale})
    loaded = tf.saved_model.load(str(path))
    expected = {
        key: loaded.signatures["serving_default"](tf.constant(X))[key].numpy()
        for key in ("features", "score")
    }
    return path, expected


@pytest.mark.parametrize("names", [("features", "score"), ("layer/out", "layer/score"), ("layer/out:0",)])
def test_a_model_of_tensorflow_1(first, names):
    path, expected = first
    frozen = freeze(path, Request(names))
    known = {"layer/out": expected["features"], "layer/score": expected["score"]}
    assert frozen.variables == ["w", "b"]
    computed = results(frozen, {"x": X}, *frozen.graph.outputs)
    assert set(frozen.graph.outputs) <= set(known)
    assert all(same_bits(value, known[name]) for name, value in computed.items())


def test_a_model_of_tensorflow_2(second):
    path, expected = second
    frozen = freeze(path, Request(["features:0", "score"]))
    assert frozen.graph.outputs == ("features", "score")
    assert sorted(frozen.variables) == ["rounds", "table", "w"]
    computed = results(frozen, {"x": X}, "features", "score")
    assert all(same_bits(computed[name], expected[name]) for name in expected)
    assert not {node.op for node in frozen.graph.nodes.values()} & {"VarHandleOp", "ReadVariableOp"}


def test_one_output_of_it_alone(second):
    path, expected = second
    frozen = freeze(path, Request(["score"]))
    assert same_bits(results(frozen, {"x": X}, "score")["score"], expected["score"])
    assert "features" not in frozen.graph.nodes


def test_a_node_inside_of_it(second):
    path, _ = second
    whole = freeze(path, Request(["features"]))
    (name,) = [node for node in whole.graph.nodes if node.endswith("bent")]
    frozen = freeze(path, Request([name]))
    assert frozen.variables == ["w"]
    expected = np.tanh(X.astype(float) @ frozen.graph.constant("w").astype(float))
    np.testing.assert_allclose(results(frozen, {"x": X}, name)[name], expected, rtol=1e-5)


def test_the_signature_is_chosen_by_the_outputs(second):
    path, _ = second
    frozen = freeze(path, Request(["scaled"]))
    assert same_bits(results(frozen, {"x": X}, "scaled")["scaled"], X * np.float32(2))
    assert frozen.variables == []


def test_the_signature_that_the_user_names(second):
    path, _ = second
    assert freeze(path, Request(["scaled"], signature="other")).graph.outputs == ("scaled",)
    with pytest.raises(
        UsageError,
        match=r"'scaled' is neither a node nor an output of .*second \(near names: scaled.*; "
        r"its outputs are scaled \(signature other\); features, score \(signature serving_default\)$",
    ):
        freeze(path, Request(["scaled"], signature="serving_default"))
    with pytest.raises(UsageError, match=r"--signature otter is not in .*second \(near names: other"):
        freeze(path, Request(["scaled"], signature="otter"))


def test_signatures_that_cannot_be_told_apart(tmp_path):
    tf = tensorflow()
    model = tf.Module()
    model.double = tf.function(lambda x: {"y": x * 2.0}, [tf.TensorSpec([2], name="x")])
    model.triple = tf.function(lambda x: {"y": x * 3.0}, [tf.TensorSpec([2], name="x")])
    tf.saved_model.save(model, str(tmp_path), {"double": model.double, "triple": model.triple})
    with refused(r"y are outputs of signatures double, triple in .*; choose one with"):
        freeze(tmp_path, Request(["y"]))
    frozen = freeze(tmp_path, Request(["y"], signature="triple"))
    assert results(frozen, {"x": np.ones(2)}, "y")["y"].tolist() == [3, 3]
    with refused(
        r"no signature of .* has the outputs z, and none is the default; "
        r"its outputs are y \(signature double\); y \(signature triple\)"
    ):
        freeze(tmp_path, Request(["z"]))


def test_an_output_called_like_a_node_of_the_model(tmp_path):
    tf = tensorflow()
    model = tf.Module()
    model.run = tf.function(
        lambda x: {"inner": tf.add(tf.multiply(x, 2.0, name="inner"), 1.0)}, [tf.TensorSpec([2])]
    )
    tf.saved_model.save(model, str(tmp_path), {"serving_default": model.run})
    frozen = freeze(tmp_path, Request(["inner"]))
    (fed,) = frozen.graph.inputs
    assert results(frozen, {fed: np.ones(2)}, "inner")["inner"].tolist() == [3, 3]


def test_what_is_wrong_with_a_model(first):
    path, _ = first
    with pytest.raises(
        UsageError, match=r"'featured' is neither a node nor an output .* \(near names: features"
    ):
        freeze(path, Request(["featured"]))
    with refused(r"--graph g.pb means nothing for SavedModel .*, which holds its own"):
        freeze(path, Request(["features"], graph=Path("g.pb")))


def test_a_model_whose_variables_are_missing(first, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes((first[0] / "saved_model.pb").read_bytes())
    with refused(r"has no index: .*variables/variables.index is missing"):
        freeze(tmp_path, Request(["features"]))


def test_a_model_of_tensorflow_2_whose_variables_are_missing(second, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes((second[0] / "saved_model.pb").read_bytes())
    with refused(r"TensorFlow cannot load SavedModel "):
        freeze(tmp_path, Request(["features"]))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("saved_model.pb", b"\xff" * 30, "is damaged; export it again"),
        ("saved_model.pbtxt", b"meta_graphs {", "is damaged; export it again"),
        ("saved_model.pb", b"", "holds 0 graphs to choose from"),
        ("saved_model.pbtxt", b"meta_graphs {} meta_graphs {}", "holds 2 graphs to choose from"),
        ("saved_model.pbtxt", b"meta_graphs {}", "holds no nodes"),
    ],
)
def test_a_model_that_is_none(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with refused(said):
        freeze(tmp_path, Request(["y"]))
