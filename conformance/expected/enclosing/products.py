"""The radius of a product of many numbers, multiplied in any order, each step stored or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.expected.enclosing.elementwise import OPERATION_ERROR
from conformance.expected.enclosing.tensors import Enclosed, FloatType, applied, zeros_for
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import Node

HALF = 16
SMALLEST_NORMAL_HALF = 2.0**-14


def multiplied_up(node: Node, inputs: Sequence[Enclosed], kind: FloatType, **_: float) -> list[Enclosed]:
    """Return what a product over axes makes.

    Of k numbers there are k - 1 products, and each may be rounded to the float type: relatively by u, so that
    by (1 + u)^(k - 1) in whichever order they are taken. A product of some of them that is below the normal
    numbers is off by up to the smallest number instead, of which the remaining factors make as much as those
    above 1 come to. A zero makes a zero of all that is finite. What goes beyond the largest number on its way
    is not allowed for.

    Args:
        node: over axes.
        inputs: the tensor, and axes.
        kind: the float type.
    """
    tf = tensorflow()
    data, axes = inputs[0], inputs[1].value

    def product(x: object) -> object:
        return applied(node, [x, axes])[0]

    value = product(data.value)
    size, radius = tf.abs(data.value), zeros_for(data.stored(kind), data.value)
    (terms,) = applied(node, [tf.ones_like(size), axes], "Sum")
    rounded = tf.exp((terms - 1) * tf.math.log1p(tf.cast(kind.roundoff + OPERATION_ERROR, tf.float64)))
    off = product(size + radius) * rounded - tf.abs(value)
    smallest = SMALLEST_NORMAL_HALF if kind.bits == HALF else kind.tiny
    least = product(tf.clip_by_value(size - radius, 0.0, 1.0)) / rounded
    lost = (terms - 1) * kind.tiny * product(tf.maximum(size + radius, 1.0)) * rounded
    present = product(tf.sign(size + radius))
    return [Enclosed(value, off + tf.where(least < smallest, lost * present, 0.0), pending=True)]
