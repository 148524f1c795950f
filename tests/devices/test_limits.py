"""Documented ranges: what they admit, how they are written, and that those of the MLU270 can be read."""

import math

import msgspec
import pytest

from conformance.devices.limits import Limit, shown
from conformance.expected.limits import WORDS
from conformance.expected.ranges import limits_of, looked_at
from conformance.precision import PRECISIONS, parse_precision


def limit(quantity="mean", **ends):
    return Limit(operators=["Mean"], quantity=quantity, source="a header", **ends)


@pytest.mark.parametrize(
    ("ends", "inside", "outside"),
    [
        ({"least": -1, "most": 1}, [(-1, 1), (0, 0)], [(-1.1, 0), (0, 1.1), (-2, 2)]),
        ({"below": 10}, [(-99, 9.9)], [(0, 10), (0, 11)]),
        ({"above": 0}, [(1e-9, 5)], [(0, 5), (-1, 5)]),
    ],
)
def test_what_a_range_admits(ends, inside, outside):
    checked = limit(**ends)
    assert all(checked.admits(*pair) for pair in inside)
    assert not any(checked.admits(*pair) for pair in outside)
    assert not checked.admits(math.nan, math.nan)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ({"least": -1, "most": 1}, "from -1 to 1"),
        ({"below": 10000}, "less than 10,000"),
        ({"above": 0, "most": 0.5}, "at most 0.5 and more than 0"),
        ({"below": 10000, "precisions": ("*-fp16",)}, "less than 10,000 at fp16"),
        ({"least": 5.96e-8}, "at least 5.96e-08"),
    ],
)
def test_how_a_range_is_told(ends, words):
    assert limit(**ends).in_words == words


def test_types_are_a_range_too():
    checked = limit("type", types=["float32", "int8"])
    assert checked.in_words == "one of float32, int8"


@pytest.mark.parametrize(
    "fields", [{"quantity": "type", "most": 1}, {"quantity": "mean"}, {"quantity": "mean", "types": ["int8"]}]
)
def test_a_limit_without_an_end_is_refused(fields):
    with pytest.raises(msgspec.ValidationError, match="a limit of"):
        msgspec.convert({"operators": ["Mean"], "source": "a header", **fields}, Limit)


def test_precisions():
    half = limit(most=1, precisions=("*-fp16",))
    assert [str(item) for item in PRECISIONS if half.holds_at(item)] == ["int8-fp16", "int16-fp16"]
    assert limit(most=1).holds_at(parse_precision("int8-fp32"))


def test_every_limit_of_the_card_has_words_and_a_source():
    limits = limits_of("MLU270")
    assert {"Mean", "Erf", "Pow", "Cast", "RealDiv", "Conv2D"} <= {
        op for item in limits.values() for op in item.operators
    }
    sources = ("cnml.h", "mlu_lib_ops.cc")
    assert all(item.quantity in WORDS for item in limits.values())
    assert all(any(source in item.source for source in sources) for item in limits.values())
    assert limits_of("ideal") == limits_of("no such card") == {}
    assert looked_at()["Mean"] == {"mean", "deviation"}


@pytest.mark.parametrize(
    ("number", "words"), [(65536, "65,536"), (0.25, "0.25"), (-1, "-1"), (1e12, "1e+12")]
)
def test_numbers(number, words):
    assert shown(number) == words
