"""All operators that are tested, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.operators.elementwise import ELEMENTWISE_TESTS
from conformance.operators.moving import MOVING_TESTS
from conformance.operators.products import PRODUCT_TESTS
from conformance.operators.reducing import REDUCING_TESTS

if TYPE_CHECKING:
    from conformance.operators.case import OperatorTest

TESTS: dict[str, OperatorTest] = {
    test.name: test for test in (*PRODUCT_TESTS, *REDUCING_TESTS, *ELEMENTWISE_TESTS, *MOVING_TESTS)
}
