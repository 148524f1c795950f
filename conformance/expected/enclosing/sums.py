"""Radii of reductions: sums in any order at the width of the accumulator, the largest of many, softmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.expected.enclosing.axis_sums import stored_between
from conformance.expected.enclosing.elementwise import FUNCTION_ERROR, OPERATION_ERROR
from conformance.expected.enclosing.tensors import (
    FLOAT32,
    Enclosed,
    FloatType,
    Tensor,
    added,
    applied,
    zeros_for,
)
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import Node


HALF = 16


def summed(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, factor: float) -> list[Enclosed]:
    """Return what a sum or a mean makes; terms may be added in any order, in float32.

    A mean may be stored once more before it is divided, and what one axis comes to before the next one.

    Args:
        node: over axes or a window.
        inputs: the tensor, and perhaps axes.
        kind: the float type.
        factor: lambda of Higham and Mary.
    """
    tf = tensorflow()
    data, rest = inputs[0], [item.value for item in inputs[1:]]
    (value,) = applied(node, [data.value, *rest])
    magnitude = value if data.is_square else applied(node, [tf.abs(data.value), *rest])[0]
    relative = factor * math.sqrt(_terms(node, data.value, value)) * FLOAT32 + OPERATION_ERROR
    received = data.stored(kind)
    between = None
    if kind.bits == HALF:  # in float32, the allowance for sums covers it
        between = stored_between(node, data.value, received, rest, kind, like=value)
    if between is not None or received is None:
        inherited = between
    else:
        (inherited,) = applied(node, [zeros_for(received, data.value), *rest])
    divided = kind.half_unit(value) if known(node.op).running_sum == "mean" else None
    return [Enclosed(value, added(inherited, relative * magnitude, divided), pending=True)]


def multiplied(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, factor: float) -> list[Enclosed]:
    """Return what a sum of products of floats makes, such as a depthwise convolution; in any order."""
    tf = tensorflow()
    left, right = inputs
    sizes = tf.abs(left.value), tf.abs(right.value)
    radii = left.stored(kind), right.stored(kind)

    def times(one: Tensor | None, other: Tensor | None) -> Tensor | None:
        return None if one is None or other is None else applied(node, [one, other])[0]

    (value,) = applied(node, [left.value, right.value])
    terms = math.prod(right.value.shape[axis] or 1 for axis in known(node.op).summed_axes)
    (magnitude,) = applied(node, sizes)
    adding = (factor * math.sqrt(terms) * FLOAT32 + OPERATION_ERROR) * magnitude
    uncertain = added(times(radii[0], sizes[1]), times(sizes[0], radii[1]), times(*radii))
    return [Enclosed(value, added(uncertain, adding), pending=True)]


def largest(node: Node, inputs: Sequence[Enclosed], _: FloatType) -> list[Enclosed]:
    """Return what a largest or smallest of many makes: it moves by no more than one of them."""
    data, rest = inputs[0], [item.value for item in inputs[1:]]
    (value,) = applied(node, [data.value, *rest])
    if data.radius is None:
        return [Enclosed(value, None, data.pending)]
    op = "Max" if node.op == "Min" else None
    (radius,) = applied(node, [zeros_for(data.radius, data.value), *rest], op)
    return [Enclosed(value, radius, data.pending)]


def running(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, factor: float) -> list[Enclosed]:
    """Return what running sums make; the terms of each may be added in any order, in float32."""
    tf = tensorflow()
    data, axis = inputs[0], inputs[1].value

    def sums(x: Tensor) -> Tensor:
        return applied(node, [x, axis])[0]

    sizes = tf.abs(data.value)
    relative = factor * tf.sqrt(sums(tf.ones_like(sizes))) * FLOAT32 + OPERATION_ERROR
    received = data.stored(kind)
    inherited = None if received is None else sums(zeros_for(received, data.value))
    return [Enclosed(sums(data.value), added(inherited, relative * sums(sizes)), pending=True)]


def dilated(node: Node, inputs: Sequence[Enclosed], kind: FloatType, **_: float) -> list[Enclosed]:
    """Return what a dilation makes: the largest of sums moves by no more than one of them, and is rounded."""
    (value,) = applied(node, [item.value for item in inputs])
    radii = [zeros_for(item.stored(kind), item.value) for item in inputs]
    (inherited,) = applied(node, radii)
    return [Enclosed(value, inherited + tensorflow().abs(value) * OPERATION_ERROR, pending=True)]


def shared(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, factor: float) -> list[Enclosed]:
    """Return what a softmax makes, whose steps may each be stored: difference, exponential, sum, quotient."""
    tf = tensorflow()
    (data,) = inputs
    (value,) = applied(node, [data.value])
    _, exponent = _below_the_largest(data, kind)
    own, adding = exponent + kind.roundoff, _adding_up(data, kind, factor)
    relative = own + tf.reduce_sum(value * own, -1, keepdims=True) + adding + kind.roundoff
    return [Enclosed(value, value * tf.math.expm1(relative) + kind.half_unit(value), pending=True)]


def logarithms(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, factor: float) -> list[Enclosed]:
    """Return what the logarithm of a softmax makes: x - max - log sum exp(x - max), steps stored or not."""
    tf = tensorflow()
    (data,) = inputs
    (value,) = applied(node, [data.value])
    below, exponent = _below_the_largest(data, kind)
    adding = _adding_up(data, kind, factor)
    grown = tf.reduce_logsumexp(value + exponent + kind.roundoff, -1, keepdims=True) + adding + kind.roundoff
    logarithm = below - value
    own = tf.abs(logarithm) * FUNCTION_ERROR + kind.half_unit(logarithm) + tf.abs(value) * OPERATION_ERROR
    return [Enclosed(value, exponent + grown + own, pending=True)]


def _below_the_largest(data: Enclosed, kind: FloatType) -> tuple[Tensor, Tensor]:
    """Return x - max x along the last axis, and by how much it may be off."""
    tf = tensorflow()
    below = data.value - tf.reduce_max(data.value, -1, keepdims=True)
    radius = added(data.stored(kind), kind.half_unit(below), tf.abs(below) * OPERATION_ERROR)
    assert radius is not None, "a difference is rounded"
    return below, radius


def _adding_up(data: Enclosed, kind: FloatType, factor: float) -> Tensor:
    """Return the relative error of a sum of exponentials along the last axis, its steps stored or not."""
    tf = tensorflow()
    terms = tf.cast(tf.shape(data.value)[-1], tf.float64)
    return tf.minimum(terms - 1, factor * tf.sqrt(terms)) * kind.roundoff


def _terms(node: Node, data: Tensor, value: Tensor) -> float:
    """Return how many numbers one output adds up at most."""
    if known(node.op).reduces == "window":
        return float(math.prod(attribute(node, "ksize").list.i))
    return float(math.prod(data.shape) / max(math.prod(value.shape), 1))


SUMMING = {
    "Mean": summed,
    "Sum": summed,
    "AvgPool": summed,
    "Softmax": shared,
    "LogSoftmax": logarithms,
    "Cumsum": running,
    "Dilation2D": dilated,
    "DepthwiseConv2dNative": multiplied,
}
LARGEST = frozenset({"Max", "Min", "MaxPool", "MaxPoolV2"})
