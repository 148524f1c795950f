"""Frozen outputs have the very bits that the checkpoint's graph computes, whatever kind its variables are."""

import numpy as np
import pytest
from support.emulation import same_bits
from support.refusals import refused
from support.saved_checkpoints import frozen_alike, save, session, tf1_graph, variable

from conformance.errors import UsageError
from conformance.freezing import variables
from conformance.freezing.freeze import Request, freeze
from conformance.graph.execution import GraphRunner
from conformance.graph.operators import CONTROL_FLOW

X = np.random.default_rng(1).standard_normal((2, 6)).astype(np.float32)


def layers(resource):
    def build(tf):
        x = tf.compat.v1.placeholder(tf.float32, (None, 6), name="x")
        w = variable("dense/w", (6, 5), resource=resource)
        b = variable("dense/b", (5,), resource=resource)
        result = tf.tanh(tf.linalg.matmul(x, w) * 0.01 + b, name="out")
        loss = tf.reduce_mean(tf.square(result))
        tf.compat.v1.train.AdamOptimizer().minimize(loss)

    return build


@pytest.mark.parametrize("resource", [False, True])
def test_variables_of_both_kinds_and_an_optimiser(tmp_path, resource):
    saved = save(tmp_path, layers(resource), {"x": X}, ["out"])
    frozen = frozen_alike(saved, {"x": X}, "out")
    assert frozen.variables == ["dense/w", "dense/b"]
    assert frozen.graph.inputs == ("x",)
    assert frozen.remarks == []
    for name in frozen.variables:
        assert same_bits(frozen.graph.constant(name), saved.values[name])
    operators = {node.op for node in frozen.graph.nodes.values()}
    assert operators <= {"Placeholder", "Const", "Identity", "MatMul", "Mul", "AddV2", "Tanh"}


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize(
    "dtype", ["bfloat16", "float16", "float64", "int8", "int32", "int64", "bool", "complex64"]
)
def test_every_dtype_is_copied_bit_for_bit(tmp_path, dtype, resource):
    def build(tf):
        tf.identity(variable("v", (3, 5), dtype, resource=resource), name="out")

    frozen_alike(save(tmp_path, build, fetches=["out"]), {}, "out")


@pytest.mark.parametrize("resource", [False, True])
def test_numbers_that_conversions_lose(tmp_path, resource):
    odd = np.array([0x7FC12345, 0xFFC00001, 0x80000000, 1, 0x7F800000, 0x00800001], np.uint32).view(
        np.float32
    )

    def build(tf):
        tf.identity(variable("v", odd.shape, initial=odd, resource=resource), name="out")
        tf.identity(variable("s", (), initial=odd[0], resource=resource), name="single")

    saved = save(tmp_path, build, fetches=["out", "single"])
    assert same_bits(saved.expected["out"], odd)
    frozen_alike(saved, {}, "out", "single")


def test_strings(tmp_path):
    def build(tf):
        tf.identity(
            tf.compat.v1.get_variable("v", initializer=tf.constant(["a", "bcd"]), use_resource=True),
            name="out",
        )

    saved = save(tmp_path, build, fetches=["out"])
    frozen = freeze(saved.prefix, Request(["out"]))
    assert GraphRunner(frozen.graph, ["out"])({})["out"].tolist() == [b"a", b"bcd"]


def partitioned(tf, *, resource=False):
    parts = tf.compat.v1.get_variable(
        "table",
        (7, 3),
        initializer=tf.compat.v1.random_normal_initializer(seed=1),
        partitioner=tf.compat.v1.fixed_size_partitioner(3),
        use_resource=resource,
    )
    whole = tf.identity(tf.convert_to_tensor(parts), name="whole")
    x = tf.compat.v1.placeholder(tf.int32, (None,), name="x")
    tf.nn.embedding_lookup(whole, x, name="looked")
    tf.identity(list(parts)[1], name="second")


@pytest.mark.parametrize("resource", [False, True])
def test_partitioned_variables(tmp_path, resource):
    feeds = {"x": np.array([6, 0, 3], np.int32)}
    saved = save(tmp_path, lambda tf: partitioned(tf, resource=resource), feeds, ["whole", "second"])
    frozen = frozen_alike(saved, feeds, "whole", "second")
    assert frozen.variables == ["table/part_0", "table/part_1", "table/part_2"]
    assert saved.values["table"].shape == (7, 3)


def test_partitioned_variables_of_a_graph_that_restores_nothing(tmp_path):
    feeds = {"x": np.array([6, 0, 3], np.int32)}
    saved = save(tmp_path, partitioned, feeds, ["whole", "second"])
    del saved.graph_def.node[[node.op for node in saved.graph_def.node].index("SaveV2") - 4 :]
    assert "RestoreV2" not in {node.op for node in saved.graph_def.node}
    graph = tmp_path / "graph.pb"
    graph.write_bytes(saved.graph_def.SerializeToString())
    frozen_alike(saved, feeds, "whole", "second", graph=graph)


def test_averages_that_the_saver_restores_in_place_of_variables(tmp_path):
    def build(tf):
        w = variable("w", (4,))
        average = variable("w/ExponentialMovingAverage", (4,))
        tf.identity(w, name="out")
        return w, average

    saved = save(tmp_path, build, fetches=["out"])
    tf = variables.tensorflow()
    with tf1_graph() as graph:
        w, _ = build(tf)
        restoring = tf.compat.v1.train.Saver({"w/ExponentialMovingAverage": w})
        restoring.export_meta_graph(str(tmp_path / "average.meta"))
    with session(graph) as running:
        restoring.restore(running, str(saved.prefix))
        expected = running.run("out:0")
    assert not same_bits(expected, saved.values["w"])
    frozen = freeze(saved.prefix, Request(["out"], graph=tmp_path / "average.meta"))
    assert same_bits(frozen.graph.constant("out"), expected)
    assert same_bits(freeze(saved.prefix, Request(["out"])).graph.constant("out"), saved.values["w"])


def test_what_reads_a_resource_otherwise(tmp_path):
    def build(tf):
        v = variable("v", (5, 4, 3), resource=True)
        i = tf.compat.v1.placeholder(tf.int32, (None,), name="i")
        pairs = tf.compat.v1.placeholder(tf.int64, (None, 2), name="pairs")
        tf.raw_ops.ResourceGather(resource=v.handle, indices=i, dtype=tf.float32, name="rows")
        batch = tf.constant([[0, 1], [1, 2], [2, 3], [3, 0], [0, 0]])
        tf.raw_ops.ResourceGather(
            resource=v.handle, indices=batch, dtype=tf.float32, batch_dims=1, name="batched"
        )
        tf.raw_ops.ResourceGatherNd(resource=v.handle, indices=pairs, dtype=tf.float32, name="points")
        tf.raw_ops.VariableShape(input=v.handle, name="shape")
        tf.raw_ops.VarIsInitializedOp(resource=v.handle, name="ready")

    feeds = {"i": np.array([4, 0], np.int32), "pairs": np.array([[1, 2], [4, 3]])}
    names = ["rows", "batched", "points", "shape", "ready"]
    frozen_alike(save(tmp_path, build, feeds, names), feeds, *names)


@pytest.mark.parametrize("resource", [False, True])
def test_a_variable_read_inside_a_loop(tmp_path, resource):
    def build(tf):
        x = tf.compat.v1.placeholder(tf.float32, (None, 6), name="x")
        w = variable("w", (6, 6), resource=resource)
        b = variable("b", (6,), resource=resource)

        def body(i, y):
            return i + 1, tf.tanh(tf.linalg.matmul(y, tf.identity(w)) * 0.01 + tf.constant(0.25) + b)

        tf.identity(tf.while_loop(lambda i, _: i < 3, body, (0, x))[1], name="out")

    saved = save(tmp_path, build, {"x": X}, ["out"])
    frozen = frozen_alike(saved, {"x": X}, "out")
    assert {node.op for node in frozen.graph.nodes.values()} >= CONTROL_FLOW - {"RefSwitch"}
    assert frozen.remarks == []


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("taken", [False, True])
def test_a_variable_read_inside_a_branch_that_the_input_decides(tmp_path, resource, taken):
    def build(tf):
        which = tf.compat.v1.placeholder(tf.bool, (), name="which")
        w = variable("w", (4,), resource=resource)
        b = variable("b", (4,), resource=resource)
        chosen = tf.compat.v1.cond(which, lambda: w * 2.0, lambda: tf.constant([1.0] * 4) + b)
        tf.identity(chosen, name="out")

    feeds = {"which": np.array(taken)}
    frozen = frozen_alike(save(tmp_path, build, feeds, ["out"]), feeds, "out")
    assert frozen.remarks == [
        "a branch by which stays, as only a run decides it; --set which=VALUE decides it"
    ]


def test_references_that_are_switched_are_values_afterwards(tmp_path):
    def build(tf):
        which = tf.compat.v1.placeholder(tf.bool, (), name="which")
        w = variable("w", (4,))
        no, yes = tf.raw_ops.RefSwitch(data=w._ref(), pred=which)
        tf.raw_ops.RefMerge(inputs=[no, yes], name="merged")
        tf.raw_ops.RefIdentity(input=w._ref(), name="same")

    feeds = {"which": np.array(1, bool)}
    frozen_alike(save(tmp_path, build, feeds, ["merged", "same"]), feeds, "merged", "same")


@pytest.mark.parametrize("resource", [False, True])
def test_a_node_that_changes_a_variable_cannot_be_frozen(tmp_path, resource):
    def build(tf):
        w = variable("w", (4,), resource=resource)
        tf.identity(tf.compat.v1.assign_add(w, tf.ones(4), use_locking=None, name="counted"), name="out")

    saved = save(tmp_path, build)
    op = "AssignAddVariableOp" if resource else "AssignAdd"
    said = "reads variable 'w' after" if resource else "takes variable 'w' itself"
    with refused(rf"node '.*' .*\({op}\).*") as error:
        freeze(saved.prefix, Request(["out"]))
    assert said in str(error.value)


def test_variables_that_no_checkpoint_holds(tmp_path):
    def build(tf):
        variable("kept", (2,))
        temporary = tf.raw_ops.TemporaryVariable(shape=[2], dtype=tf.float32, name="temporary")
        tf.identity(temporary, name="out")

    saved = save(tmp_path, build)
    with refused(r"node 'temporary' \(TemporaryVariable\) in .* keeps a state .* --input out"):
        freeze(saved.prefix, Request(["out"]))


def saved_with_other_graph(tmp_path, change):
    """Return a checkpoint whose graph was changed afterwards."""
    saved = save(tmp_path, layers(resource=False), {"x": X}, ["out"])
    nodes = {node.name: node for node in saved.graph_def.node}
    change(nodes)
    (tmp_path / "other.pb").write_bytes(saved.graph_def.SerializeToString())
    return saved, Request(["out"], graph=tmp_path / "other.pb")


def test_a_shape_that_is_not_the_graphs(tmp_path):
    def change(nodes):
        nodes["dense/w"].attr["shape"].shape.dim[1].size = 7

    saved, request = saved_with_other_graph(tmp_path, change)
    with refused(r"'dense/w' of checkpoint .* has shape \(6, 5\), but .*other.pb has \(6, 7\)"):
        freeze(saved.prefix, request)


def test_a_dtype_that_is_not_the_graphs(tmp_path):
    def change(nodes):
        nodes["dense/b"].attr["dtype"].type = 3  # int32

    saved, request = saved_with_other_graph(tmp_path, change)
    with refused(r"'dense/b' of checkpoint .* holds float32, but 'dense/b' in .* is int32"):
        freeze(saved.prefix, request)


def test_variables_that_the_checkpoint_lacks(tmp_path):
    saved = save(tmp_path, layers(resource=False))
    other = save(
        tmp_path / "other",
        lambda _: [variable("dense/weights", (6, 5)), variable("dense/bias", (5,))],
        fetches=[],
    )
    with pytest.raises(
        UsageError,
        match=r"lacks variable 'dense/w' and 1 more, which .*model.ckpt.meta needs \(near names: dense/",
    ):
        freeze(other.prefix, Request(["out"], graph=saved.meta))
