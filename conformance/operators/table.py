"""All operators that are tested, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.operators.case import OperatorCase
from conformance.operators.elementwise import ELEMENTWISE_TESTS
from conformance.operators.laws import Derived, derived_of
from conformance.operators.moving import MOVING_TESTS
from conformance.operators.operand import Operand
from conformance.operators.products import PRODUCT_TESTS
from conformance.operators.reducing import REDUCING_TESTS

if TYPE_CHECKING:
    from conformance.operators.tested import OperatorTest

TESTS: dict[str, OperatorTest] = {
    test.name: test for test in (*PRODUCT_TESTS, *REDUCING_TESTS, *ELEMENTWISE_TESTS, *MOVING_TESTS)
}

PRODUCTS = frozenset(test.name for test in PRODUCT_TESTS)
"""Of these, those that sum products, perhaps in fixed point."""

_AXES = (("axes", (0,)), ("keep_dims", False))

EDGES: tuple[OperatorCase, ...] = (
    OperatorCase("Mean", (Operand((1021,), "uniform"),), _AXES),
    OperatorCase("Sum", (Operand((1021,), "uniform"),), _AXES),
    OperatorCase(
        "AvgPool",
        (Operand((1, 7, 5, 3), "normal"),),
        (("ksize", (1, 3, 3, 1)), ("strides", (1, 2, 2, 1)), ("padding", "SAME")),
    ),
    OperatorCase("Round", (Operand((129,), "almost halves"),)),
    OperatorCase("Softmax", (Operand((3, 10), "logits"),)),
    OperatorCase("Sigmoid", (Operand((129,), "whole"),)),
    OperatorCase("AddV2/chain", tuple(Operand((129,), "uniform", seed) for seed in range(3))),
)
"""Cases that every search judges, whatever hypothesis draws: there a device is known to have its own ways, or
shows whether it stores each step of what is fused."""


def laws_of(case: OperatorCase) -> list[Derived]:
    """Return what the laws of its operator derive from a case."""
    return derived_of(case, TESTS[case.name].independent)
