"""Dominators, held against their definition: without its dominator, a node is out of reach."""

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.graph.blocks import OUTSIDE, dominators, post_dominators


@st.composite
def flows(draw):
    """Return a graph of ``n`` nodes, perhaps with loops, and a few sources."""
    count = draw(st.integers(2, 9))
    names = [f"n{index}" for index in range(count)]
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names))
    flow = nx.DiGraph()
    flow.add_nodes_from(names)
    flow.add_edges_from(draw(st.lists(pairs, max_size=20)))
    return flow, draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))


def reached(flow, sources, without=None):
    """Return what the sources reach when one node is taken out."""
    left = flow.subgraph(name for name in flow if name != without)
    found = set(sources) & set(left)
    return found.union(*(nx.descendants(left, source) for source in found))


def strict_dominators(flow, sources):
    """Return for each reached node all others without which it is not reached."""
    everything = reached(flow, sources)
    lost = {name: everything - reached(flow, sources, name) - {name} for name in everything}
    return {node: {name for name in everything if node in lost[name]} for node in everything}


@given(case=flows())
@settings(max_examples=200, deadline=None)
def test_the_immediate_dominator_is_the_last_of_all(case):
    flow, sources = case
    expected = strict_dominators(flow, sources)
    found = dominators(flow, sources)
    assert set(found) == set(expected)
    for node, above in expected.items():
        if not above:
            assert found[node] == OUTSIDE
        else:
            assert found[node] in above
            assert expected[found[node]] == above - {found[node]}


@given(case=flows())
@settings(max_examples=50, deadline=None)
def test_post_dominators_are_dominators_backwards(case):
    flow, outputs = case
    assert post_dominators(flow, outputs) == dominators(flow.reverse(), outputs)


def test_sources_that_are_not_in_the_flow_reach_nothing():
    flow = nx.DiGraph([("a", "b")])
    assert dominators(flow, ["elsewhere"]) == {}
    assert dominators(flow, ["b", "elsewhere"]) == {"b": OUTSIDE}
