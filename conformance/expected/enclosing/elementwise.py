"""Radii of operators that move values or compute each element by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.expected.enclosing.tensors import (
    FLOAT32,
    Chance,
    Enclosed,
    FloatType,
    Tensor,
    added,
    applied,
    is_float,
    zeros_for,
)
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import Node

ADDING = frozenset({"Add", "AddN", "AddV2", "BiasAdd", "Sub"})
JUMPING = frozenset({"Ceil", "Floor", "Rint", "Round", "Sign"})
"""They give whole numbers: a little less, and it is the next one."""
DIVIDING = frozenset({"Div", "DivNoNan", "RealDiv"})
LESS_ONE = {"Elu": 1.0, "Selu": 1.7580993408473766}
"""Functions that are e^x - 1 where x is negative, times a factor."""
OPERATION_ERROR = 2 * FLOAT32
"""Of an operation in float32, relatively: its own rounding, and one more where it is put another way."""
FUNCTION_ERROR = 8 * FLOAT32
"""Of a function in float32, relatively: TensorFlow's own are up to four units in the last place off."""


def moved(node: Node, inputs: Sequence[Enclosed], _: FloatType) -> list[Enclosed]:
    """Return what an operator that moves values makes: radii move with them."""
    values = applied(node, [item.value for item in inputs])
    floats = [item for item in inputs if is_float(item.value)]
    pending = any(item.pending for item in floats)
    if all(item.radius is None for item in floats):
        return [Enclosed(value, None, pending and is_float(value)) for value in values]
    radii = applied(
        node,
        [zeros_for(item.radius, item.value) if is_float(item.value) else item.value for item in inputs],
    )
    return [
        Enclosed(value, radius, pending) if is_float(value) else Enclosed(value)
        for value, radius in zip(values, radii, strict=True)
    ]


def chosen(node: Node, inputs: Sequence[Enclosed], kind: FloatType) -> list[Enclosed]:
    """Return what an operator makes that gives one of its operands, or a limit: nothing grows.

    A sign or a whole number jumps.
    """
    (value,) = applied(node, [item.value for item in inputs])
    pending = any(item.pending for item in inputs)
    if node.op in JUMPING:
        radii = [item.stored(kind) for item in inputs]
        radius = _between_ends(node, [item.value for item in inputs], radii, value)
        return [Enclosed(value, radius, pending and node.op != "Sign")]
    radius = added(*(item.radius for item in inputs))
    return [Enclosed(value, None if radius is None else radius + tensorflow().zeros_like(value), pending)]


def computed(node: Node, inputs: Sequence[Enclosed], kind: FloatType) -> list[Enclosed]:
    """Return what an elementwise operator makes: what its operands are off by, and its own rounding."""
    (value,) = applied(node, [item.value for item in inputs])
    values, radii = [item.value for item in inputs], [item.stored(kind) for item in inputs]
    if node.op == "SquaredDifference":
        radius = _of_squared_difference(values, value, radii, kind)
        return [Enclosed(value, radius, pending=True, is_square=True)]
    if node.op in ADDING:
        inherited = added(*radii)
    elif node.op in BINARY:
        inherited = BINARY[node.op](values, radii)
    else:
        inherited = _between_ends(node, values, radii, value)
    if known(node.op).margin_class == "activation":
        return [_function(node, values, value, inherited, kind)]
    return [Enclosed(value, added(inherited, _own(node, values, value, kind)), pending=True)]


def _own(node: Node, values: Sequence[Tensor], value: Tensor, kind: FloatType) -> Tensor:
    """Return what an operator may be off by itself, before its result is stored."""
    tf = tensorflow()
    magnitude = tf.abs(value)
    if node.op in DIVIDING:  # by the reciprocal, which is stored
        return magnitude * (OPERATION_ERROR + kind.roundoff)
    if node.op == "AddN":  # one after the other: each partial sum is rounded, and the next may cancel it
        return tf.add_n([tf.abs(operand) for operand in values]) * (len(values) - 1) * OPERATION_ERROR
    return magnitude * OPERATION_ERROR


def _of_squared_difference(
    values: Sequence[Tensor], value: Tensor, radii: Sequence[Tensor | None], kind: FloatType
) -> Tensor:
    """Return the radius of (x - y)², whose difference may be stored, before its result is."""
    distance, radius = tensorflow().abs(values[0] - values[1]), added(*radii)
    twice = 2 * distance
    own = value * OPERATION_ERROR + twice * kind.half_unit(distance)
    return own if radius is None else own + radius * (twice + radius)


def _function(
    node: Node, values: Sequence[Tensor], value: Tensor, inherited: Tensor | None, kind: FloatType
) -> Enclosed:
    """Return what a function makes: roundings inside it come to a unit in the last place, with its storing.

    Tanh is often made of a sigmoid, 2 sigmoid(2x) - 1, and that of a tanh, (1 + tanh(x / 2)) / 2. A rounding
    of at most h is as good as uniform: its standard deviation is h / sqrt(3).
    """
    tf = tensorflow()
    roundings = [kind.half_unit(value)]
    if node.op == "Tanh":
        roundings.append(2 * kind.half_unit(tf.sigmoid(2 * values[0])))
    if node.op == "Sigmoid":
        half = tf.tanh(values[0] / 2)
        roundings += [kind.half_unit(half) / 2, kind.half_unit(1 + half) / 2]
    steady = tf.abs(value) * FUNCTION_ERROR
    if node.op in LESS_ONE:  # TensorFlow's own take one from an exponential in float32
        steady += tf.exp(tf.minimum(values[0], 0.0)) * LESS_ONE[node.op] * FUNCTION_ERROR
    if inherited is not None:
        steady += inherited
    deviation = tf.sqrt(sum(size * size for size in roundings) / 3)
    return Enclosed(value, added(steady, *roundings), pending=True, chance=Chance(steady, deviation))


def _between_ends(
    node: Node, values: Sequence[Tensor], radii: Sequence[Tensor | None], value: Tensor
) -> Tensor | None:
    """Return how far a function goes within the radii of its operands, each moved by itself."""
    tf = tensorflow()
    found = []
    for index, radius in enumerate(radii):
        if radius is None:
            continue
        for sign in (1.0, -1.0):
            inputs = list(values)
            inputs[index] = values[index] + sign * radius
            (end,) = applied(node, inputs)
            away = tf.abs(end - value)
            found.append(tf.where(tf.math.is_nan(away), tf.constant(float("inf"), tf.float64), away))
    return sum(found[1:], found[0]) if found else None


def _product(values: Sequence[Tensor], radii: Sequence[Tensor | None]) -> Tensor | None:
    tf = tensorflow()
    (first, second), (left, right) = values, radii
    both = None if left is None or right is None else left * right
    by_left = None if left is None else left * tf.abs(second)
    by_right = None if right is None else right * tf.abs(first)
    return added(by_left, by_right, both)


def _quotient(values: Sequence[Tensor], radii: Sequence[Tensor | None]) -> Tensor | None:
    tf = tensorflow()
    if radii[0] is None and radii[1] is None:
        return None
    zero = tf.constant(0.0, tf.float64)
    left, right = (zero if radius is None else radius for radius in radii)
    least = tf.abs(values[1]) - right
    moved_by = (left + tf.abs(values[0] / values[1]) * right) / least
    return tf.where(least > 0, moved_by, tf.constant(float("inf"), tf.float64))


def _quotient_or_zero(values: Sequence[Tensor], radii: Sequence[Tensor | None]) -> Tensor | None:
    """Return the radius of a quotient that is zero where its divisor is."""
    tf = tensorflow()
    radius = _quotient(values, radii)
    if radius is None:
        return None
    sure = tf.equal(values[1] if radii[1] is None else tf.abs(values[1]) + radii[1], 0.0)
    return tf.where(sure, tf.constant(0.0, tf.float64), radius)


BINARY = {
    "Mul": _product,
    "RealDiv": _quotient,
    "Div": _quotient,
    "DivNoNan": _quotient_or_zero,
}
