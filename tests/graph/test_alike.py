"""A graph in parts: where parts end, which are alike, and what a node needs."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder

from conformance.graph.alike import SPREAD, Parts
from conformance.graph.execution import GraphRunner

STEPS = 12


def unrolled(tf, *, slices=False, weights=lambda _: 0.5):
    """A state that is multiplied, and gets a part of the sequence, at every step."""
    x = placeholder(tf, "x", (1, STEPS, 4))
    wide = tf.tanh(x)
    sequence = [wide[:, step] for step in range(STEPS)] if slices else tf.unstack(wide, axis=1)
    state = tf.zeros((1, 4))
    for step in range(STEPS):
        kernel = tf.constant(weights(step), shape=(4, 4))
        state = tf.add(tf.matmul(state, kernel), sequence[step], name=f"state_{step}")
        tf.sigmoid(state, name=f"answer_{step}")


ANSWERS = tuple(f"answer_{step}" for step in range(STEPS))


@pytest.mark.parametrize("slices", [False, True])
def test_every_step_is_like_every_other(slices):
    parts = Parts(frozen(lambda tf: unrolled(tf, slices=slices), *ANSWERS), ANSWERS)
    answers = [part for part in parts.parts if part.fetches[0].startswith("answer")]
    assert len(answers) == STEPS
    assert (
        len({part.like for part in answers}) == 2
    )  # the last one's state has no other reader, so it is in it
    states = [part for part in parts.parts if "handed" in part.fetches[0]]
    assert len({part.like for part in states}) <= 4  # the sequence, the first state, the others
    assert parts.repeats


def test_other_numbers_are_not_alike():
    parts = Parts(frozen(lambda tf: unrolled(tf, weights=lambda step: 0.1 * step), *ANSWERS), ANSWERS)
    assert len({part.like for part in parts.parts}) > STEPS
    assert not parts.repeats


def test_what_must_be_the_same_beside_the_graph_tells_parts_apart():
    graph = frozen(unrolled, *ANSWERS)
    kinds, with_another = (
        len({part.like for part in Parts(graph, ANSWERS, also).parts})
        for also in ({}, {"answer_5": "another scale"})
    )
    assert with_another == kinds + 1


def test_parts_compute_what_the_whole_graph_does():
    graph = frozen(unrolled, *ANSWERS)
    feeds = {"x": np.random.default_rng(2).standard_normal((1, STEPS, 4)).astype(np.float32)}
    parts, fed, found = Parts(graph, ANSWERS), dict(feeds), {}
    for part in parts.parts:
        run = GraphRunner(parts.graph.prune(part.fetches), part.fetches)
        for name, value in run({name: fed[name] for name in part.reads}).items():
            if name in parts.handed:
                fed[parts.handed[name]] = value
            else:
                found[name] = value
    expected = GraphRunner(graph, ANSWERS)(feeds)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_node_needs_the_parts_before_it_and_no_others():
    parts = Parts(frozen(unrolled, *ANSWERS), ANSWERS)
    early = parts.needed(["answer_2"])
    fetched = [name for part in early for name in part.fetches if name.startswith("answer")]
    assert fetched == ["answer_2"]
    known = {name for part in early for name in part.reads if name != "x"}
    assert len(parts.needed(["answer_2"], known)) == 1


def test_few_slices_end_no_part():
    def build(tf):
        x = placeholder(tf, "x", (1, SPREAD, 2))
        wide = tf.tanh(x)
        tf.add_n([wide[:, step] for step in range(SPREAD - 1)], name="o")

    parts = Parts(frozen(build, "o"), ["o"])
    assert [part.fetches for part in parts.parts if part.fetches == ("o",)]
    assert all("strided_slice" not in name for part in parts.parts for name in part.fetches)


def test_a_loop_is_one_part():
    def build(tf):
        x = placeholder(tf, "x", (2, 3))
        end = tf.while_loop(lambda step, _: step < 5, lambda step, x: (step + 1, tf.tanh(x) + x), (0, x))
        tf.identity(end[1], name="o")

    parts = Parts(frozen(build, "o", control_flow_v2=False), ["o"])
    assert len(parts.parts) == 1
    assert not parts.repeats
