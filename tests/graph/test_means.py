"""A Mean written otherwise is the same Mean: by the law, in float64, and where the emulator's halves gain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import emulated, frozen, half_away, in_float64, placeholder

from conformance.graph.means import DIVIDED_FIRST, IN_TURN, REWRITES, rewritten_means


def mean_of(shape, axes, *, keep):
    def build(tf):
        tf.reduce_mean(placeholder(tf, shape=shape), axes, keepdims=keep, name="o")

    return frozen(build, "o")


@pytest.mark.parametrize("how", REWRITES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_it_is_the_same_mean(how, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=4)))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=2, max_size=len(shape), unique=True))
    keep = data.draw(st.booleans())
    graph = mean_of(shape, axes, keep=keep)
    written = rewritten_means(graph, how, {"o"})
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    assert sum(node.op in ("Mean", "Sum") for node in written.nodes.values()) == len(axes)
    found, wanted = in_float64(written, {"x": x})["o"], in_float64(graph, {"x": x})["o"]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)  # 1/n is a float32


def test_what_cannot_be_taken_apart_stays():
    alone = mean_of((2, 3, 4), [1], keep=True)
    assert rewritten_means(alone, IN_TURN, {"o"}) is None
    unknown = mean_of((None, None, 4), [1, 2], keep=True)
    assert rewritten_means(unknown, IN_TURN, {"o"}) is None
    assert rewritten_means(mean_of((2, 3, 4), [1, 2], keep=True), IN_TURN, {"other"}) is None


def test_what_the_emulator_gains():
    """The sum of a column passes 65504: the last axis first, no sum does; nor where shares are added."""
    x = np.zeros((1, 256, 256, 1), np.float32)
    x[:, :, 3] = 1024
    graph = mean_of(x.shape, [1, 2], keep=True)
    plain = emulated(graph, {"x": x}).item()
    found = {how: emulated(rewritten_means(graph, how, {"o"}), {"x": x}).item() for how in REWRITES}
    assert plain == half_away(np.float32(65504 / 65536))
    assert found == {IN_TURN: 4, DIVIDED_FIRST: 4}
