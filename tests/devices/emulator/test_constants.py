"""Large constants lie beside rewritten graphs: with the same bits, made once, and gone with the network."""

import gc

import numpy as np
import pytest
from support.emulation import frozen, naive_scales, placeholder, run

from conformance.devices.emulator import constants
from conformance.devices.emulator.constants import contiguous, made_of
from conformance.graph import constants as of_graphs
from conformance.graph.loading import _TENSORS

PRECISIONS = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")
X = np.random.default_rng(3).standard_normal((2, 6, 6, 8)).astype(np.float32)


def build(tf):
    random = np.random.default_rng(5)

    def large(*shape):
        return tf.constant(random.standard_normal(shape).astype(np.float32))

    x = placeholder(tf, shape=(2, 6, 6, 8))
    conv = tf.nn.conv2d(x, large(3, 3, 8, 300), 1, "SAME", name="conv")
    shifted = tf.nn.bias_add(conv, large(300), name="shifted")
    flat = tf.reshape(shifted * large(6, 6, 300), (2, -1), name="flat")
    turned = tf.matmul(flat[:, :400], large(20, 400), transpose_b=True, name="turned")
    tf.gather(large(300, 20), tf.argmax(turned, 1), name="picked")


OUTPUTS = ("shifted", "turned", "picked")


def results(request, precision):
    graph = frozen(build, *OUTPUTS)
    scales = naive_scales(graph, {"x": X}, int(precision.partition("-")[0].removeprefix("int")))
    return graph, run(graph, {"x": X}, precision, request=request, scales=scales)[0]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("request_", ["mlu270", "ideal", "mlu270,convolution_sums=fp32"])
def test_where_a_constant_lies_changes_no_bit(precision, request_, monkeypatch):
    graph, beside = results(request_, precision)
    assert len(graph.arrays) == 5
    monkeypatch.setattr(of_graphs, "INLINE_BYTES", 2**30)
    graph, inside = results(request_, precision)
    assert not graph.arrays
    for name in OUTPUTS:
        assert beside[name].tobytes() == inside[name].tobytes(), name


def test_what_is_made_of_an_array_is_made_once_and_goes_with_it():
    array = np.arange(12.0).reshape(3, 4)
    made = [made_of(view, "twice", lambda part: 2 * part) for view in (array, array[:], array.T.T)]
    assert made[0] is made[1] is made[2]
    others = [made_of(array.T, "twice", np.copy), made_of(array[1:], "twice", np.copy)]
    others.append(made_of(array, "thrice", np.copy))
    assert len({id(other) for other in (made[0], *others)}) == 4
    assert contiguous(array) is array
    assert contiguous(array.T) is contiguous(array.T)
    before = len(constants._MADE)
    del array, made, others
    gc.collect()
    assert len(constants._MADE) == before - 5


def test_everything_goes_with_the_network():
    gc.collect()
    before = len(constants._MADE), len(_TENSORS)
    graph, found = results("mlu270", "int16-fp16")
    assert (len(constants._MADE), len(_TENSORS)) > before
    del graph, found
    gc.collect()
    assert (len(constants._MADE), len(_TENSORS)) == before


def test_sessions_of_a_network_share_what_is_made():
    graph, scales = frozen(build, *OUTPUTS), None
    counts = set()
    for _ in range(3):
        scales = scales or naive_scales(graph, {"x": X}, 8)
        run(graph, {"x": X}, "int8-fp16", request="mlu270", scales=scales)
        counts.add((len(constants._MADE), len(_TENSORS)))
    assert len(counts) == 1
