"""Bisection over breaks of fusion, and when fusion is suspected at all."""

import math

import pytest
from diagnosis.handmade import EXACT, NOTHING, quality
from hypothesis import given
from hypothesis import strategies as st

from conformance.diagnosis.blame import breaking_node, fusion_spoils, nearer_to_chained


@given(st.integers(1, 400), st.data())
def test_the_node_is_found_in_few_steps(count, data):
    nodes = [f"n{index}" for index in range(count)]
    faulty = data.draw(st.sampled_from(nodes))
    asked = []

    def right(broken):
        asked.append(broken)
        return faulty in broken

    assert breaking_node(nodes, right) == faulty
    assert len(asked) <= math.ceil(math.log2(count)) if count > 1 else not asked


@given(st.integers(2, 60), st.data())
def test_of_several_faults_the_last_is_found(count, data):
    nodes = [f"n{index}" for index in range(count)]
    faulty = data.draw(st.sets(st.sampled_from(nodes), min_size=1))
    found = breaking_node(nodes, faulty.issubset)
    assert found == max(faulty, key=nodes.index)


@pytest.mark.parametrize(
    ("fused", "chained", "spoils"),
    [
        (quality(50), quality(50), False),
        (quality(50), quality(10), False),
        (quality(10), quality(50), True),
        (NOTHING, quality(50), True),
        (NOTHING, NOTHING, False),
        (quality(10), EXACT, True),
        (quality(20), quality(25), False),
        (quality(20), quality(27), True),
    ],
)
def test_fusion_is_suspected_where_outputs_are_plainly_better_without(fused, chained, spoils):
    assert fusion_spoils(fused, chained) == spoils


def test_a_break_counts_where_it_makes_outputs_accepted():
    assert nearer_to_chained(quality(45), quality(10), quality(50))
    assert not nearer_to_chained(quality(39), quality(10), quality(50))


def test_where_nothing_is_accepted_a_break_counts_that_is_nearer_to_the_chained_outputs():
    assert nearer_to_chained(quality(21), quality(10), quality(30))
    assert not nearer_to_chained(quality(19), quality(10), quality(30))
