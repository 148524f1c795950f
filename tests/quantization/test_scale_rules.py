"""The rules by which scales follow from values: which integers they reach, and where they agree."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.emulation import frozen, placeholder

from conformance.numerics.fixed_point import quantization_scale
from conformance.quantization.calibration import calibrate, largest_magnitudes
from conformance.quantization.scale_rules import LARGEST, RULES, TWO_SIDED

magnitudes = st.floats(1e-6, 1e6)


@given(magnitudes, st.sampled_from(["min", "max"]), st.sampled_from([8, 16]))
def test_each_rule_reaches_the_last_integer_of_its_side(magnitude, end, bits):
    limit = 2 ** (bits - 1)
    reached = {name: rule.scale(magnitude, end, bits) * magnitude for name, rule in RULES.items()}
    assert math.isclose(reached[LARGEST], limit - 1, rel_tol=1e-12)
    assert math.isclose(reached[TWO_SIDED], limit if end == "min" else limit - 1, rel_tol=1e-12)


def test_the_default_is_the_rule_of_the_parameter_file():
    assert next(iter(RULES)) == LARGEST
    assert RULES[LARGEST].scale(139.0, "min", 8) == quantization_scale(139.0, 8)


@pytest.mark.parametrize("rule", RULES)
def test_zeros_have_no_scale(rule):
    with pytest.raises(ValueError, match="tensor of zeros"):
        RULES[rule].scale(0.0, "max", 8)


def test_extremes_are_those_of_all_samples():
    def build(tf):
        tf.linalg.matmul(placeholder(tf, shape=(1, 2)), np.array([[3.0], [-4.0]], np.float32), name="o")

    samples = [{"x": np.array([pair], np.float32)} for pair in ((1, -2), (0.5, -8), (4, 0))]
    largest = largest_magnitudes(frozen(build, "o"), samples)
    assert (largest, largest.negative) == ({"o/input": 8.0, "o/filter": 4.0}, {"o/input", "o/filter"})
    other = largest_magnitudes(frozen(build, "o"), [{"x": np.array([[8, -8]], np.float32)}])
    assert other.negative == {"o/filter"}
    assert calibrate(largest, 8, TWO_SIDED).scales == {"o/input": 16.0, "o/filter": 32.0}
    assert calibrate(largest, 8).scales == {"o/input": 15.875, "o/filter": 31.75}
