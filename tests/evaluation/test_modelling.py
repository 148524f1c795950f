"""A result rests on what it is computed from, up to what goldens stood in for."""

import pytest
from support.emulation import frozen, placeholder

from conformance.evaluation.modelling import not_modelled


@pytest.fixture(scope="module")
def graph():
    """Two chains that meet: x1 - x2 - x3 and y1 - y2, then both."""

    def build(tf):
        ends = []
        for name, length in (("x", 3), ("y", 2)):
            value = placeholder(tf, name.upper(), (2,))
            for number in range(1, length + 1):
                value = tf.tanh(value, name=f"{name}{number}")
            ends.append(value)
        tf.add(*ends, name="both")

    return frozen(build, "both")


@pytest.mark.parametrize(
    ("unmodelled", "resting"),
    [
        ([], set()),
        (["x2"], {"x2", "x3", "both"}),
        (["y2"], {"y2", "both"}),
        (["x3", "y1"], {"x3", "y1", "y2", "both"}),
        (["elsewhere"], {"x1", "x2", "x3", "y1", "y2", "both"}),
    ],
)
def test_what_comes_after_an_unmodelled_node_rests_on_it(graph, unmodelled, resting):
    fetches = [name for name in graph.nodes if name.islower()]
    assert set(not_modelled(graph, fetches, unmodelled, "int8-fp16")) == resting


def test_a_sentence_names_three_and_counts_the_others(graph):
    found = not_modelled(graph, ["both"], ["x1", "x2", "x3", "y1", "elsewhere"], "int8-fp16")
    named = "x1 (Tanh), x2 (Tanh), x3 (Tanh) and 2 more"
    assert found == {"both": f"its numerics at int8-fp16 are not modelled: {named} ran in float"}
