"""Terms of sums: how many there are, and the sum of their absolute values."""

import numpy as np
import pytest
from support.emulation import placeholder
from support.toy_network import store_of

from conformance.expected.terms import SummedTerms


def sums_of(directory, build, **arrays):
    """Return the terms of the network that ``build`` makes, on these inputs."""
    store = store_of(directory, build, **arrays)
    sums = SummedTerms(store)
    names = [node.name for node in store.manifest.nodes]
    for sample, goldens in store.computed(names):
        sums.add(sample, goldens)
    found = {name: sums.of(name) for name in names}
    return {name: terms for name, terms in found.items() if terms.terms}


def terms_of(directory, build, **arrays):
    return {name: found.terms for name, found in sums_of(directory, build, **arrays).items()}


def test_terms_of_sums_over_inputs_and_of_computed_matmuls(tmp_path):
    """Sums right behind a placeholder, matmuls without a constant, transposed arguments, control inputs."""
    random = np.random.default_rng(1)

    def build(tf):
        x, y = placeholder(tf, shape=(2, 5, 7)), placeholder(tf, "y", (2, 7, 3))
        product = tf.raw_ops.BatchMatMulV2(x=x, y=y, name="product")
        turned = tf.raw_ops.BatchMatMulV2(x=y, y=x, adj_x=True, adj_y=True, name="turned")
        constant = tf.raw_ops.BatchMatMulV2(
            x=tf.tanh(x), y=np.ones((2, 4, 7), np.float32), adj_y=True, name="constant"
        )
        plain = tf.linalg.matmul(x[0], x[1], transpose_a=True, name="plain")
        with tf.control_dependencies([product]):
            mean = tf.reduce_mean(x, [1, 2], name="mean")
        depthwise = tf.nn.depthwise_conv2d(
            x[None], np.ones((2, 3, 7, 1), np.float32), [1, 1, 1, 1], "VALID", name="depthwise"
        )
        sums = [tf.reduce_sum(value) for value in (product, turned, constant, plain, mean, depthwise)]
        tf.add_n(sums, name="o")

    terms = terms_of(tmp_path, build, x=random.random((2, 5, 7)), y=random.random((2, 7, 3)))
    assert terms["product"] == terms["turned"] == terms["constant"] == 7
    assert terms["plain"] == 5
    assert terms["mean"] == 35
    assert terms["depthwise"] == 6


def test_terms_of_average_pools_and_of_a_softmax(tmp_path):
    random = np.random.default_rng(2)

    def build(tf):
        x = placeholder(tf, shape=(2, 5, 7, 3))
        about = {"value": x, "strides": [1, 1, 1, 1]}
        pools = [
            tf.raw_ops.AvgPool(**about, ksize=[1, 3, 2, 1], padding="VALID", name="small"),
            tf.raw_ops.AvgPool(**about, ksize=[1, 9, 9, 1], padding="SAME", name="wider_than_the_image"),
        ]
        share = tf.nn.softmax(x, name="share")
        tf.add_n([tf.reduce_max(value) for value in (*pools, share)], name="o")

    x = random.standard_normal((2, 5, 7, 3))
    found = sums_of(tmp_path, build, x=x)
    assert found["small"].terms == 6
    assert found["wider_than_the_image"].terms == 35
    assert found["share"].terms == 3
    windows = np.lib.stride_tricks.sliding_window_view(np.abs(x.astype(np.float32)), (3, 2), axis=(1, 2))
    assert found["small"].magnitude == pytest.approx(windows.mean((-1, -2)).max(), rel=1e-6)
    assert found["small"].magnitude_square == pytest.approx((windows.mean((-1, -2)) ** 2).mean(), rel=1e-6)
    shares = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    assert found["share"].magnitude == pytest.approx(shares.max(), rel=1e-6)
    assert found["share"].magnitude_square == pytest.approx((shares**2).mean(), rel=1e-6)


def test_terms_of_filters_that_are_computed(tmp_path):
    """The golden of a filter tells; one computed from constants alone has none: at most all that is read."""

    def build(tf):
        x, filters = placeholder(tf, shape=(1, 6, 6, 3)), placeholder(tf, "w", (2, 2, 3, 3))
        about = {"strides": [1, 1, 1, 1], "padding": "SAME"}
        computed, folded = tf.tanh(filters), tf.exp(tf.ones((2, 2, 3, 3)))
        nodes = [
            tf.raw_ops.Conv2D(input=x, filter=computed, name="computed", **about),
            tf.raw_ops.Conv2D(input=x, filter=folded, name="folded", **about),
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=(1, 6, 6, 3), filter=filters, out_backprop=x, name="turned", **about
            ),
        ]
        tf.add_n([tf.reduce_max(node) for node in nodes], name="o")

    random = np.random.default_rng(3)
    terms = terms_of(tmp_path, build, x=random.random((1, 6, 6, 3)), w=random.random((2, 2, 3, 3)))
    assert terms == {"computed": 12, "folded": 108, "turned": 12}
