"""Which nodes leave a documented range: one small network that leaves each, and one that leaves none."""

import numpy as np
import pytest
from support.emulation import placeholder
from support.suite_run import run_suite
from support.toy_network import prepared, write_toy

from conformance import cli, locations
from conformance.expected.expectations import Expectations
from conformance.expected.limits import Limits, told
from conformance.graph.dataflow import tensor_types
from conformance.graph.sums import static_shapes
from conformance.judging.bounds import read_margins
from conformance.precision import parse_precision

SHAPE = (1, 40, 40, 2)
HALF, SINGLE = parse_precision("int8-fp16"), parse_precision("int8-fp32")


def far_out(tf):
    """Everything leaves its range."""
    x = placeholder(tf, "x", SHAPE)
    large = tf.multiply(x, 100.0, name="large")
    centred = tf.subtract(large, tf.reduce_mean(large, [1, 2], keepdims=True, name="mean"), name="centred")
    tf.reduce_sum(tf.tile(x, [1, 3, 3, 1], name="tiled"), [1, 2], keepdims=True, name="sum")
    tf.math.erf(large, name="erf")
    tf.sin(large, name="sin")
    tf.pow(tf.abs(x), 6.0, name="pow")
    tf.sqrt(tf.nn.relu(x), name="sqrt")
    tf.realdiv(x, centred, name="quotient")
    tf.cast(tf.cast(x, tf.int32, name="whole"), tf.float32, name="real")
    filters = np.ones((3, 3, 2, 2), np.float32)
    tf.nn.conv2d(x, filters, 1, "SAME", dilations=2, name="dilated")
    names = ("sum", "erf", "sin", "pow", "sqrt", "quotient", "real", "dilated")
    parts = [tf.reduce_max(tf.compat.v1.get_default_graph().get_tensor_by_name(f"{n}:0")) for n in names]
    tf.tanh(tf.add_n(parts), name="out")


def within(tf):
    """The same operators, none of them out of its range."""
    x = placeholder(tf, "x", SHAPE)
    centred = tf.subtract(x, tf.reduce_mean(x, [1, 2], keepdims=True, name="mean"), name="centred")
    tf.realdiv(x, tf.add(tf.abs(centred), 2.0), name="quotient")
    tf.sqrt(tf.add(tf.abs(x), 1.0), name="sqrt")
    tf.math.erf(x, name="erf")
    tf.nn.conv2d(x, np.ones((3, 3, 2, 2), np.float32), 1, "VALID", dilations=2, name="dilated")
    parts = [
        tf.reduce_max(tf.compat.v1.get_default_graph().get_tensor_by_name(f"{n}:0"))
        for n in ("quotient", "sqrt", "erf", "dilated")
    ]
    tf.tanh(tf.add_n(parts), name="out")


def made(folder, build):
    x = np.random.default_rng(3).normal(0, 1, SHAPE).astype(np.float32)
    x[0, 0, 0] = 0.001
    return prepared(folder, lambda directory: write_toy(directory, build, {"x": [x]}, psnr=5.0, cosine=0.5))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return made(tmp_path_factory.mktemp("far"), far_out)


def expected_of(network):
    return Expectations(network.store, read_margins(locations.MARGINS))


def outside(network, precision):
    names = [node.name for node in network.store.manifest.nodes]
    found = expected_of(network).limits("MLU270").outside(names, precision)
    return {(item.name, item.node): item.found for item in found}


def test_every_range_of_values_against_numpy(network):
    x = network.store.network.feeds(0)["x"].astype(np.float64)
    large = x * 100
    mean = large.mean((1, 2), keepdims=True)
    found = outside(network, HALF)
    extremes = {
        ("reduction-elements", "sum"): 14_400,
        ("reduction-mean", "mean"): max(mean.ravel(), key=abs),
        ("reduction-deviation", "mean"): max((large - mean).ravel(), key=abs),
        ("erf-input", "erf"): max(large.ravel(), key=abs),
        ("trigonometric-input", "sin"): max(large.ravel(), key=abs),
        ("pow-magnitude", "pow"): np.abs(x).min() ** 6,
        ("sqrt-input", "sqrt"): 0,
        ("divisor", "quotient"): (large - mean).min(),
        ("divisor-interval", "quotient"): (large - mean).min(),
        ("dilated-padding", "dilated"): 8,
    }
    for key, wanted in extremes.items():
        assert found.pop(key) == pytest.approx(wanted, rel=1e-6), key
    assert not found


def test_ranges_are_written_in_one_order_whatever_sets_iterate_in(network):
    ranges = expected_of(network).attainable.ranges
    assert all(list(found) == sorted(found) for found in ranges.values())
    assert len(ranges["mean"]) == 2


def test_what_holds_in_half_alone(network):
    half, single = outside(network, HALF), outside(network, SINGLE)
    assert {name for name, _ in half.keys() - single.keys()} == {
        "reduction-elements",
        "reduction-mean",
        "reduction-deviation",
        "trigonometric-input",
    }
    assert single.items() <= half.items()


def test_a_network_within_all_ranges(tmp_path):
    assert outside(made(tmp_path, within), HALF) == {}


def test_a_device_of_which_nothing_is_documented(network):
    names = [node.name for node in network.store.manifest.nodes]
    assert expected_of(network).limits("another card").outside(names, HALF) == []


def test_without_goldens_the_graph_tells_what_it_can(network):
    graph = network.store.network.graph
    limits = Limits("MLU270", graph, static_shapes(tensor_types(graph)), {}, "do that")
    found = {item.name: item.found for item in limits.outside(["sum", "mean", "dilated", "whole"], HALF)}
    assert found == {"reduction-elements": 14_400, "dilated-padding": 8, "cast-type": "int32"}
    (sentence,) = limits.unchecked(["sum", "mean", "out"])
    assert sentence.startswith(
        "whether sum and 1 more nodes lie within the vendor's documented ranges is not known"
    )
    assert sentence.endswith("; do that")


def test_a_sentence_per_limit_and_operator(network):
    found = expected_of(network).limits("MLU270").outside(["mean", "sum", "sum"], HALF)
    sentences = list(told(found))
    assert len(sentences) == len({(item.name, item.op) for item in found})
    assert any(
        "Sum at sum: 14,400 elements (documented: less than 10,000 at fp16); cnml.h" in text
        for text in sentences
    )


def test_a_run_and_nodes_tell_it(network, tmp_path, capsys):
    result = run_suite(tmp_path / "run", network=network, markers="mlu and own and fp16 and int8")
    assert "outside of the vendor's documented range: Sum at sum: 14,400 elements" in result.text
    capsys.readouterr()
    assert cli.main(["nodes", str(network.directory)]) == 0
    assert "outside of the vendor's documented range: Sum at sum: 14,400 elements" in capsys.readouterr().err


def test_at_fp32_a_run_does_not_speak_of_half(network, tmp_path):
    result = run_suite(tmp_path / "run", network=network, markers="mlu and own and fp32 and int8")
    assert "14,400 elements" not in result.text
    assert "documented range: Erf" in result.text
