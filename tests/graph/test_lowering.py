"""Functions of TensorFlow 2 stand in the place of what calls them: loops, branches and calls are seen."""

import functools

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused
from support.toy_network import prepared, write_toy

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.diagnosis.quality import quality_of
from conformance.evaluation.evaluation import Evaluation
from conformance.expected.expectations import Expectations
from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.lowering import CALLS
from conformance.judging.bounds import read_margins
from conformance.locations import MARGINS
from conformance.precision import PRECISIONS
from conformance.quantization.calibration import told_loops

STEPS, FEATURES, UNITS = 4, 3, 5
X = np.random.default_rng(1).uniform(-1, 1, (1, STEPS, FEATURES)).astype(np.float32)


def weights(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)


def cell(tf, x, state, memory):
    """One step of an LSTM, as Keras writes it."""
    gates = tf.matmul(x, weights(FEATURES, 4 * UNITS)) + tf.matmul(state, weights(UNITS, 4 * UNITS))
    first, forget, new, last = tf.split(tf.nn.bias_add(gates, weights(4 * UNITS)), 4, 1)
    memory = tf.sigmoid(forget) * memory + tf.sigmoid(first) * tf.tanh(new)
    return tf.sigmoid(last) * tf.tanh(memory), memory


def dense(tf, state):
    tf.matmul(state, weights(UNITS, 2), name="out")


def unrolled(tf):
    x, state, memory = placeholder(tf, "x", X.shape), tf.zeros((1, UNITS)), tf.zeros((1, UNITS))
    for step in range(STEPS):
        state, memory = cell(tf, x[:, step], state, memory)
    dense(tf, state)


def looped(tf):
    """The same in a loop, with the inputs of the steps and their states in lists."""
    steps = tf.TensorArray(tf.float32, STEPS).unstack(tf.transpose(placeholder(tf, "x", X.shape), [1, 0, 2]))

    def body(step, state, memory, states):
        state, memory = cell(tf, tf.reshape(steps.read(step), (1, FEATURES)), state, memory)
        return step + 1, state, memory, states.write(step, state)

    first = [tf.constant(0), tf.zeros((1, UNITS)), tf.zeros((1, UNITS)), tf.TensorArray(tf.float32, STEPS)]
    _, _, _, states = tf.while_loop(lambda step, *_: step < STEPS, body, first)
    dense(tf, states.stack()[-1])


def called(tf):
    @tf.function(jit_compile=False)
    def inner(x):
        return tf.matmul(x, weights(FEATURES, UNITS))

    x = placeholder(tf, "x", (1, FEATURES))
    tf.tanh(inner(x), name="out")


def branched(tf):
    x = placeholder(tf, "x", (1, FEATURES))
    left, right = weights(FEATURES, UNITS), weights(UNITS, FEATURES).T
    chosen = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, left), lambda: tf.matmul(x, right))
    tf.multiply(chosen, 2.0, name="out")


def network(tmp_path_factory, build, name, *, functional):
    """Return a network whose loop is a function's body, or, as TensorFlow 1 has it, nodes of the graph."""

    def write(directory):
        write_toy(directory, build, {"x": [X]}, name=name, cosine=0.999, psnr=30.0)
        frozen(build, "out", control_flow_v2=functional).save(directory / f"{name}.pb")

    return prepared(tmp_path_factory.mktemp(name), write)


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    made = functools.partial(network, tmp_path_factory)
    return {
        "unrolled": made(unrolled, "unrolled", functional=True),
        "functional": made(looped, "functional", functional=True),
        "loop": made(looped, "loop", functional=False),
    }


def outcomes(kept):
    """Return outcome and cosine of the outputs at every precision, on the card's emulator."""
    expected = Expectations(kept.store, read_margins(MARGINS))
    evaluation = Evaluation(open_device(DeviceRequest("emulator")), expected, ["out"])
    found = {}
    for precision in PRECISIONS:
        judged = evaluation.fused(precision)
        quality = quality_of(judged.values(), expected.network.acceptance)
        found[str(precision)] = judged["out"].outcome, round(quality.cosine, 3), quality.unmodelled
    return found


def test_three_forms_of_an_lstm_have_the_same_golden_and_the_same_verdict(forms):
    goldens = [kept.store.get("out", 0) for kept in forms.values()]
    np.testing.assert_allclose(goldens[1], goldens[0], rtol=1e-6)
    np.testing.assert_allclose(goldens[2], goldens[0], rtol=1e-6)
    verdicts = {name: outcomes(kept) for name, kept in forms.items()}
    assert verdicts["functional"] == verdicts["loop"] == verdicts["unrolled"]
    assert {outcome for outcome, *_ in verdicts["loop"].values()} == {"conforms"}


def test_both_loops_say_what_is_left_to_the_host_and_the_unrolled_one_nothing(forms):
    told = {name: told_loops(kept.store.network.graph) for name, kept in forms.items()}
    assert told["unrolled"] == []
    for name in ("functional", "loop"):
        (sentence,) = told[name]
        assert "inside a TensorFlow 1 loop or branch: not quantised, but computed in float on the" in sentence
        assert sentence.count("MatMul") == 2


@pytest.mark.parametrize("build", [called, branched])
@pytest.mark.parametrize("sign", [1, -1])
def test_calls_and_branches_give_the_same_as_before(build, sign, tmp_path):
    graph, x = frozen(build, "out"), {"x": sign * X[:, 0]}
    assert CALLS & {node.op for node in graph.nodes.values()}
    graph.save(tmp_path / "graph.pb")
    inlined = load_frozen_graph(tmp_path / "graph.pb", ["out"])
    assert not CALLS & {node.op for node in inlined.nodes.values()}
    assert inlined.inputs == graph.inputs
    assert (
        GraphRunner(inlined, ["out"])(x)["out"].tobytes() == GraphRunner(graph, ["out"])(x)["out"].tobytes()
    )
    assert load_frozen_graph(tmp_path / "graph.pb", ["out"]).sha256 == inlined.sha256


def test_a_graph_that_tensorflow_does_not_import_is_refused_in_a_sentence(tmp_path):
    graph = frozen(called, "out")
    graph.nodes["out"].attr["T"].type = 3  # int32
    graph.save(tmp_path / "graph.pb")
    with refused("TensorFlow cannot inline the functions of .*graph.pb"):
        load_frozen_graph(tmp_path / "graph.pb", ["out"])
