"""From failing nodes to culprits: segments of the cut graph, where failures begin, what is grouped."""

import functools

import pytest
from diagnosis.handmade import errors
from hypothesis import given
from hypothesis import strategies as st
from support.emulation import frozen, placeholder

from conformance.diagnosis.culprits import APART, REFINED, Segments, failing, grouped

BLOCKS = 10
"""Blocks of the chain; more than are looked into."""


@functools.cache
def graph():
    """Return a chain of blocks: neg_i, exp_i, tanh_i (key), and a Neg alone (key) behind them."""

    def build(tf):
        value = placeholder(tf, "x", (2, 2))
        for index in range(BLOCKS):
            value = tf.exp(tf.negative(value, name=f"neg_{index}"), name=f"exp_{index}")
            value = tf.tanh(value, name=f"tanh_{index}")
        tf.negative(value, name="last")

    return frozen(build, "last")


OPERATORS = {"neg": "Neg", "exp": "Exp", "tanh": "Tanh", "last": "Neg"}
KEY = [*(f"tanh_{index}" for index in range(BLOCKS)), "last"]
ALL = [name for index in range(BLOCKS) for name in (f"neg_{index}", f"exp_{index}", f"tanh_{index}")] + [
    "last"
]


def segments(key=KEY):
    return Segments(graph(), key, ALL)


def own(names, fails=(), **more):
    return [errors(name, OPERATORS[name.split("_")[0]], fails=name in fails, **more) for name in names]


def operators(names=ALL):
    return [OPERATORS[name.split("_")[0]] for name in names]


def test_failing_are_nodes_that_deviate_break_or_are_declined():
    items = [errors(name, outcome=name) for name in ("conforms", "deviates", "broken", "unsupported")]
    assert [item.node for item in failing(items)] == ["deviates", "broken", "unsupported"]


def test_a_piece_is_what_a_key_node_computes_of_goldens():
    assert segments().inside("tanh_3") == ["neg_3", "exp_3"]
    assert segments().inside("last") == []
    assert segments(["last"]).inside("last") == [name for name in ALL if name != "last"]


def test_only_failing_pieces_of_several_operators_are_looked_into():
    assert segments().unclear(own(KEY, ["tanh_2", "last"])) == ["tanh_2"]
    assert segments().to_judge(["tanh_2"]) == ["neg_2", "exp_2", "tanh_2"]
    assert len(segments().to_judge(KEY[:-1])) == 3 * REFINED


def test_a_type_that_always_fails_alone_needs_no_closer_look():
    """Key nodes exp_0 and tanh_0: tanh_0 is a segment by itself, the other Tanh are not."""
    key = ["exp_0", *KEY]
    assert segments(key).unclear(own(key, ["tanh_0", "tanh_1"])) == []
    assert segments(key).unclear(own(key, ["tanh_1"])) == ["tanh_1"]


def test_one_that_is_much_farther_off_is_looked_into_all_the_same():
    key = ["exp_0", *KEY]
    found = own(["exp_0"]) + own(["tanh_0", "tanh_2"], KEY) + own(["tanh_1"], KEY, excess=APART * 50 + 1)
    assert segments(key).unclear(found) == ["tanh_1"]


def begun(found, inner, key=KEY):
    return [item.node for item in segments(key).origins(found, inner)]


def test_a_failure_begins_where_nothing_before_it_fails():
    inner = own(["neg_2", "exp_2", "tanh_2"], ["exp_2", "tanh_2"])
    assert begun(own(KEY, ["tanh_2"]), inner) == ["exp_2"]


def test_a_key_node_whose_inner_nodes_are_right_is_to_blame_itself():
    inner = own(["neg_2", "exp_2", "tanh_2"], ["tanh_2"])
    assert begun(own(KEY, ["tanh_2"]), inner) == ["tanh_2"]


def test_likes_of_the_innocent_are_not_blamed_unseen():
    looked = [f"{kind}_{index}" for index in range(REFINED) for kind in ("neg", "exp", "tanh")]
    guilty = [name for name in looked if not name.startswith("neg")]
    found = own(KEY, KEY[:-1])
    assert begun(found, own(looked, guilty)) == [f"exp_{index}" for index in range(REFINED)]


def test_likes_of_the_guilty_are_blamed_unseen():
    looked = [f"{kind}_{index}" for index in range(REFINED) for kind in ("neg", "exp", "tanh")]
    found = own(KEY, KEY[:-1])
    assert begun(found, own(looked, KEY)) == KEY[:-1]


def test_a_piece_of_one_operator_is_blamed_whatever_its_likes_are():
    inner = own(["neg_2", "exp_2", "tanh_2"], ["exp_2", "tanh_2"])
    assert begun(own(KEY, ["tanh_2", "last"]), inner) == ["exp_2", "last"]
    alone = ["exp_0", *KEY]  # tanh_0 is a segment by itself now
    assert begun(own(alone, ["tanh_0", "tanh_2"]), inner, alone) == ["tanh_0", "exp_2"]


def test_what_is_right_when_its_piece_is_fetched_is_cleared():
    found = own(KEY, ["tanh_2", "tanh_3"])
    inner = own(["neg_2", "exp_2", "tanh_2"]) + own(["neg_3", "exp_3", "tanh_3"], ["tanh_3"])
    assert segments().cleared(found, inner) == ["tanh_2"]
    assert begun(found, inner) == ["tanh_3"]


def test_what_stands_in_a_failing_piece_is_not_known_to_be_right():
    found = own(KEY, ["tanh_2", "tanh_3"])
    inner = own(["neg_2", "exp_2", "tanh_2"], ["exp_2", "tanh_2"])
    assert set(ALL) - segments().looked_at(found, inner) == {"neg_3", "exp_3"}


def named(items, known=operators()):  # noqa: B008 - a constant
    return [(item.what, item.kind) for item in grouped(items, known, {})]


def test_a_type_is_to_blame_from_half_of_its_nodes_on():
    half = [f"exp_{index}" for index in range(BLOCKS // 2)]
    assert named(own(half, half)) == [("Exp", "operator")]
    assert named(own(half[:-1], half)) == [(name, "node") for name in half[:-1]]


def test_a_node_alone_is_never_a_type():
    assert named(own(["last"], ["last"]), ["Neg"]) == [("last", "node")]


def test_a_node_that_is_much_farther_off_stands_apart():
    far = own(["exp_4"], ["exp_4"], excess=APART * 50 + 1)
    rest = own([f"exp_{index}" for index in range(BLOCKS) if index != 4], ALL)
    assert named([*far, *rest]) == [("Exp", "operator"), ("exp_4", "node")]
    nearer = own(["exp_4"], ["exp_4"], excess=APART * 50)
    assert named([*nearer, *rest]) == [("Exp", "operator")]


def test_a_node_that_gave_no_number_is_farthest_off():
    items = [*own(["exp_1"], ["exp_1"]), errors("exp_2", "Exp", outcome="broken", excess=None)]
    (culprit,) = grouped(items, ["Exp", "Exp"], {"exp_2": "it hung"})
    assert (culprit.worst, culprit.excess, culprit.failure) == ("exp_2", None, "it hung")


@given(st.sets(st.sampled_from(ALL), min_size=1), st.data())
def test_every_failure_that_begins_is_in_exactly_one_culprit(names, data):
    items = [
        errors(name, OPERATORS[name.split("_")[0]], fails=True, excess=data.draw(st.floats(1.1, 1e6)))
        for name in sorted(names)
    ]
    culprits = grouped(items, operators(), {})
    assert sorted(node for culprit in culprits for node in culprit.nodes) == sorted(names)
    for culprit in culprits:
        assert culprit.worst in culprit.nodes
        assert culprit.what in ({culprit.worst} if culprit.kind == "node" else set(OPERATORS.values()))


@pytest.mark.parametrize("fails", [[], ["last"]])
def test_nothing_is_looked_into_without_need(fails):
    assert segments().unclear(own(KEY, fails)) == []
