"""The committed margins and the operator table say the same of an operator."""

import pytest

from conformance import locations
from conformance.graph import operators
from conformance.judging.bounds import read_margins


@pytest.fixture(scope="module")
def margins():
    return read_margins(locations.MARGINS)


@pytest.mark.parametrize("op", sorted(operators.FIXED_POINT))
def test_fixed_point_operators_have_the_fixed_point_margin(margins, op):
    assert margins.operator_class(op) == "fixed-point"


@pytest.mark.parametrize("op", sorted(operators.MOVEMENT - {"Cast"}))
def test_what_only_moves_data_has_the_margin_of_movement(margins, op):
    assert margins.operator_class(op) == "movement"


@pytest.mark.parametrize("op", sorted(operators.ELEMENTWISE | operators.EXACT | operators.REDUCTIONS))
def test_no_known_operator_falls_to_the_margin_of_unknown_ones(margins, op):
    assert margins.operator_class(op) != "other" or op == "Clip"


def test_an_unknown_operator_has_the_margin_of_unknown_ones(margins):
    assert margins.operator_class("NoSuchOperator") == "other"
