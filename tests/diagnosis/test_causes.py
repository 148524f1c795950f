"""Causes, not bottlenecks: a node through which all error passes is not to blame for it."""

import dataclasses
import functools

import numpy as np
import pytest
from diagnosis.diagnosing import diagnosed, report
from diagnosis.handmade import culprit, quality
from diagnosis.planted_network import expectations
from support.emulation import placeholder
from support.toy_network import prepared, write_toy

from conformance.devices.base import DeviceRequest, Hosted
from conformance.devices.registry import open_device
from conformance.diagnosis.counterfactuals import Counterfactuals
from conformance.diagnosis.forward_passes import ForwardPasses
from conformance.diagnosis.quality import decibels
from conformance.diagnosis.report import repaired
from conformance.diagnosis.splicing import levels
from conformance.errors import DeviceError
from conformance.precision import parse_precision

SHAPE = (1, 25, 5, 32)
LAYERS = 10
POOL = "pool"
PRECISION = parse_precision("int8-fp16")


def bottleneck(tf):
    """Ten int8 layers whose filters have few large weights, a global pool, a head."""
    random = np.random.default_rng(11)
    value = placeholder(tf, "x", SHAPE)
    for layer in range(LAYERS):
        filters = random.normal(0, 1, (3, 3, 32, 32)) ** 5
        filters /= np.sqrt(np.mean(filters**2) * 9 * 32 / 2)
        value = tf.nn.conv2d(value, filters.astype(np.float32), 1, "SAME", name=f"layer_{layer}/Conv2D")
        value = tf.nn.relu(value, name=f"layer_{layer}/relu")
    pooled = tf.nn.avg_pool2d(value, SHAPE[1:3], 1, "VALID", name=POOL)
    head = random.normal(0, 0.3, (32, 12)).astype(np.float32)
    tf.matmul(tf.reshape(pooled, (1, 32)), head, name="out")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    x = np.random.default_rng(5).uniform(0, 1, SHAPE).astype(np.float32)
    fields = {"low": -10.0, "high": 10.0, "cosine": 0.9999, "psnr": 50.0}
    write = functools.partial(write_toy, build=bottleneck, inputs={"x": [x]}, **fields)
    return prepared(tmp_path_factory.mktemp("bottleneck"), write).store


class Bare:
    """The emulator that leaves nothing to the host, as a device of a user's own."""

    def __init__(self, profile="mlu270"):
        self._inner = open_device(DeviceRequest("emulator", profile))

    def info(self):
        return dataclasses.replace(self._inner.info(), kind="bare")

    def open(self, graph, fetches, **options):
        return self._inner.open(graph, fetches, **options)

    def close(self):
        self._inner.close()


def emulator():
    return open_device(DeviceRequest("emulator"))


@pytest.mark.parametrize("device", [emulator, Bare])
def test_a_pool_behind_ten_int8_layers_is_not_to_blame(store, device):
    diagnosis = diagnosed(device(), "int8-fp16", store)
    first, pool = diagnosis.culprits
    assert (first.kind, first.what) == ("precision", "Conv2D, MatMul")
    assert {f"layer_{layer}/Conv2D" for layer in range(LAYERS)} < set(first.nodes)
    assert (pool.what, pool.effect.how) == (POOL, "exact")
    assert 1.5 < pool.excess < 4
    assert not pool.effect.after.accepted
    text = report(diagnosis, store)
    assert "Repairing this does not help: pool. It fails by itself, at 2" in text
    assert "Measured: with pool computed exactly on what reaches it the output goes from cosine 0.999" in text
    assert text.index("Culprit 1: the precision itself, at 11 nodes") < text.index("Repairing this")


def test_its_golden_would_have_made_the_network_right(store):
    """This is why its golden in place shows nothing: all error passes through it."""
    passes = ForwardPasses(emulator(), expectations(store), 0)
    assert passes.fused(PRECISION, [0], goldens=[POOL]).accepted


@pytest.mark.parametrize("nodes", [[POOL], ["layer_3/Conv2D", "layer_7/Conv2D"], ["layer_0/Conv2D"]])
@pytest.mark.parametrize("precision", ["int8-fp16", "int16-fp32"])
def test_the_host_and_a_splice_agree(store, nodes, precision):
    hosted, precision = Hosted(nodes=frozenset(nodes)), parse_precision(precision)
    by_host = ForwardPasses(emulator(), expectations(store), 0).fused(precision, [0], hosted=hosted)
    spliced = ForwardPasses(Bare(), expectations(store), 0).spliced(precision, [0], nodes)
    assert decibels(spliced) == pytest.approx(decibels(by_host), abs=0.5)


def test_nodes_that_read_each_other_wait_for_each_other(store):
    graph = store.network.graph
    assert levels(graph, [POOL, "layer_3/relu", "layer_0/Conv2D"]) == [
        ["layer_0/Conv2D"],
        ["layer_3/relu"],
        [POOL],
    ]
    assert levels(graph, []) == []


def test_of_a_long_chain_goldens_are_put_in_place_and_the_report_says_so(store):
    nodes = [f"layer_{layer}/Conv2D" for layer in range(LAYERS)]
    blamed = culprit("Conv2D", "operator", nodes)
    without = Counterfactuals(ForwardPasses(Bare(), expectations(store), 0), PRECISION, [0])
    effect = without.effect([blamed], nodes, quality(7.0))
    assert (effect.how, without.spent) == ("golden", 0)
    assert "which takes away inherited errors, too," in repaired(blamed, effect)


class Silent(Bare):
    """Gives nothing but outputs of the whole network."""

    def open(self, graph, fetches, **options):
        if "out" not in fetches:
            raise DeviceError("no such part")
        return super().open(graph, fetches, **options)


def test_where_nothing_reaches_the_host_goldens_are_put_in_place(store):
    without = Counterfactuals(ForwardPasses(Silent(), expectations(store), 0), PRECISION, [0])
    effect = without.effect([culprit(POOL, "node", [POOL])], [POOL], quality(7.0))
    assert effect.how == "golden"
    assert effect.after.accepted
