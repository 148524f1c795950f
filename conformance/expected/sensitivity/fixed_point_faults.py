"""Faults inside fixed-point operators: scales, quantisers, accumulators; the sum is computed anew."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.expected.enclosing.tensors import Enclosed, FloatType, Tensor, applied
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.numerics.fixed_point import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.graph.frozen import Node

SCALE_ERRORS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05)
"""Sizes of a wrong input scale that are tried, the smallest first."""


@dataclasses.dataclass(frozen=True)
class FaultyFixedPoint:
    """The rule of fixed-point operators of a device with a fault; it has no radius.

    Attributes:
        bits: of a quantised number.
        scales: by ``NODE/input`` and ``NODE/filter``.
        scale_error: by how much the scale of inputs is wrong, relatively, on the way in and out.
        quantise: makes whole numbers of products, before they are clamped.
        wraps: whether what is too large wraps around instead of being clamped.
        accumulator: bits of the sum, which wraps; None for enough.
    """

    bits: int
    scales: Mapping[str, float]
    scale_error: float = 0.0
    quantise: Callable[[Tensor], Tensor] | None = None
    wraps: bool = False
    accumulator: int | None = None

    def __call__(self, node: Node, inputs: Sequence[Enclosed], _: FloatType) -> list[Enclosed]:
        """Return what a device with the fault makes."""
        places = known(node.op).data_arguments
        factors = [float(np.float32(self.scales[f"{node.name}/{which}"])) for which in ("input", "filter")]
        factors[0] *= 1 + self.scale_error
        arguments = [item.value for item in inputs]
        arguments[places[0]] = self._quantised(arguments[places[0]] * factors[0], self.quantise)
        arguments[places[1]] = self._quantised(arguments[places[1]] * factors[1], None)
        total = self.total(node, arguments)
        if self.accumulator is not None:
            total = _wrapped(total, self.accumulator)
        return [Enclosed(total / (factors[0] * factors[1]), None, pending=True)]

    def total(self, node: Node, arguments: Sequence[Tensor]) -> Tensor:
        """Return the sum of products of whole numbers."""
        return applied(node, arguments)[0]

    def _quantised(self, product: Tensor, quantise: Callable[[Tensor], Tensor] | None) -> Tensor:
        tf = tensorflow()
        whole = (quantise or half_away)(product)
        if self.wraps:
            return _wrapped(whole, self.bits)
        low, high = limits(self.bits, "full")
        return tf.clip_by_value(whole, float(low), float(high))


def half_away(x: Tensor) -> Tensor:
    """Return whole numbers, halves away from zero."""
    tf = tensorflow()
    return tf.sign(x) * tf.floor(tf.abs(x) + 0.5)


def floor(x: Tensor) -> Tensor:
    """Return the whole numbers below."""
    return tensorflow().floor(x)


def towards_zero(x: Tensor) -> Tensor:
    """Return whole numbers, cut off."""
    tf = tensorflow()
    return tf.sign(x) * tf.floor(tf.abs(x))


def _wrapped(x: Tensor, bits: int) -> Tensor:
    half = 2.0 ** (bits - 1)
    return tensorflow().math.floormod(x + half, 2 * half) - half


FAULTS: dict[str, dict[str, Any]] = {
    "input floored": {"quantise": floor},
    "input truncated": {"quantise": towards_zero},
    "input wraps": {"wraps": True},
    "input wraps, scale 5 % too large": {"wraps": True, "scale_error": 0.05},
    "scale 5 % too large": {"scale_error": 0.05},
    "accumulator of 20 bits": {"accumulator": 20},
    "accumulator of 24 bits": {"accumulator": 24},
    "accumulator of 32 bits": {"accumulator": 32},
}
"""Faults without a size, as what :class:`FaultyFixedPoint` is told."""
