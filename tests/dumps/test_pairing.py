"""Which tensors belong together, and what is said where that is not clear."""

from __future__ import annotations

import pytest
from support.refusals import refused

from conformance.dumps.pairing import paired
from conformance.dumps.tensors import Reading, Side, Tensor
from conformance.errors import UsageError


def reading() -> Reading:
    raise AssertionError("pairing reads no tensor")


def side(source, *names, whole=True, **options):
    """Return a side of tensors ``name`` or ``(name, sample)``."""
    pairs = [name if isinstance(name, tuple) else (name, None) for name in names]
    return Side(source, [Tensor(name, sample, reading, whole) for name, sample in pairs], **options)


def file(source, name, sample=None):
    return side(source, (name, sample), whole=False, one_file=True)


def matches(*sides, sample=None):
    return [(pair.first.name, pair.second.name, pair.sample) for pair in paired(*sides, sample)]


def test_names_match_whatever_the_order_which_is_that_of_the_second_side():
    assert matches(side("A", "b:0", "a:0"), side("B", "a:0", "b:0")) == [
        ("a:0", "a:0", None),
        ("b:0", "b:0", None),
    ]


def test_two_files_belong_together_whatever_they_are_called():
    assert matches(file("A", "x", 1), file("B", "y", 2)) == [("x", "y", 1)]
    (pair,) = paired(file("A", "x"), file("B", "y"))
    assert pair.name == "x and y"
    (pair,) = paired(file("A", "x"), file("B", "x"))
    assert pair.name == "x"


@pytest.mark.parametrize("name", ["generatorxs0", "generatorxs"])
def test_a_file_belongs_to_the_tensor_it_is_named_after(name):
    dump = side("B", ("generator/xs:0", 0))
    (pair,) = paired(file("A", name), dump)
    assert (pair.name, pair.sample) == ("generator/xs:0", 0)
    (pair,) = paired(dump, file("A", name))
    assert (pair.name, pair.sample) == ("generator/xs:0", 0)


def test_a_full_file_name_goes_before_a_short_one():
    both = side("B", "conv_1:0", "conv_10:0", complete=False)
    assert matches(file("A", "conv_10"), both) == [("conv_10", "conv_1:0", None)]
    assert matches(file("A", "conv_100"), both) == [("conv_100", "conv_10:0", None)]


def test_names_of_two_dumps_must_be_equal_not_just_alike():
    with refused(r"no tensor is on both sides \(A: a/b:0; B: ab:0\); dump the same"):
        paired(side("A", "a/b:0"), side("B", "ab:0"))


def test_a_file_that_may_be_any_of_several():
    with refused("'ab0' may be any of a/b:0, ab:0 of B; compare a dump instead"):
        paired(file("A", "ab0"), side("B", "a/b:0", "ab:0"))


def test_samples_belong_together():
    assert matches(side("A", ("a:0", 1), ("a:0", 0)), side("B", ("a:0", 0), ("a:0", 1))) == [
        ("a:0", "a:0", 0),
        ("a:0", "a:0", 1),
    ]


def test_who_does_not_tell_the_sample_has_the_only_one():
    assert matches(side("A", "a:0"), side("B", ("a:0", 3))) == [("a:0", "a:0", 3)]
    assert matches(side("A", ("a:0", 3)), side("B", "a:0")) == [("a:0", "a:0", 3)]


def test_a_sample_can_be_chosen():
    several = side("B", ("a:0", 0), ("a:0", 1))
    assert matches(side("A", "a:0"), several, sample=1) == [("a:0", "a:0", 1)]
    assert matches(several, several, sample=1) == [("a:0", "a:0", 1)]
    with refused(r"sample 2 is not in B \(known: 0, 1\); give another"):
        paired(side("A", "a:0"), several, 2)
    with pytest.raises(
        UsageError,
        match=r"A does not say which sample it holds, and there are several in B \(known: 0, 1\); give",
    ):
        paired(side("A", "a:0"), several)


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        (("a:0", "b:0"), ("a:0",), "b:0 of A is not in B"),
        (("a:0",), ("a:0", "b:0"), "b:0 of B is not in A"),
        (("conv:0", "x:0"), ("convs:0", "x:0"), r"conv:0 of A is not in B \(near names: convs:0"),
        (("a:0", "b:0", "c:0", "d:0", "e:0", "f:0"), ("a:0",), "b:0, c:0, d:0 and 2 more of A are not in B"),
        ((("a:0", 0), ("a:0", 1)), (("a:0", 0),), r"a:0 \(sample 1\) of A is not in B"),
        ((("a:0", 0),), (("a:0", 1),), r"is on both sides \(A: a:0 \(sample 0\); B: a:0 \(sample 1\)\)"),
        (("a:0", "a:0"), ("a:0",), "A has tensor a:0 2 times; keep one"),
        ((("a:0", 1),), (("a:0", 1), ("a:0", 1)), "B has tensor a:0, sample 1, 2 times; keep one"),
    ],
)
def test_what_is_missing_or_double_is_named(first, second, sentence):
    with refused(sentence):
        paired(side("A", *first), side("B", *second))


def test_what_an_incomplete_side_has_more_does_not_matter_but_what_it_lacks_does():
    goldens = side("goldens", "a:0", "b:0", complete=False)
    assert matches(side("A", "a:0"), goldens) == [("a:0", "a:0", None)]
    with refused("c:0 of A is not in goldens"):
        paired(side("A", "a:0", "c:0"), goldens)
