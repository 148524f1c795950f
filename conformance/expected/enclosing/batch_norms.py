"""Radii of batch normalisations: written step by step or folded, each step stored or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance.expected.enclosing.elementwise import OPERATION_ERROR
from conformance.expected.enclosing.tensors import Enclosed, FloatType, Tensor, zeros_for
from conformance.graph.compositions import by_channel
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import Node


class Step(NamedTuple):
    """A value inside an operator, and what a right device may have there instead, stored or not."""

    value: Tensor
    radius: Tensor


def normalised(node: Node, inputs: Sequence[Enclosed], kind: FloatType) -> list[Enclosed]:
    """Return what a batch normalisation makes that does not train.

    A device may compute (x - mean) factor + offset or, with a shift known beforehand, x factor + shift, and
    store each step.
    """
    tf = tensorflow()
    values = by_channel(node, [item.value for item in inputs])
    radii = by_channel(node, [zeros_for(item.stored(kind), item.value) for item in inputs])
    x, scale, offset, mean, variance = map(Step, values, radii)
    epsilon = attribute(node, "epsilon").f
    factor = _factor(scale, variance, epsilon, kind)
    centred = _stored(Step(x.value - mean.value, x.radius + mean.radius), kind)
    steps = _sum(_product(centred, factor, kind), offset)
    lift = _product(mean, factor, kind)
    shift = _stored(Step(offset.value - lift.value, offset.radius + lift.radius), kind)
    folded = _sum(_product(x, factor, kind), shift)
    return [Enclosed(steps.value, tf.maximum(steps.radius, folded.radius), pending=True)]


def _factor(scale: Step, variance: Step, epsilon: float, kind: FloatType) -> Step:
    """Return scale / √(variance + epsilon), also by a reciprocal."""
    tf = tensorflow()
    whole = _stored(Step(variance.value + epsilon, variance.radius), kind)
    root = tf.sqrt(whole.value)
    lowest = tf.sqrt(tf.maximum(whole.value - whole.radius, 0.0))
    divisor = _stored(Step(root, root - lowest), kind)
    value = scale.value / root
    least = divisor.value - divisor.radius
    moved = (scale.radius + tf.abs(value) * divisor.radius) / least
    radius = tf.where(least > 0, moved, tf.constant(float("inf"), tf.float64))
    return _stored(Step(value, radius + tf.abs(value) * kind.roundoff), kind)


def _product(left: Step, right: Step, kind: FloatType) -> Step:
    tf = tensorflow()
    radius = (
        tf.abs(left.value) * right.radius + tf.abs(right.value) * left.radius + left.radius * right.radius
    )
    return _stored(Step(left.value * right.value, radius), kind)


def _sum(left: Step, right: Step) -> Step:
    """Return a sum that is not stored yet."""
    value = left.value + right.value
    return Step(value, left.radius + right.radius + tensorflow().abs(value) * OPERATION_ERROR)


def _stored(step: Step, kind: FloatType) -> Step:
    own = tensorflow().abs(step.value) * OPERATION_ERROR + kind.half_unit(step.value)
    return Step(step.value, step.radius + own)
