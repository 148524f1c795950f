"""The table of operators: its entries fit each other, TensorFlow, and the classes of the margins."""

from typing import get_args

import pytest

from conformance import locations
from conformance.graph.frozen import INPUT_OPERATORS
from conformance.graph.lazy_tensorflow import op_definition
from conformance.graph.operators import (
    CONTROL_FLOW,
    ELEMENTWISE,
    EXACT,
    MOVEMENT,
    OPERATORS,
    PRODUCT_SUMS,
    REDUCTIONS,
    SOURCES,
    STRUCTURAL,
    SUMS,
    MarginClass,
    known,
)
from conformance.judging.bounds import OPERATOR_CLASSES, read_margins


def test_margins_know_the_classes_of_the_table():
    assert get_args(MarginClass) == OPERATOR_CLASSES == tuple(read_margins(locations.MARGINS).classes)


@pytest.mark.parametrize(
    ("op", "margin_class", "treatment"),
    [
        ("MatMul", "fixed-point", "fixed point"),
        ("Mean", "reduction", "reduction"),
        ("MaxPool", "reduction", "reduction"),
        ("Softmax", "activation", "reduction"),
        ("Tanh", "activation", "elementwise"),
        ("Relu", "elementwise", "elementwise"),
        ("Pad", "movement", "movement"),
        ("Identity", "movement", "movement"),
        ("Erf", "activation", "elementwise"),
        ("DepthwiseConv2dNative", "reduction", "float products"),
        ("FFT", "other", "other"),
        ("MyOwnOperator", "other", "other"),
    ],
)
def test_what_is_known(op, margin_class, treatment):
    assert (known(op).margin_class, known(op).treatment) == (margin_class, treatment)


def test_an_operator_without_an_entry_is_not_modelled():
    assert known("MyOwnOperator").emulation is None


def test_derived_sets_fit_each_other():
    assert CONTROL_FLOW < STRUCTURAL < MOVEMENT < EXACT
    assert SUMS < REDUCTIONS
    assert not PRODUCT_SUMS & (ELEMENTWISE | EXACT | REDUCTIONS)
    assert INPUT_OPERATORS | {"Const"} == SOURCES


@pytest.mark.parametrize("op", OPERATORS)
def test_every_operator_is_one_of_tensorflow(op):
    assert op_definition(op) is not None


@pytest.mark.parametrize("op", OPERATORS)
def test_an_entry_is_complete_and_says_nothing_that_does_not_apply(op):
    entry = known(op)
    fixed = entry.treatment == "fixed point"
    assert fixed == (entry.margin_class == "fixed-point") == (entry.emulation == "fixed point")
    products = fixed or entry.treatment == "float products"
    assert products == bool(entry.summed_axes)
    assert products or (entry.window_axes, entry.data_arguments) == (0, (0, 1))
    assert (entry.treatment == "reduction") == (entry.reduces is not None)
    assert (entry.running_sum is not None) == (entry.emulation == "running sum")
    assert entry.hands_on is None or entry.treatment == "movement"
    assert entry.margin_class != "other"


@pytest.mark.parametrize("op", sorted(MOVEMENT))
def test_what_only_moves_data_has_the_margin_of_movement(op):
    """Not so a Cast, which rounds."""
    assert known(op).margin_class == ("elementwise" if op == "Cast" else "movement")
