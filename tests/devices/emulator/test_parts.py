"""The emulator part by part: the same bits as the whole graph, whatever the precision and the switches."""

import numpy as np
import pytest
from support.emulation import PRECISIONS, frozen, naive_scales, placeholder, profile, same_bits

from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.parts import EmulatedParts, of_filters
from conformance.expected.repeated import along
from conformance.graph.alike import Parts
from conformance.graph.cut import cut, cut_input
from conformance.precision import parse_precision

STEPS, UNITS = 10, 6
KEY = tuple(f"step_{step}/product" for step in range(STEPS))
ANSWERS = tuple(f"step_{step}/answer" for step in range(STEPS))


def unrolled(tf):
    """A recurrent cell with a product, a norm and a state that no key node cuts."""
    random = np.random.default_rng(4)
    kernel = tf.constant(random.standard_normal((3 + UNITS, UNITS)).astype(np.float32))
    x = placeholder(tf, "x", (2, STEPS, 3))
    state = tf.zeros((2, UNITS))
    for step, part in enumerate(tf.unstack(tf.nn.relu(x), axis=1)):
        with tf.name_scope(f"step_{step}/"):
            product = tf.matmul(tf.concat([part, state], 1), kernel, name="product")
            centred = product - tf.reduce_mean(product, 1, keepdims=True)
            variance = tf.reduce_mean(tf.square(centred), 1, keepdims=True)
            state = 0.5 * state + tf.tanh(centred * tf.math.rsqrt(variance + 1e-3))
            tf.nn.softmax(state, name="answer")


@pytest.fixture(scope="module")
def network():
    graph = frozen(unrolled, *KEY, *ANSWERS)
    feeds = {"x": np.random.default_rng(9).standard_normal((2, STEPS, 3)).astype(np.float32)}
    return graph, feeds


def parted(graph, shapes, scales, names):
    whole = cut(graph, shapes, names)
    parts = Parts(whole, names, of_filters(graph, {scales.bits: scales}), tuple(graph.nodes))
    assert parts.repeats
    return whole, parts


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    "request_",
    [
        "mlu270",
        "ideal",
        "ideal,arithmetic=float32,half_rounding=ties-away,fixed_point_scale=position-scale,convolution_sums=fp32",
    ],
)
def test_parts_give_the_bits_of_the_whole_graph(network, precision, request_):
    graph, feeds = network
    chosen, names = parse_precision(precision), (*KEY, *ANSWERS)
    scales = naive_scales(graph, feeds, chosen.fixed_bits)
    whole, parts = parted(graph, dict.fromkeys(KEY, (2, UNITS)), scales, names)
    random = np.random.default_rng(1)
    fed = feeds | {cut_input(name): random.standard_normal((2, UNITS)).astype(np.float32) for name in KEY}
    fed = {name: fed[name] for name in whole.inputs}
    device = EmulatorDevice(profile(request_))
    with device.open(whole, names, precision=chosen, scales=scales, fuse=False) as session:
        expected = session.run(fed)
    found = dict(EmulatedParts(parts, profile(request_), chosen, scales).compute(names, dict(fed)))
    assert found.keys() == expected.keys()
    assert [name for name in names if not same_bits(found[name], expected[name])] == []


@pytest.mark.parametrize("precision", ["int8-fp16", "int16-fp32"])
def test_along_the_whole_network_too(network, precision):
    graph, feeds = network
    chosen = parse_precision(precision)
    scales = naive_scales(graph, feeds, chosen.fixed_bits)
    shapes = dict.fromkeys((*KEY, *ANSWERS), (2, UNITS))
    _, parts = parted(graph, shapes, scales, tuple(shapes))
    found = along(EmulatedParts(parts, profile(), chosen, scales), feeds, tuple(shapes))
    with EmulatorDevice(profile()).open(
        graph, tuple(shapes), precision=chosen, scales=scales, fuse=False
    ) as session:
        expected = session.run(feeds)
    assert [name for name in shapes if not same_bits(found[name], expected[name])] == []


def test_each_kind_is_loaded_once(network, monkeypatch):
    graph, feeds = network
    opened = []
    whole_open = EmulatorDevice.open

    def counted(self, *arguments, **settings):
        opened.append(arguments[1])
        return whole_open(self, *arguments, **settings)

    monkeypatch.setattr(EmulatorDevice, "open", counted)
    chosen = parse_precision("int8-fp16")
    scales = naive_scales(graph, feeds, 8)
    _, parts = parted(graph, {}, scales, ANSWERS)
    emulated = EmulatedParts(parts, profile(), chosen, scales)
    for _ in range(2):
        assert len(dict(emulated.compute(ANSWERS, dict(feeds)))) == STEPS
    assert len(opened) == len({part.like for part in parts.parts}) < len(parts.parts) / 4
