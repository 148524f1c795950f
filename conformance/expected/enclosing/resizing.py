"""Radii of pictures that are resized: along one axis after the other, each step stored or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.expected.enclosing.elementwise import OPERATION_ERROR
from conformance.expected.enclosing.tensors import (
    FLOAT32,
    Enclosed,
    FloatType,
    Tensor,
    is_float,
    zeros_for,
)
from conformance.graph.compositions import COLUMNS, ROWS, along, cubic_taps, linear_taps, places
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import Node

    Taps = Sequence[tuple[Tensor, Tensor]]

PLACE_ERROR = 4 * FLOAT32
"""Of where a pixel comes from, relatively: a product, a half added and taken away, and a quotient."""


def resized(node: Node, inputs: Sequence[Enclosed], kind: FloatType) -> list[Enclosed]:
    """Return what a linear or cubic interpolation makes, along rows or columns first."""
    tf = tensorflow()
    picture, sizes = inputs[0], inputs[1].value
    value = tf.cast(picture.value, tf.float64)
    radius = picture.stored(kind) if is_float(picture.value) else None
    start = value, zeros_for(radius, value)
    found = []
    for axes in ((COLUMNS, ROWS), (ROWS, COLUMNS)):
        at = start
        for axis in axes:
            at = _along_one(node, *at, axis, sizes[axis - 1], kind, stored=axis == axes[0])
        found.append(at)
    return [Enclosed(found[0][0], tf.maximum(found[0][1], found[1][1]), pending=True)]


def _along_one(
    node: Node, value: Tensor, radius: Tensor, axis: int, new: Tensor, kind: FloatType, *, stored: bool
) -> tuple[Tensor, Tensor]:
    """Return value and radius after an interpolation along one axis."""
    tf = tensorflow()
    place, last = places(node, tf.shape(value)[axis], new)
    slack = (tf.abs(place) + 1) * PLACE_ERROR
    taps = _taps(node, place, last)
    total = _interpolated(value, taps, axis)
    elsewhere = [
        tf.abs(_interpolated(value, _taps(node, place + sign * slack, last), axis) - total)
        for sign in (-1.0, 1.0)
    ]
    inherited = _interpolated(radius, [(at, tf.abs(weight)) for at, weight in taps], axis)
    own = tf.maximum(*elsewhere) + _steps(value, taps, axis, kind)
    if stored:
        own += kind.half_unit(total)
    return total, inherited + own


def _taps(node: Node, place: Tensor, last: Tensor) -> Taps:
    if node.op == "ResizeBilinear":
        return linear_taps(place, last)
    return cubic_taps(place, last, keys=attribute(node, "half_pixel_centers").b)


def _interpolated(x: Tensor, taps: Taps, axis: int) -> Tensor:
    """Return the weighted sum of pixels."""
    tf = tensorflow()
    return tf.add_n([tf.gather(x, at, axis=axis) * along(axis, weight) for at, weight in taps])


def _steps(value: Tensor, taps: Taps, axis: int, kind: FloatType) -> Tensor:
    """Return what weights, products and sums come to that are stored each by itself.

    A linear interpolation may also be written with the difference of its two pixels, which is stored.
    """
    tf = tensorflow()
    parts = [(tf.gather(value, at, axis=axis), along(axis, weight)) for at, weight in taps]
    terms = [pixel * weight for pixel, weight in parts]
    magnitude = tf.add_n([tf.abs(term) for term in terms])
    weighing = [tf.abs(pixel) * kind.half_unit(weight) for pixel, weight in parts]
    adding = [kind.half_unit(tf.add_n(terms[:count])) for count in range(2, len(terms))]
    steps = [*weighing, *map(kind.half_unit, terms), *adding, 4 * magnitude * OPERATION_ERROR]
    if len(parts) > 2:
        return tf.add_n([tf.broadcast_to(step, tf.shape(magnitude)) for step in steps])
    (first, _), (second, weight) = parts
    between = second - first
    written = tf.abs(between) * kind.half_unit(weight) + kind.half_unit(between) * weight
    written += kind.half_unit(between * weight) + (tf.abs(first) + tf.abs(second)) * OPERATION_ERROR
    return tf.maximum(tf.add_n(steps), written)
