"""Radii of fixed-point operators: numbers near a tie, times one step; everything else is exact."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.expected.enclosing.tensors import FLOAT32, Enclosed, FloatType, Tensor, added, applied
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.graph.sums import transposes
from conformance.numerics.fixed_point import limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.graph.frozen import Node

Array = np.ndarray[Any, Any]

PRODUCT_ERROR = FLOAT32 * (1 + 2.0**-10)
"""Of x times scale, relatively: exact, or a float32 where position and scale are applied one by one."""
RESCALING_ERROR = 4 * FLOAT32
"""Of the sum's way back, relatively: two scales, their product, and the product with the sum."""


@dataclasses.dataclass(frozen=True)
class FixedPointRule:
    """The rule of fixed-point operators at one width.

    Attributes:
        bits: of a quantised number.
        scales: by ``NODE/input`` and ``NODE/filter``.
        factor: lambda of Higham and Mary, for devices that add products in float32.
    """

    bits: int
    scales: Mapping[str, float]
    factor: float

    def __call__(self, node: Node, inputs: Sequence[Enclosed], kind: FloatType) -> list[Enclosed]:
        """Return what the operator makes of enclosed operands; filters that are constant are not stored."""
        tf = tensorflow()
        places = known(node.op).data_arguments
        factors = [float(np.float32(self.scales[f"{node.name}/{which}"])) for which in ("input", "filter")]
        data, filters = (
            self._quantised(inputs[place], factor, kind)
            for place, factor in zip(places, factors, strict=True)
        )

        def times(left: Tensor, right: Tensor) -> Tensor:
            arguments = [item.value for item in inputs]
            arguments[places[0]], arguments[places[1]] = left, right
            return applied(node, arguments)[0] / (factors[0] * factors[1])

        value = times(data.value, filters.value)
        sizes = tf.abs(data.value), tf.abs(filters.value)
        uncertain = added(
            times(data.radius, sizes[1]), times(sizes[0], filters.radius), times(data.radius, filters.radius)
        )
        adding = self.factor * math.sqrt(_terms(node, filters.value)) * FLOAT32 * times(*sizes)
        own = adding + tf.abs(value) * RESCALING_ERROR
        return [Enclosed(value, added(uncertain, own), pending=True)]

    def _quantised(self, tensor: Enclosed, factor: float, kind: FloatType) -> Enclosed:
        """Return integers, and where others may come out: near a tie, or beyond the symmetric range."""
        tf = tensorflow()
        low, high = (float(edge) for edge in limits(self.bits, "full"))
        product = tensor.value * factor
        slack = tf.abs(product) * PRODUCT_ERROR
        radius = tensor.stored(kind)
        if radius is not None:
            slack += radius * factor
        nearest = tf.clip_by_value(_half_away(product), low, high)
        upper = tf.clip_by_value(tf.floor(product + slack + 0.5), -high, high)
        lower = tf.clip_by_value(tf.math.ceil(product - slack - 0.5), low, high)
        return Enclosed(nearest, tf.maximum(upper - nearest, nearest - lower))


def _half_away(x: Tensor) -> Tensor:
    tf = tensorflow()
    return tf.sign(x) * tf.floor(tf.abs(x) + 0.5)


def _terms(node: Node, filters: Tensor) -> int:
    """Return how many products one output adds up at most; of a filter of unknown shape, as many as often."""
    shape, entry = filters.shape, known(node.op)
    axes = entry.summed_axes
    if not entry.window_axes and transposes(node, 1):
        axes = (-1,)
    lengths = [shape[axis] if shape.rank is not None else None for axis in axes]
    return math.prod(length or 1 for length in lengths)
