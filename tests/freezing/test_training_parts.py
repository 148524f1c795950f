"""What training alone needs is gone where that can be decided, and named where it stays."""

import numpy as np
import pytest
from support.emulation import same_bits
from support.refusals import refused
from support.saved_checkpoints import frozen_alike, run, save, variable

from conformance.errors import UsageError
from conformance.freezing.freeze import Request, freeze
from conformance.graph.editing import plain
from conformance.graph.lazy_tensorflow import tensorflow

X = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)


def operators(frozen):
    return {node.op for node in frozen.graph.nodes.values()}


def placed(tf):
    return tf.compat.v1.placeholder(tf.float32, (None, 4), name="x")


def batch_norm(tf, x, training):
    """Batch norm as TensorFlow 1 wrote it: both branches, and averages that the training branch updates."""
    mean = variable("norm/mean", (4,))
    variance = variable("norm/variance", (4,), initial=np.full(4, 2.0, np.float32))

    def train():
        batch_mean, batch_variance = tf.nn.moments(x, [0])
        updates = [
            tf.compat.v1.assign_sub(mean, (mean - batch_mean) * 0.1),
            tf.compat.v1.assign_sub(variance, (variance - batch_variance) * 0.1),
        ]
        with tf.control_dependencies(updates):
            return tf.identity(batch_mean), tf.identity(batch_variance)

    used = tf.compat.v1.cond(training, train, lambda: (tf.identity(mean), tf.identity(variance)))
    return tf.nn.batch_normalization(x, *used, None, None, 1e-3)


def fed(tf):
    return tf.compat.v1.placeholder(tf.bool, (), name="is_training")


def defaulted(tf):
    return tf.compat.v1.placeholder_with_default(tf.zeros((), tf.bool), (), name="is_training")


def computed(tf):
    mode = tf.compat.v1.placeholder_with_default(tf.constant("infer"), (), name="mode")
    return tf.equal(mode, "train", name="is_training")


@pytest.mark.parametrize(
    ("make", "fixed"), [(fed, {"is_training": "false"}), (defaulted, {}), (computed, {})]
)
def test_the_branch_of_training_is_gone(tmp_path, make, fixed):
    def build(tf):
        tf.identity(batch_norm(tf, placed(tf), make(tf)), name="out")

    feeds = {"x": X} | ({"is_training": np.array(0, bool)} if fixed else {})
    saved = save(tmp_path, build, feeds, ["out"])
    frozen = frozen_alike(saved, feeds, "out", fixed=fixed)
    assert frozen.graph.inputs == ("x",)
    assert not operators(frozen) & {"Switch", "Merge", "AssignSub", "Mean"}
    assert "is_training is False: the other branch is gone" in frozen.remarks


def test_the_branch_of_inference_is_gone_when_training_is_asked_for(tmp_path):
    def build(tf):
        x, w = placed(tf), variable("w", (4,))
        tf.compat.v1.cond(fed(tf), lambda: x * 2.0, lambda: x * w, name="c")

    saved = save(tmp_path, build, {"x": X, "is_training": np.array(1, bool)}, ["c/Merge"])
    frozen = frozen_alike(saved, {"x": X}, "c/Merge", fixed={"is_training": "True"})
    assert frozen.variables == []


def test_branches_inside_of_branches_and_which_was_taken(tmp_path):
    def build(tf):
        x, w = placed(tf), variable("w", (4,))
        mode, deep = (
            defaulted(tf),
            tf.compat.v1.placeholder_with_default(tf.ones((), tf.bool), (), name="deep"),
        )

        def inner():
            return tf.compat.v1.cond(deep, lambda: x + w, lambda: x - 1.0)

        result = tf.compat.v1.cond(mode, lambda: x * 0.0, inner)
        merge = next(op for op in result.graph.get_operations() if op.outputs[:1] == [result])
        tf.identity(result, name="out")
        tf.identity(merge.outputs[1], name="number")

    saved = save(tmp_path, build, {"x": X}, ["out", "number"])
    frozen = frozen_alike(saved, {"x": X}, "out", "number")
    assert not operators(frozen) & {"Switch", "Merge"}


def test_a_loop_in_a_branch_that_is_never_taken(tmp_path):
    def build(tf):
        x, w = placed(tf), variable("w", (4,))

        def loop():
            return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * 2.0), (0, x))[1]

        tf.identity(tf.compat.v1.cond(defaulted(tf), loop, lambda: x + w), name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    frozen = frozen_alike(saved, {"x": X}, "out")
    assert not operators(frozen) & {"Switch", "Merge", "Enter"}


def test_a_loop_in_the_branch_that_is_taken_stays(tmp_path):
    def build(tf):
        x, w = placed(tf), variable("w", (4,))

        def loop():
            return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y * 2.0), (0, x))[1]

        tf.identity(tf.compat.v1.cond(defaulted(tf), lambda: x + w, loop), name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    frozen = frozen_alike(saved, {"x": X}, "out")
    assert {"Enter", "LoopCond", "Switch"} <= operators(frozen)


def test_an_output_in_a_dead_branch(tmp_path):
    def build(tf):
        x, w = placed(tf), variable("w", (4,))
        tf.compat.v1.cond(defaulted(tf), lambda: tf.multiply(x, w, name="dead"), lambda: x, name="c")

    saved = save(tmp_path, build)
    with refused(r"output 'c/dead' of .*\.meta lies in a branch that is never taken"):
        freeze(saved.prefix, Request(["c/dead"]))


def test_updates_that_outputs_wait_for_are_gone_and_named(tmp_path):
    def build(tf):
        x, w = placed(tf), variable("w", (4,))
        steps = variable("steps", (), "int32")
        with tf.control_dependencies([tf.compat.v1.assign_add(steps, 1, name="count")]):
            tf.multiply(x, w, name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    frozen = frozen_alike(saved, {"x": X}, "out")
    assert frozen.remarks == ["updates of variables that nodes waited for are gone: count"]
    assert not any("^" in tensor for node in frozen.graph.nodes.values() for tensor in node.input)


@pytest.mark.parametrize("resource", [False, True])
def test_a_variable_that_is_read_after_its_update_cannot_be_frozen(tmp_path, resource):
    def build(tf):
        w = variable("w", (4,), resource=resource)
        with tf.control_dependencies([tf.compat.v1.assign_add(w, tf.ones(4), name="count")]):
            tf.add(w.read_value(), 0.0, name="out")

    saved = save(tmp_path, build)
    with refused(r"reads variable 'w' after node '.*' \(AssignAdd.*\) changed it"):
        freeze(saved.prefix, Request(["out"]))


def old_dropout(tf, x, keep):
    """Return dropout as TensorFlow 1 wrote it up to 1.12."""
    mask = tf.floor(keep + tf.compat.v1.random_uniform(tf.shape(x)), name="dropout/mask")
    return tf.multiply(tf.divide(x, keep), mask, name="dropout/mul")


def newer_dropout(tf, x, keep):
    """Return dropout as TensorFlow 1.13 to 1.15 wrote it."""
    rate = 1.0 - keep
    mask = tf.cast(tf.compat.v1.random_uniform(tf.shape(x), 0.0, 1.0) >= rate, tf.float32)
    return tf.multiply(x * (1.0 / (1.0 - rate)), mask, name="dropout/mul")


def todays_dropout(tf, x, keep):
    return tf.compat.v1.nn.dropout(x, rate=1.0 - keep)


DROPOUTS = [old_dropout, newer_dropout, todays_dropout]


@pytest.mark.parametrize("dropout", DROPOUTS)
def test_dropout_that_keeps_everything_is_gone(tmp_path, dropout):
    def build(tf):
        keep = tf.compat.v1.placeholder_with_default(1.0, (), name="keep")
        tf.identity(dropout(tf, placed(tf) * variable("w", (4,)), keep), name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    frozen = frozen_alike(saved, {"x": X}, "out")
    assert "RandomUniform" not in operators(frozen)
    assert any("keeps everything: it is gone" in remark for remark in frozen.remarks)


@pytest.mark.parametrize("dropout", DROPOUTS)
@pytest.mark.parametrize("kept", [0.5, float(np.nextafter(np.float32(1), np.float32(0)))])
def test_dropout_that_drops_stays_and_is_named(tmp_path, dropout, kept):
    def build(tf):
        keep = tf.compat.v1.placeholder_with_default(kept, (), name="keep")
        tf.identity(dropout(tf, placed(tf) * variable("w", (4,)), keep), name="out")

    frozen = freeze(save(tmp_path, build).prefix, Request(["out"]))
    assert "RandomUniform" in operators(frozen)
    assert any(remark.startswith("nodes give other values in every run: ") for remark in frozen.remarks)


def test_batch_norms_in_training_mode_are_named(tmp_path):
    def build(tf):
        x = tf.compat.v1.placeholder(tf.float32, (1, 3, 3, 4), name="x")
        scale, offset = variable("scale", (4,)), variable("offset", (4,))
        y, *_ = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, is_training=True, name="norm")
        tf.identity(y, name="out")

    frozen = freeze(save(tmp_path, build).prefix, Request(["out"]))
    assert frozen.remarks == ["batch norms use the statistics of the batch, as in training: norm"]


def test_operators_that_only_training_needs_may_be_unknown(tmp_path):
    saved, graph = with_unknown_operator(tmp_path, reads="out")
    frozen_alike(saved, {"x": X}, "out", graph=graph)


@pytest.mark.parametrize("by", ["data", "variable"])
def test_an_unknown_operator_that_the_outputs_need(tmp_path, by):
    saved, graph = with_unknown_operator(tmp_path, reads="x" if by == "data" else "w", feeds="out")
    with refused(r"pb needs what TensorFlow lacks: operator 'Resampled' of strange; name"):
        freeze(saved.prefix, Request(["out"], graph=graph))


def with_unknown_operator(tmp_path, reads, feeds=None):
    """Return a checkpoint whose graph has an operator of another TensorFlow."""

    def build(tf):
        tf.multiply(placed(tf), variable("w", (4,)), name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    saved.graph_def.node.append(plain("strange", "Resampled", [reads], T="float32"))
    if feeds:
        next(node for node in saved.graph_def.node if node.name == feeds).input[1] = "strange"
    else:
        next(node for node in saved.graph_def.node if node.name == "w/Assign").input.append("^strange")
    graph = tmp_path / "graph.pb"
    graph.write_bytes(saved.graph_def.SerializeToString())
    return saved, graph


def test_functions_that_only_training_calls_may_hold_unknown_operators(tmp_path):
    def build(tf):
        tf.multiply(placed(tf), variable("w", (4,)), name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    function = saved.graph_def.library.function.add()
    function.signature.name = "of_training"
    function.node_def.append(plain("inside", "Resampled", [], T="float32"))
    (tmp_path / "graph.pb").write_bytes(saved.graph_def.SerializeToString())
    frozen = frozen_alike(saved, {"x": X}, "out", graph=tmp_path / "graph.pb")
    assert len(frozen.graph.library.function) == 0


def test_functions_that_are_called_stay(tmp_path):
    @tensorflow().function
    def doubled(x):
        return x * 2.0

    def build(tf):
        tf.identity(doubled(placed(tf)) + variable("w", (4,)), name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    frozen = freeze(saved.prefix, Request(["out"]))
    assert len(frozen.graph.library.function) == 1
    assert same_bits(run(frozen.graph.copied_graph_def(), {"x": X}, ["out"])["out"], saved.expected["out"])


def test_variables_that_go_into_a_function(tmp_path):
    def build(tf):
        w = variable("w", (4,), resource=True)
        tf.identity(tf.function(lambda x: x * w)(placed(tf)), name="out")

    saved = save(tmp_path, build)
    with pytest.raises(UsageError, match=r"PartitionedCall\) in .* takes variable 'w' itself.*SavedModel"):
        freeze(saved.prefix, Request(["out"]))


def test_what_keeps_a_state_of_its_own(tmp_path):
    def build(tf):
        data = tf.compat.v1.data.make_one_shot_iterator(tf.data.Dataset.from_tensors(X))
        x = tf.identity(data.get_next(), name="next")
        tf.multiply(x, variable("w", (4,)), name="out")

    saved = save(tmp_path, build, fetches=["out"])
    with refused(r"keeps a state that no checkpoint holds; .* --input IteratorGetNext"):
        freeze(saved.prefix, Request(["out"]))
    frozen = frozen_alike(saved, {"IteratorGetNext": X}, "out", inputs=["IteratorGetNext"])
    assert frozen.graph.inputs == ("IteratorGetNext",)
    assert frozen.types["IteratorGetNext"][0].shape == (3, 4)


def test_python_inside_of_a_graph(tmp_path):
    def build(tf):
        tf.multiply(tf.compat.v1.py_func(np.sin, [placed(tf)], tf.float32), variable("w", (4,)), name="out")

    saved = save(tmp_path, build)
    with refused(r"\(PyFunc\) in .* calls Python of the program that made it"):
        freeze(saved.prefix, Request(["out"]))
