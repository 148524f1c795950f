"""Every operator is caught where it is broken in a way of its own, and shrunk to one small case."""

import pytest
from operators.broken_operators import FAULTS, broken

from conformance import locations
from conformance.judging.bounds import read_margins
from conformance.judging.waivers import WaiverLedger
from conformance.operators.judged_cases import CaseJudge
from conformance.operators.search import Search
from conformance.operators.table import TESTS
from conformance.precision import parse_precision

SMALL = 150
"""Numbers that the operands of a minimal case have together at most."""
NEEDS = {"GatherV2": 5100, "GatherNd": 5100, "OneHot": 10, "Relu": 150}
"""Operators of which a fault shows in a large table alone."""


def search_of(device):
    judge = CaseJudge(device, read_margins(locations.MARGINS), WaiverLedger(), model="ideal")
    precision = parse_precision("int8-fp32")
    return Search(lambda cases, laws: judge.judged(cases, precision, laws), lambda found: found, 2)


def test_every_operator_has_a_fault():
    assert set(FAULTS) == set(TESTS)
    assert len({test.op for test in TESTS.values()}) >= 70


@pytest.mark.parametrize("name", TESTS)
def test_what_is_broken_is_caught_and_shrunk(name):
    found = search_of(broken(name)).alone(name)
    assert found is not None, f"{name} passes although it is broken"
    assert found.case.elements <= NEEDS.get(name, SMALL), found.case.in_words
