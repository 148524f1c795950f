"""Outputs held to what right devices reach along the network: luck of these is no limit."""

import numpy as np
import pytest

from conformance.judging.bounds import ErrorValues
from conformance.judging.comparison import compare_sample
from conformance.judging.fused_verdicts import held_to_right
from conformance.judging.verdicts import Acceptance, accept_comparisons

CERTAIN = np.array([[1.0, 1e-9, 3e-9, 0.0, 2e-10]], np.float32)
"""A Softmax that is certain: right devices give it to the bit, or nearly."""
LUCKY = ErrorValues(0.0, 1e-21, 1e-10, 1e-20)
SQUARE = float(np.mean(np.square(CERTAIN)))


def held(result, golden_square=SQUARE, reached=LUCKY):
    compared = [compare_sample(CERTAIN, result, "out")]
    accepted = accept_comparisons(compared, Acceptance(cosine=0.99), 1.0)
    return held_to_right(accepted, compared, reached, "int16-fp32", golden_square).outcome


@pytest.mark.parametrize("ulps", [1, 2, 4])
def test_last_bits_are_right_where_the_ideal_device_had_luck(ulps):
    result = CERTAIN - np.float32(ulps * 2.0**-24) * (CERTAIN == 1)
    assert held(result) == "conforms"
    assert held(result, golden_square=0.0) == "deviates"


@pytest.mark.parametrize("error", [1e-6, 1e-3])
def test_more_than_last_bits_deviates(error):
    assert held(CERTAIN - np.float32(error)) == "deviates"


def test_where_right_devices_err_more_they_are_the_limit():
    far = ErrorValues(0.0, 1e-6, 1e-3, 1e-6)
    assert held(CERTAIN + np.float32(2e-3), reached=far) == "conforms"
    assert held(CERTAIN + np.float32(2e-2), reached=far) == "deviates"
