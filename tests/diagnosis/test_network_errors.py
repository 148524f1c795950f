"""Own, inherited and chained errors, what is amplified, and which branch a node is of."""

import functools
import math

import pytest
from diagnosis.handmade import attainable, errors, finding
from hypothesis import given
from hypothesis import strategies as st
from support.emulation import frozen, placeholder

from conformance.diagnosis.network_errors import branches_of, errors_along, reading, segment, side_by_side
from conformance.graph.dataflow import dataflow

NODES = ["a", "b", "join", "mid", "out"]
OPERATORS = {"a": "Tanh", "b": "Tanh", "join": "AddV2", "mid": "Neg", "out": "Tanh"}


@functools.cache
def graph():
    """Return x → a, y → b, (a, b) → join → mid → out, and a constant beside."""

    def build(tf):
        a, b = (tf.tanh(placeholder(tf, name, (2, 2)), name=node) for name, node in ("xa", "yb"))
        tf.tanh(tf.negative(tf.add(a, b + 1.0, name="join"), name="mid"), name="out")

    return frozen(build, "out")


def along(own, chained):
    """Return the errors of nodes with these mean squared errors, by name."""
    found = errors_along(
        graph(),
        {node: finding(node, OPERATORS[node], mse) for node, mse in own.items()},
        {node: finding(node, OPERATORS[node], mse, mode="chained") for node, mse in chained.items()},
        {node: attainable(golden_square=4.0) for node in {*own, *chained}},
    )
    return {item.node: item for item in found}


def test_errors_are_relative_to_the_golden():
    item = along({"a": 1e-2}, {"a": 4e-2})["a"]
    assert (item.own, item.chained, item.attainable) == (0.05, 0.1, 0.005)
    assert item.excess == pytest.approx(1.0)


def test_what_is_inherited_is_what_the_own_error_does_not_explain():
    found = along({"join": 9e-4, "out": 9e-4}, {"join": 25e-4, "out": 4e-4})
    assert found["join"].inherited == pytest.approx(math.sqrt(25e-4 - 9e-4) / 2)
    assert found["out"].inherited == 0.0  # an error may cancel what reached it


def test_amplification_is_of_the_worse_of_what_a_node_reads():
    found = along(dict.fromkeys(NODES, 0.0), {"a": 1e-4, "b": 4e-4, "join": 16e-4, "mid": 16e-4, "out": 4e-4})
    assert found["a"].amplification is None
    assert found["join"].amplification == pytest.approx(2.0)
    assert found["out"].amplification == pytest.approx(0.5)


def test_key_nodes_are_read_through_others():
    found = along({"a": 0.0, "out": 0.0}, {"a": 1e-4, "out": 9e-4})
    assert found["out"].amplification == pytest.approx(3.0)


def test_nodes_that_gave_nothing_have_no_errors():
    own = {"a": finding("a", "Tanh", state="broken"), "out": finding("out", "Tanh")}
    first, last = errors_along(graph(), own, {}, dict.fromkeys(own, attainable()))
    assert (first.outcome, first.own, first.excess, first.inherited) == ("broken", None, None, None)
    assert (last.own, last.chained, last.amplification) == (0.01, None, None)


def test_a_zero_golden_has_absolute_errors():
    found = errors_along(graph(), {"a": finding("a", "Tanh", 4e-4)}, {}, {"a": attainable(golden_square=0.0)})
    assert found[0].own == 0.02


def test_an_error_over_a_bound_of_zero_is_no_number():
    found = errors_along(graph(), {"a": finding("a", "Tanh", 1e-4, limit=0.0)}, {}, {"a": attainable()})
    assert (found[0].outcome, found[0].excess) == ("deviates", None)


def test_branches_are_the_inputs_that_a_node_descends_from():
    branches = branches_of(graph())
    assert [branches[node] for node in NODES] == ["x", "y", "x+y", "x+y", "x+y"]
    assert "" in branches.values()  # the constant


def test_reading_and_segment():
    flow = dataflow(graph())
    assert reading(flow, "out", {"a", "b"}) == ["a", "b"]
    assert reading(flow, "out", {"mid", "a"}) == ["mid"]
    assert sorted(segment(flow, "out", {"a", "b"})) == ["add", "join", "mid"]
    assert segment(flow, "out", {"mid"}) == []
    assert reading(flow, "elsewhere", {"a"}) == []


SIDE = st.builds(
    errors,
    st.uuids().map(str),
    st.sampled_from(["Conv2D", "Mean"]),
    branch=st.sampled_from(["x", "y", "z", "x+y"]),
)


@given(st.lists(SIDE))
def test_every_node_has_one_place(items):
    rows, alone = side_by_side(items)
    placed = [item for row in rows for item in row] + alone
    assert sorted(item.node for item in placed) == sorted(item.node for item in items)
    for row in rows:
        assert len({item.op for item in row}) == 1
        assert len({item.branch for item in row}) == len(row) > 1


def test_branches_are_side_by_side_while_their_operators_agree():
    x = [errors("x1"), errors("x2", "Mean"), errors("x3", "Relu"), errors("x4")]
    y = [errors(f"y{i}", op, branch="y") for i, op in enumerate(("Conv2D", "Mean", "Tanh"), 1)]
    joined = errors("j", branch="x+y")
    rows, alone = side_by_side([*x, *y, joined])
    assert [[item.node for item in row] for row in rows] == [["x1", "y1"], ["x2", "y2"]]
    assert [item.node for item in alone] == ["x3", "x4", "y3", "j"]


def test_one_branch_has_nothing_beside_it():
    assert side_by_side([errors("a"), errors("b")]) == ([], [errors("a"), errors("b")])
