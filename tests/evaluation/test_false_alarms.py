"""Which devices are counted as right, and where."""

import numpy as np
import pytest
from support.emulation import frozen, placeholder

from conformance.evaluation.false_alarms import OTHER_WAYS, right_at


def pool(tf, x):
    tf.nn.avg_pool2d(x, 2, 1, "VALID", name="o")


def mean(tf, x):
    tf.raw_ops.Mean(input=x, axis=np.array([1, 2], np.int32), name="o")


def largest(tf, x):
    tf.nn.max_pool2d(x, 2, 1, "VALID", name="o")


@pytest.mark.parametrize(("build", "everywhere"), [(pool, False), (mean, True), (largest, True)])
def test_a_device_that_stores_sums_between_axes_is_right_but_at_sums_of_windows(build, everywhere):
    part = frozen(lambda tf: build(tf, placeholder(tf, shape=(1, 4, 4, 2))), "o")
    wrong = {title for title, switches in OTHER_WAYS.items() if not right_at(part, switches)}
    by_axes = {title for title, switches in OTHER_WAYS.items() if "reduction_order" in switches}
    assert by_axes
    assert wrong == (set() if everywhere else by_axes)
