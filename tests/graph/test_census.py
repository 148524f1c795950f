"""The census of operators: counts on small graphs and on BeautyGAN."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import ROOT, frozen, placeholder

from conformance.graph.dataflow import dataflow
from conformance.graph.explanations import census
from conformance.graph.structure import Structure
from conformance.networks import Network


def test_beautygan():
    counts = census(Structure(Network(ROOT / "fixtures/networks/beautygan").graph))
    assert [(entry.op, entry.count, entry.treatment) for entry in counts] == [
        ("ConcatV2", 1, "movement"),
        ("Tanh", 1, "elementwise"),
        ("ResizeNearestNeighbor", 2, "movement"),
        ("Relu", 14, "elementwise"),
        ("Rsqrt", 20, "elementwise"),
        ("SquaredDifference", 20, "elementwise"),
        ("StopGradient", 20, "movement"),
        ("Sub", 20, "elementwise"),
        ("Conv2D", 21, "fixed point"),
        ("Mean", 40, "reduction"),
        ("Add", 46, "elementwise"),
        ("Mul", 60, "elementwise"),
    ]
    assert counts[0].first == "generator/concat"
    assert counts[9].first == "generator/InstanceNorm/moments/mean"
    assert counts[9].share == 40 / 265


@given(operators=st.lists(st.sampled_from(["exp", "tanh", "square", "abs"]), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_every_node_of_the_dataflow_is_counted_once(operators):
    def build(tf):
        x = placeholder(tf, shape=(3,))
        for op in operators:
            x = getattr(tf, op)(x)
        tf.add(x, tf.exp(tf.constant(1.0)), name="o")

    graph = frozen(build, "o")
    counts = census(Structure(graph))
    assert sum(entry.count for entry in counts) == len(dataflow(graph)) - 1
    assert sum(entry.share for entry in counts) == pytest.approx(1)
    assert [entry.count for entry in counts] == sorted(entry.count for entry in counts)
    assert {entry.op.lower(): entry.count for entry in counts} == {
        **{op: operators.count(op) for op in operators},
        "addv2": 1,
    }
    order = [node.name for node in graph.nodes.values()]
    for entry in counts:
        same = [node.name for node in graph.nodes.values() if node.op == entry.op and node.input[0] in order]
        assert entry.first in same
        assert all(order.index(entry.first) <= order.index(name) for name in same if name in dataflow(graph))
