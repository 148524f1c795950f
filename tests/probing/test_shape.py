"""The tree that a picture shows is the one by which sums are computed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.probing.formats import HALF
from conformance.probing.orders import ORDERS, total, words
from conformance.probing.shape import shown, tree, without


def added(part, terms):
    """Return the sum of a tree, rounded after each addition."""
    if isinstance(part, int):
        return terms[part]
    return HALF.round(sum(added(item, terms) for item in part))


def leaves(part):
    return [part] if isinstance(part, int) else [leaf for item in part for leaf in leaves(item)]


@given(st.lists(st.integers(-2047, 2047), min_size=1, max_size=150), st.sampled_from(ORDERS))
def test_a_tree_gives_the_sum_of_its_order(values, order):
    terms = HALF.round(np.array(values, np.float64) / 8)
    assert added(tree(order, range(len(terms))), terms) == total(order, terms[:, None], HALF.round)[0]


@pytest.mark.parametrize("order", ORDERS, ids=words)
def test_what_is_shown_keeps_its_places(order):
    whole, kept = tree(order, range(256)), shown(order, 256)
    assert kept == sorted(set(kept))
    part = without(whole, kept)
    assert leaves(part) == [leaf for leaf in leaves(whole) if leaf in kept]
    assert {0, 255} & set(kept)


def test_without_all_its_terms_nothing_is_left():
    assert without(((0, 1), 2), []) is None
    assert without(((0, 1), 2), [0, 2]) == (0, 2)
