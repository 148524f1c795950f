"""Whose goldens are put in place, and who comes first."""

import functools
import math

import pytest
from diagnosis.handmade import EXACT, NOTHING, culprit, errors, quality
from support.emulation import frozen, placeholder

from conformance.diagnosis.blame import blamed_precision, origin_of, the_device
from conformance.diagnosis.repairs import farthest_off_first, largest_effect_first, stand_ins
from conformance.precision import parse_precision

NAMES = ["n1", "m1", "n2", "m2", "out"]


@functools.cache
def graph():
    def build(tf):
        first = tf.reduce_mean(tf.negative(placeholder(tf, "x", (2, 2)), name="n1"), 1, name="m1")
        tf.reduce_mean(tf.reduce_mean(tf.negative(first, name="n2"), name="m2"), [], name="out")

    return frozen(build, "out")


def in_place_of(made, *others):
    return stand_ins(made, [made, *others], graph(), NAMES)


def test_of_a_type_all_nodes_are_replaced_but_outputs_and_other_culprits():
    assert in_place_of(culprit("Mean", nodes=["m1"])) == ["m1", "m2"]
    assert in_place_of(culprit("Mean", nodes=["m1"]), culprit("m2", "node", ["m2"])) == ["m1"]


def test_of_a_node_itself_is_replaced_unless_it_is_the_output():
    assert in_place_of(culprit("n1", "node", ["n1"])) == ["n1"]
    assert in_place_of(culprit("out", "node", ["out"])) == []
    assert in_place_of(culprit("the device", "device", NAMES)) == []


def order(*culprits, known=()):
    ordered = largest_effect_first(culprits, {item.node: item for item in known}, ["out"])
    return [item.what for item in ordered]


def test_the_largest_gain_comes_first_then_the_farthest_off():
    small = culprit("small", after=quality(9.0), excess=1e6)
    large = culprit("large", after=quality(20.0))
    unmeasured, farther = culprit("unmeasured"), culprit("farther", excess=99.0)
    assert order(small, unmeasured, farther, large) == ["large", "small", "farther", "unmeasured"]
    assert order(culprit("exact", after=EXACT), large) == ["exact", "large"]
    assert order(culprit("none", after=NOTHING, before=NOTHING), small) == ["small", "none"]


def test_of_an_output_the_gain_is_what_it_adds_to_what_reaches_it():
    output = culprit("out", "node", ["out"])
    half = culprit("half", after=quality(13.0))  # from 7 dB
    much = errors("out", chained=1.0, inherited=0.1)  # 20 dB
    little = errors("out", chained=1.0, inherited=0.9)  # 0.9 dB
    alone = errors("out", chained=1.0, inherited=0.0)
    assert order(output, half, known=[much]) == ["out", "half"]
    assert order(half, output, known=[little]) == ["half", "out"]
    assert order(half, output, known=[alone]) == ["out", "half"]


def test_farthest_off_is_what_gave_no_number():
    items = [culprit("a", excess=5.0), culprit("b", excess=None), culprit("c", excess=50.0)]
    assert [item.what for item in farthest_off_first(items)] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("accepted", "what"),
    [
        ({"int16-fp16"}, "Conv2D"),
        ({"int16-fp16", "int16-fp32"}, "Conv2D"),
        ({"int8-fp32"}, "Mean, Tanh"),
        ({"int8-fp32", "int16-fp16"}, "Mean, Tanh"),  # either will do: the larger own errors decide
        ({"int16-fp32"}, "Mean, Tanh"),
        (set(), "Mean, Tanh"),
    ],
)
def test_the_part_of_the_precision_is_blamed_whose_widening_is_accepted(accepted, what):
    items = [errors("a"), errors("b", "Mean", own=0.02), errors("c", "Tanh", own=0.01)]
    (found,) = blamed_precision(
        parse_precision("int8-fp16"), items, lambda precision: str(precision) in accepted
    )
    assert (found.what, found.kind) == (what, "precision")
    assert found.worst == ("a" if what == "Conv2D" else "b")


def test_without_fixed_point_the_float_type_is_blamed():
    (found,) = blamed_precision(parse_precision("int8-fp16"), [errors("b", "Mean")], lambda _: True)
    assert found.what == "Mean"


def test_the_device_is_blamed_with_what_it_said_most_often():
    from diagnosis.handmade import finding

    reasons = {"a": "timeout", "b": "lost", "c": "timeout"}
    found = {name: finding(name, state="broken", reason=reason) for name, reason in reasons.items()}
    made = the_device({**found, "d": finding("d", state="unsupported", reason="no")})
    assert (made.nodes, made.failure) == (["a", "b", "c"], "It said: timeout")


def test_the_error_is_born_at_the_first_culprit_of_all():
    items = [errors("a", own=0.1), errors("b", own=0.5)]
    later, sooner = culprit("m2", "node", ["m2"]), culprit("Neg", nodes=["n1", "n2"])
    assert origin_of(items, [later, sooner], NAMES) == "n1"
    assert origin_of(items, [culprit("Conv2D", "precision", ["a", "b"])], ["a", "b"]) == "a"
    assert origin_of(items, [], ["a", "b"]) == "b"
    assert origin_of([], [], NAMES) == ""
    assert not math.isnan(items[0].own)
