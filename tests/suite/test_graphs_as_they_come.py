"""Patterns of real graphs that no shipped network has, from their graph to the verdicts of a whole run."""

import numpy as np
import pytest
from support import toy_network
from support.emulation import frozen, placeholder
from support.suite_run import run_suite
from support.toy_network import prepared, uniform, write_toy

from conformance import cli

SHAPE = (1, 8, 8, 3)
WITHOUT_HALF_SUMS = "mlu270,reduction_sum=fp32"
"""Means deviate where they are summed in half, whatever is around them."""


def convolution(tf, x, name, channels=4):
    random = np.random.default_rng(len(name))
    filters = random.normal(0, 0.3, (3, 3, x.shape[-1], channels)).astype(np.float32)
    return tf.nn.conv2d(x, tf.constant(filters, name=f"{name}/filter"), 1, "SAME", name=name)


def scalar_input(tf):
    """What dropout is told to keep."""
    x, keep = placeholder(tf, "X", SHAPE), placeholder(tf, "keep", ())
    tf.tanh(convolution(tf, x, "first") * keep, name="out")


def default_of_an_input(tf):
    keep = tf.compat.v1.placeholder_with_default(np.float32(0.7), (), name="keep")
    tf.tanh(convolution(tf, placeholder(tf, "X", SHAPE), "first") * keep, name="out")


def shut_off(tf):
    """A ReLU that gives zeros on the samples, and a first state of zeros."""
    x = placeholder(tf, "X", SHAPE)
    dead = tf.nn.relu(convolution(tf, x, "first") - 100.0, name="dead")
    state = tf.reshape(tf.matmul(np.zeros((1, 2), np.float32), np.ones((2, 4), np.float32)), [1, 1, 1, 4])
    tf.tanh(convolution(tf, dead, "second") + convolution(tf, x, "third") + state, name="out")


def normalised_and_resized(tf):
    x = placeholder(tf, "X", SHAPE)
    four = [np.linspace(low, low + 1, 4, dtype=np.float32) for low in (0.5, -0.5, 0, 1)]
    about = dict(zip(("scale", "offset", "mean", "variance"), four, strict=True))
    made = convolution(tf, x, "first")
    normal = tf.raw_ops.FusedBatchNormV3(x=made, is_training=False, name="norm", **about)[0]
    large = tf.compat.v1.image.resize_bilinear(tf.nn.relu(normal), (12, 12), name="large")
    tf.tanh(convolution(tf, large, "last"), name="out")


def transformer(tf):
    """A block of a transformer: two heads of attention by Einsum, LayerNorm, GELU."""
    random = np.random.default_rng(4)

    def projected(value, equation, shape):
        return tf.einsum(equation, value, random.normal(0, 0.3, shape).astype(np.float32))

    def normal(value):
        mean = tf.reduce_mean(value, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(value, mean), -1, keepdims=True)
        return (value - mean) * tf.math.rsqrt(variance + 1e-3)

    x = tf.reshape(placeholder(tf, "X", SHAPE), [1, 8, 24])
    query, key, value = (projected(x, "abc,cde->abde", (24, 2, 6)) for _ in range(3))
    shares = tf.nn.softmax(tf.einsum("aecd,abcd->acbe", key, query) * 0.4)
    seen = tf.einsum("acbe,aecd->abcd", shares, value)
    first = normal(x + projected(seen, "abcd,cde->abe", (2, 6, 24)))
    inner = projected(first, "abc,cd->abd", (24, 12))
    bent = 0.5 * inner * (1.0 + tf.math.erf(inner * 0.70710678))
    tf.tanh(normal(first + projected(bent, "abc,cd->abd", (12, 24))), name="out")


PATTERNS = [scalar_input, default_of_an_input, shut_off, normalised_and_resized, transformer]


@pytest.mark.parametrize("build", PATTERNS, ids=lambda build: build.__name__)
def test_everything_is_judged_and_conforms(build, tmp_path):
    inputs = uniform(1, SHAPE, "X", samples=2)
    if build is scalar_input:
        inputs["keep"] = [np.float32(0.7)] * 2
    network = prepared(tmp_path, lambda to: write_toy(to, build, inputs, name="toy", cosine=0.9, psnr=9.0))
    arguments = {"network": network, "markers": "mlu and not chained"}
    run = run_suite(tmp_path / "run", f"--profile={WITHOUT_HALF_SUMS}", **arguments)
    assert run.code == 0, run.text
    outcomes = {record.outcome for record in run.records}
    assert outcomes == {"conforms", "unsupported"}, "no framework calibrates here"


def recurrent(tf):
    """A loop of TensorFlow 1 as ``dynamic_rnn`` makes it, its steps in TensorArrays."""
    random = np.random.default_rng(2)
    kernel, answer = (random.normal(0, 0.5, (6, 6)).astype(np.float32) for _ in range(2))
    steps = tf.TensorArray("float32", 4).unstack(tf.transpose(placeholder(tf, "X", (1, 4, 6)), [1, 0, 2]))

    def body(index, state, kept):
        state = tf.tanh(tf.matmul(state, kernel, name="MatMul") + steps.read(index))
        return index + 1, state, kept.write(index, state)

    begin = [tf.constant(0), tf.zeros((1, 6)), tf.TensorArray("float32", 4)]
    _, state, kept = tf.while_loop(lambda index, *_: index < 4, body, begin, name="loop")
    tf.tanh(tf.matmul(state + kept.stack()[1], answer, name="answer"), name="out")


def recurrent_graph(build, *outputs):
    return frozen(build, *outputs, control_flow_v2=False)


@pytest.fixture
def with_a_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_network, "frozen", recurrent_graph)
    inputs = uniform(1, (1, 4, 6), "X", samples=2)
    return prepared(tmp_path, lambda to: write_toy(to, recurrent, inputs, name="toy", cosine=0.9, psnr=9.0))


def test_a_loop_of_tensorflow_1_is_judged_at_its_ends(with_a_loop, tmp_path, capsys):
    """Commands and runs say the same of it: its matmul is left to the host, and all else is judged."""
    told = (
        "loop/MatMul inside a TensorFlow 1 loop or branch: not quantised, but computed in float on the host"
    )
    for command in ("nodes", "quantize"):
        assert cli.main([command, str(with_a_loop.directory)]) == 0
        assert told in capsys.readouterr().err
    assert cli.main(["prepare", "--golden-dir", str(with_a_loop.goldens), str(with_a_loop.directory)]) == 0
    assert f"2 tensors at 8 and 16 bits; {told}" in capsys.readouterr().out
    run = run_suite(tmp_path / "run", network=with_a_loop, markers="mlu and not chained")
    assert run.code == 0, run.text
    assert "note: inside a loop or a branch, run in float on the host: loop/MatMul" in run.text
    assert {record.outcome for record in run.records} == {"conforms", "unsupported"}


def test_a_loop_with_arrays_of_tensors_is_a_new_network(tmp_path, capsys):
    """The array is no state that a checkpoint holds: nothing has to be cut off at its flow."""
    recurrent_graph(recurrent, "out").save(tmp_path / "loop.pb")
    made = ["init", str(tmp_path / "loop.pb"), "--random-inputs=2", "-o", str(tmp_path / "new")]
    assert cli.main(made) == 0
    assert "out  float32 ?x6" in capsys.readouterr().out
    assert cli.main(["nodes", str(tmp_path / "new")]) == 0
    assert "TensorArray" in (said := capsys.readouterr()).out
    assert "not modelled" not in said.err


def test_zeros_are_told(tmp_path, capsys):
    inputs = uniform(1, SHAPE, "X", samples=2)
    directory = write_toy(tmp_path / "network", shut_off, inputs, name="toy")
    told = "MatMul/input and 1 more zero on all samples: a scale for values up to 1"
    assert cli.main(["prepare", "--golden-dir", str(tmp_path / "goldens"), str(directory)]) == 0
    assert f"; {told})" in capsys.readouterr().out
    assert cli.main(["quantize", str(directory)]) == 0
    assert told in capsys.readouterr().err
