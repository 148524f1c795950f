"""A comparison as a whole: which tensor is the worst, and what decides."""

import math

import numpy as np
import pytest

from conformance.dumps.comparison_report import Deviation, Inconclusive, compare_sides
from conformance.dumps.table import details, remarks, table
from conformance.dumps.tensors import Reading, Side, Tensor
from conformance.errors import EXIT_ACCURACY, EXIT_INCONCLUSIVE

TRUE = [1.0, 2.0, 3.0]


def side(tensors, resolution=0.0):
    def reader(values):
        return lambda: Reading(np.asarray(values, np.float64), resolution)

    return Side("A", [Tensor(f"{name}:0", None, reader(values)) for name, values in tensors.items()])


def compared(found, limits=None, resolution=0.0):
    """Compare tensors with ``TRUE``."""
    return compare_sides(side(found, resolution), side(dict.fromkeys(found, TRUE)), limits or {})


def order(report):
    return [item.tensor for item in report.worst_first]


def test_nan_goes_before_any_error_and_the_cosine_before_size():
    report = compared(
        {
            "equal": TRUE,
            "turned": [3.0, 2.0, 1.0],
            "doubled": [2.0, 4.0, 6.0],
            "nan": [1.0, 2.0, math.nan],
            "zero": [0.0, 0.0, 0.0],
            "all_nan": [math.nan] * 3,
        }
    )
    assert order(report) == ["all_nan:0", "nan:0", "zero:0", "turned:0", "doubled:0", "equal:0"]
    assert [item.order for item in report.tensors] == list(range(1, 7))


def test_what_exceeds_a_limit_goes_before_what_does_not():
    found = {"turned": [3.0, 2.0, 1.0], "doubled": [20.0, 40.0, 60.0]}
    assert order(compared(found)) == ["turned:0", "doubled:0"]
    assert order(compared(found, {"mse": 10.0})) == ["doubled:0", "turned:0"]


def test_what_decides():
    fine = compared({"a": TRUE}, {"max_abs": 0.0})
    fine.conclude()
    assert (fine.outcome, fine.reason) == ("fine", "")
    off = {"a": TRUE, "b": [1.0, 2.0, 4.0], "c": [1.0, 2.0, 5.0]}
    compared(off).conclude()
    sentence = r"2 of 3 tensors exceed the limits, first c:0 \(max_abs 2 > 0.5\)"
    with pytest.raises(Deviation, match=sentence) as caught:
        compared(off, {"max_abs": 0.5}).conclude()
    assert caught.value.exit_code == EXIT_ACCURACY
    with pytest.raises(Deviation, match="1 of 2 tensors differ in NaN or Inf, first b:0"):
        compared({"a": TRUE, "b": [1.0, 2.0, math.inf]}).conclude()


def test_a_limit_that_cannot_be_shown_is_neither_kept_nor_exceeded():
    report = compared({"a": TRUE}, {"max_abs": 1e-4}, resolution=5e-4)
    sentence = "rounding to the format, by up to 0.0005, could break max_abs=0.0001 of a:0; dump as npy"
    with pytest.raises(Inconclusive, match=sentence) as caught:
        report.conclude()
    assert caught.value.exit_code == EXIT_INCONCLUSIVE
    with pytest.raises(Deviation):
        compared({"a": [1.0, 2.0, 3.1]}, {"max_abs": 1e-4}, resolution=5e-4).conclude()


def test_the_table_is_aligned_and_has_no_number_where_there_is_none():
    report = compared({"a_long_name": TRUE, "b": [math.nan] * 3, "c": [0.0] * 3})
    heading, *rows = table(report.tensors)
    starts = [heading.index(word) for word in ("order", "elements", "cosine", "NaN/Inf")]
    assert all(row[start - 2 : start] == "  " and row[start] != " " for row in rows for start in starts)
    assert [row.split()[3] for row in rows] == ["1.0000000", "-", "undefined"]
    assert rows[1].endswith("3/0, 3 differ")


def test_details_and_remarks_say_where_nan_is():
    report = compared({"a": [1.0, math.nan, -math.inf]})
    sentence = "NaN and Inf differ: 1 NaN, 0 +Inf, 1 -Inf against 0 NaN, 0 +Inf, 0 -Inf, first at [1]"
    assert f"  {sentence}" in details(report.tensors[0])
    assert remarks(report.tensors) == [f"a:0: {sentence}"]
