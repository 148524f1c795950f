"""A fault acts inside the computation, there and nowhere else."""

import numpy as np
import pytest
from diagnosis.planted import FAULTS
from diagnosis.planted_network import planted_store
from diagnosis.planting import dependents, planted, raw

from conformance.graph.execution import GraphRunner
from conformance.precision import parse_precision
from conformance.quantization.files import read_scales

NODE = "block_1/relu"
BEFORE, AFTER = "block_1/norm_1/normal", "block_1/second/Conv2D"


def network():
    return planted_store().network


def run(graph, *fetches):
    return GraphRunner(graph.prune(fetches), fetches)(network().feeds(0))


def test_a_fault_acts_on_what_follows_and_on_nothing_else():
    whole = network().graph
    doubled = planted(whole, [NODE], lambda _, __, right, *___: right + right)
    right, wrong = run(whole, BEFORE, NODE, AFTER), run(doubled, BEFORE, NODE, AFTER)
    assert np.array_equal(right[BEFORE], wrong[BEFORE])
    assert np.array_equal(2 * right[NODE], wrong[NODE])
    assert not np.array_equal(right[AFTER], wrong[AFTER])


def test_a_fault_sees_the_right_value_inputs_and_constants():
    seen = {}

    def fault(_, node, right, x, filters):
        seen.update(node=node, right=right, x=x, filters=filters)
        return right

    node = "up_1/Conv2D"
    same = planted(network().graph, [node], fault)
    assert seen["node"] == node
    assert seen["right"].shape == (1, 18, 18, 8)
    assert seen["x"].shape == (1, 18, 18, 8)
    assert isinstance(seen["filters"], np.ndarray)
    assert np.array_equal(run(same, node)[node], run(network().graph, node)[node])


def test_the_right_value_is_pruned_where_the_fault_does_not_read_it():
    graph = planted(network().graph, ["joined"], lambda tf, _, __, a, b, axis: tf.concat([b, a], axis))
    assert raw("joined") not in graph.nodes


@pytest.mark.parametrize("profile", ["ideal", "mlu270"])
def test_what_is_not_faulty_is_computed_as_without_the_fault(profile):
    fetches = ["style/norm_1/mean", "style/norm_1/variance", "style/norm_1/normal"]
    device = FAULTS["wrong_count"](profile)
    other = FAULTS["half_sums"](profile)
    precision = parse_precision("int16-fp16")
    scales = read_scales(network().directory, 16, network().graph)
    results = []
    for opened in (device, device.emulator, other):
        with opened.open(network().graph, fetches, precision=precision, scales=scales) as session:
            feeds = {name: network().feeds(0)[name] for name in ("Y",)}
            results.append(session.run(feeds))
    without, clean, halved = results
    for name in fetches:
        assert np.array_equal(without[name], clean[name])  # its fault is elsewhere
    assert np.array_equal(halved[fetches[0]], clean[fetches[0]])
    assert np.array_equal(halved[fetches[1]], clean[fetches[1]]) == (profile == "mlu270")


def test_dependents_are_all_that_need_a_node():
    graph = network().graph
    assert dependents(graph, "out") == []
    assert dependents(graph, "mul") == ["out"]
    assert "joined" in dependents(graph, "style/relu")
    assert "image/tanh" not in dependents(graph, "style/relu")
    assert dependents(graph, "missing") == []
