"""A graph that reaches outside of itself is refused by name, before anything of it runs, unless trusted."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused
from support.suite_run import run_suite
from support.toy_network import KeptNetwork, uniform, write_toy

from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.side_effects import KEEPS_TO_ITSELF, REACHES_OUT, refuse_side_effects
from conformance.networks import Network

COMMANDS = ["golden", "prepare", "quantize", "nodes", "dump"]


def after(tf, operation, x):
    with tf.control_dependencies([operation]):
        return tf.tanh(x, name="out")


def writes(tf, path):
    return tf.io.write_file(str(path), "written by a graph", name="quiet/Write")


def prints(tf, path):
    return tf.raw_ops.PrintV2(input="printed", output_stream=f"file://{path}", name="quiet/Print")


def reads(tf, path):
    return tf.io.read_file(str(path), name="quiet/Read")


def lists(tf, path):
    return tf.io.matching_files(f"{path.parent}/*", name="quiet/List")


def maps(tf, path):
    return tf.raw_ops.ImmutableConst(
        dtype=tf.float32, shape=[1], memory_region_name=str(path), name="quiet/Map"
    )


def leaves(tf, _):
    return tf.raw_ops.Abort(error_msg="", exit_without_error=True, name="quiet/Leave")


def waits(tf, _):
    return tf.raw_ops.QueueDequeueV2(
        handle=tf.raw_ops.FIFOQueueV2(component_types=["float"]), component_types=["float"], name="quiet/Wait"
    )[0]


def calls_python(tf, path):
    return tf.numpy_function(
        lambda: np.float32(path.write_text("by Python")), [], tf.float32, name="quiet/Py"
    )


def from_a_file(tf, path):
    table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    return tf.raw_ops.InitializeTableFromTextFileV2(
        table_handle=table, filename=str(path), key_index=-2, value_index=-1, name="quiet/Table"
    )


def in_a_function(tf, path):
    @tf.function
    def inner():
        writes(tf, path)
        return tf.constant(1.0)

    return inner()


ALL = [writes, prints, reads, lists, maps, leaves, waits, calls_python, from_a_file, in_a_function]


@pytest.mark.parametrize("effect", ALL)
def test_what_reaches_out_is_refused_by_name(tmp_path, effect):
    def build(tf):
        x = placeholder(tf, shape=(1, 4))
        after(tf, effect(tf, tmp_path / "target"), x)

    network = Network(write_toy(tmp_path / "network", build, uniform(1, (1, 4), "x")))
    named = "Write" if effect is in_a_function else "quiet/"
    with refused(
        rf"toy.pb is a program that reaches outside.*node '.*{named}.*nothing of it was run.*--trust-graph"
    ):
        _ = network.graph
    assert network.trusting().graph.nodes
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_it(tmp_path, refusal, command):
    def build(tf):
        after(tf, writes(tf, tmp_path / "target"), placeholder(tf, shape=(1, 4)))

    write_toy(tmp_path / "network", build, uniform(1, (1, 4), "x"))
    more = [f"--output={tmp_path / 'dump'}"] if command == "dump" else []
    more += ["--precision=int8-fp16"] if command == "dump" else []
    assert "'quiet/Write' (WriteFile)" in refusal(command, tmp_path / "network", *more)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("command", ["init", "freeze"])
def test_it_is_not_even_frozen(tmp_path, refusal, said, command):
    path = tmp_path / "graph.pb"

    def build(tf):
        length = tf.strings.length(reads(tf, tmp_path / "target"))
        tf.add(placeholder(tf, shape=(1, 4)), tf.cast(length, tf.float32), name="out")

    frozen(build, "out").save(path)
    given = {
        "init": [path, "-o", tmp_path / "new"],
        "freeze": ["--checkpoint", path, "--output=out", "-o", tmp_path / "new.pb"],
    }[command]
    assert "'quiet/Read' (ReadFile)" in refusal(command, *given)
    assert said(command, *given, "--trust-graph")[0] == 0


def test_a_trusted_graph_runs(tmp_path, said, monkeypatch):
    def build(tf):
        after(tf, writes(tf, tmp_path / "target"), placeholder(tf, shape=(1, 4)))

    write_toy(tmp_path / "network", build, uniform(1, (1, 4), "x"))
    command = ["golden", tmp_path / "network", "--golden-dir", tmp_path / "goldens"]
    assert said(*command, "--trust-graph")[0] == 0
    assert (tmp_path / "target").read_text(encoding="utf-8") == "written by a graph"
    assert said(*command)[0] == 4
    monkeypatch.setenv("MLU_CONFORMANCE_TRUST_GRAPH", "1")
    assert said(*command)[0] == 0


def test_a_run_and_what_follows_it_refuse_it(tmp_path, refusal, said):
    def build(tf):
        after(tf, writes(tf, tmp_path / "target"), placeholder(tf, shape=(1, 4)))

    network = KeptNetwork(tmp_path / "network", tmp_path / "goldens")
    write_toy(network.directory, build, uniform(1, (1, 4), "x"))
    given = [network.directory, f"--golden-dir={network.goldens}"]
    assert said("prepare", *given, "--trust-graph")[0] == 0
    (tmp_path / "target").unlink()
    result = run_suite(tmp_path / "run", "--device=cpu", network=network)
    assert (result.code, result.outcomes) == (4, {})
    assert "node 'quiet/Write' (WriteFile); nothing of it was run" in result.text
    sentence = refusal("diagnose", *given, "--precision=int8-fp16", "--device=cpu")
    assert "'quiet/Write' (WriteFile)" in sentence
    assert not (tmp_path / "target").exists()
    result = run_suite(tmp_path / "run", "--trust-graph", network=network)
    assert result.code == 0
    assert (tmp_path / "target").exists()


def test_a_model_that_writes_when_it_is_loaded_is_not_loaded(tmp_path, refusal):
    tf = tensorflow()

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32)])
        def __call__(self, x):
            writes(tf, tmp_path / "target")
            return {"y": tf.tanh(x)}

    tf.saved_model.save(Model(), str(tmp_path / "saved"))
    assert "WriteFile" in refusal("init", tmp_path / "saved", "-o", tmp_path / "new")
    assert not (tmp_path / "target").exists()


def test_what_keeps_to_itself_is_not_refused():
    def build(tf):
        x = placeholder(tf, shape=(1, 4))
        tf.debugging.Assert(tf.reduce_all(x < 9), [x])
        looped = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, y + tf.random.normal((1, 4))), (0, x))
        branched = tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: looped[1])
        with tf.control_dependencies([tf.print("seen", x)]):
            array = tf.TensorArray(tf.float32, 1).write(0, branched)
        tf.debugging.check_numerics(array.stack()[0], "odd", name="out")

    refuse_side_effects(frozen(build, "out"))
    refuse_side_effects(frozen(build, "out", control_flow_v2=False))


def test_a_function_that_nothing_calls_is_left_alone(tmp_path):
    def build(tf):
        in_a_function(tf, tmp_path / "target")
        tf.tanh(placeholder(tf, shape=(1, 4)), name="out")

    refuse_side_effects(frozen(build, "out"))


def test_no_operator_of_files_is_missed():
    """By what TensorFlow says of its operators: an argument that is the name of a file, or of a place."""
    tensorflow()
    from tensorflow.core.framework.op_def_pb2 import OpList
    from tensorflow.python.client import pywrap_tf_session as session

    known = OpList.FromString(session.TF_GetBuffer(session.TF_GetAllOpList()))
    words = ("file", "path", "prefix", "directory", "memory_region", "descriptor_source", "address")
    texts = {
        "ShardedFilename",
        "ShardedFilespec",
        "CTCBeamSearchDecoder",
    }  # of the last: ways through letters
    for op in known.op:
        places = [item.name for item in (*op.input_arg, *op.attr) if any(word in item.name for word in words)]
        if places and op.name not in texts and not op.is_stateful:
            assert REACHES_OUT.fullmatch(op.name), (op.name, places)
        if places and op.is_stateful:
            is_refused = REACHES_OUT.fullmatch(op.name) or not KEEPS_TO_ITSELF.fullmatch(op.name)
            assert is_refused, (op.name, places)
    assert op_definition("WriteFile").is_stateful
