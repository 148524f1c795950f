"""An LSTM as a TensorFlow 1 loop and unrolled: the emulator makes the same bits of both."""

import numpy as np
import pytest
from support.emulation import PRECISIONS, frozen, in_float64, naive_scales, run, same_bits

from conformance.quantization.calibration import calibrate, largest_magnitudes, quantized_tensors
from conformance.quantization.parameter_file import QuantizationScales

BATCH, STEPS, UNITS = 3, 7, 5
RANDOM = np.random.default_rng(8)
KERNEL = RANDOM.normal(0, 0.7, (2 + UNITS, 4 * UNITS)).astype(np.float32)
BIAS = RANDOM.normal(0, 0.3, 4 * UNITS).astype(np.float32)
HEAD = RANDOM.normal(0, 0.7, (UNITS, 1)).astype(np.float32)
X = RANDOM.uniform(-1, 1, (BATCH, STEPS, 2)).astype(np.float32)


def cell(tf, x, c, h, name="MatMul"):
    gates = tf.nn.bias_add(tf.matmul(tf.concat([x, h], 1), KERNEL, name=name), BIAS)
    i, j, f, o = tf.split(gates, 4, 1)
    c = c * tf.sigmoid(f) + tf.sigmoid(i) * tf.tanh(j)
    return c, tf.tanh(c) * tf.sigmoid(o)


def begin(tf):
    x = tf.compat.v1.placeholder(tf.float32, (BATCH, STEPS, 2), name="x")
    return x, tf.zeros((BATCH, UNITS)), tf.zeros((BATCH, UNITS))


def end(tf, h):
    tf.matmul(h, HEAD, name="answer")


def unrolled(tf):
    x, c, h = begin(tf)
    for step, now in enumerate(tf.unstack(x, axis=1)):
        c, h = cell(tf, now, c, h, f"step_{step}/MatMul")
    end(tf, h)


def gathering(tf):
    """A loop that picks its step out of a tensor."""
    x, c, h = begin(tf)
    steps = tf.transpose(x, [1, 0, 2])

    def body(step, c, h):
        return step + 1, *cell(tf, tf.gather(steps, step), c, h)

    end(tf, tf.while_loop(lambda step, *_: step < STEPS, body, [0, c, h], name="loop")[2])


def with_an_array(tf):
    """A loop that reads its steps from a TensorArray, as ``tf.nn.dynamic_rnn`` does."""
    x, c, h = begin(tf)
    steps = tf.TensorArray(tf.float32, STEPS).unstack(tf.transpose(x, [1, 0, 2]))

    def body(step, c, h):
        return step + 1, *cell(tf, steps.read(step), c, h)

    end(tf, tf.while_loop(lambda step, *_: step < STEPS, body, [0, c, h], name="loop")[2])


def one_scale(graph, bits):
    """Naive scales of an unrolled graph, but the same for every step: what one MatMul in a loop has."""
    largest = largest_magnitudes(graph, [{"x": X}])
    for which in ("input", "filter"):
        worst = max(value for key, value in largest.items() if key.endswith(f"MatMul/{which}"))
        largest |= {key: worst for key in largest if key.endswith(f"MatMul/{which}")}
    return calibrate(largest, bits)


def of_the_loop(scales, graph):
    """The scales of an unrolled graph under the names of a loop's."""
    (first,) = {value for key, value in scales.scales.items() if key.endswith("MatMul/input")}
    (second,) = {value for key, value in scales.scales.items() if key.endswith("MatMul/filter")}
    chosen = {"input": first, "filter": second}
    return QuantizationScales(
        bits=scales.bits,
        scales={
            key: scales.scales.get(key, chosen[key.rpartition("/")[2]]) for key in quantized_tensors(graph)
        },
    )


@pytest.mark.parametrize("loop", [gathering, with_an_array])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_loop_gives_the_bits_of_the_unrolled_network(loop, precision):
    flat, looped = frozen(unrolled, "answer"), frozen(loop, "answer", control_flow_v2=False)
    assert "Enter" in {node.op for node in looped.nodes.values()}
    scales = one_scale(flat, int(precision[3:].partition("-")[0]))
    expected, _ = run(flat, {"x": X}, precision, scales=scales)
    found, _ = run(looped, {"x": X}, precision, scales=of_the_loop(scales, looped))
    exact = in_float64(looped, {"x": X})["answer"]
    np.testing.assert_allclose(exact, in_float64(flat, {"x": X})["answer"], rtol=0, atol=1e-12)
    assert same_bits(found["answer"], expected["answer"])
    assert 0 < np.abs(found["answer"] - exact).max() < 0.1


def test_another_scale_for_a_step_gives_other_bits():
    flat, looped = frozen(unrolled, "answer"), frozen(gathering, "answer", control_flow_v2=False)
    expected, _ = run(flat, {"x": X}, "int8-fp32", scales=naive_scales(flat, {"x": X}, 8))
    found, _ = run(looped, {"x": X}, "int8-fp32", scales=of_the_loop(one_scale(flat, 8), looped))
    assert not same_bits(found["answer"], expected["answer"])


@pytest.mark.parametrize(("precision", "result"), [("int8-fp32", 1024.5), ("int8-fp16", 1025)])
def test_without_scales_the_host_computes_what_lies_in_a_loop(precision, result):
    """1024 times 1 + 2^-11, which the host keeps: neither as an integer nor as a half would it be 1024.5."""

    def build(tf):
        x = tf.compat.v1.placeholder(tf.float32, (1, 1), name="x")
        factor = np.full((1, 1), 1 + 2.0**-11, np.float32)

        def body(step, value):
            return step + 1, tf.matmul(value, factor, name="MatMul")

        tf.identity(tf.while_loop(lambda step, _: step < 1, body, [0, x], name="loop")[1], name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    found, notes = run(graph, {"x": np.full((1, 1), 1024, np.float32)}, precision)
    assert found["o"].tolist() == [[result]]
    assert notes == ("inside a loop or a branch, run in float on the host: loop/MatMul",)


def test_arrays_of_tensors_move_what_they_hold():
    graph = frozen(with_an_array, "answer", control_flow_v2=False)
    notes = run(graph, {"x": X})[1]
    assert [note.partition(":")[0] for note in notes] == [
        "inside a loop or a branch, run in float on the host"
    ]
