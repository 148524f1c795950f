"""Tensors with a radius: what a right device's tensor may differ by from that of exact arithmetic."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.retype import attribute, output_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import Node

Tensor = Any

FLOAT32 = 2.0**-24
"""Largest relative error of one rounding to float32."""
SMALLEST_NORMAL = 2.0**-126
"""Of float32: a device may flush what is smaller to zero."""


@dataclasses.dataclass(frozen=True)
class FloatType:
    """The float type of a precision.

    Attributes:
        bits: 16 or 32.
    """

    bits: int

    @property
    def roundoff(self) -> float:
        """Largest relative error of one rounding."""
        return 2.0**-11 if self.bits == 16 else FLOAT32

    @property
    def tiny(self) -> float:
        """Below it a device may give zero or this."""
        return 2.0**-24 if self.bits == 16 else SMALLEST_NORMAL

    def half_unit(self, x: Tensor) -> Tensor:
        """Return half a unit in the last place at each element of a float64 tensor.

        It is a whole unit of the smallest numbers, of which a device may make zero, or zero of these.
        """
        tf = tensorflow()
        bits = tf.bitwise.bitwise_and(tf.bitcast(x, tf.int64), 0x7FF0000000000000)
        return tf.maximum(tf.bitcast(bits, tf.float64) * self.roundoff, self.tiny)


class Chance(NamedTuple):
    """What of a radius is by chance.

    Attributes:
        steady: the part that may go one way everywhere.
        deviation: standard deviation of the other, which is roundings inside a function.
    """

    steady: Tensor
    deviation: Tensor


@dataclasses.dataclass(frozen=True)
class Enclosed:
    """A tensor and its radius.

    Attributes:
        value: in exact arithmetic; float64 where it is a float.
        radius: of its shape, float64; None where every right device has this very value.
        pending: the value is not rounded to the float type, and a device may or may not have stored it.
        chance: of a function, what of the radius is by chance; None of anything else.
        is_square: no number is below zero, since each is a square.
    """

    value: Tensor
    radius: Tensor | None = None
    pending: bool = False
    chance: Chance | None = None
    is_square: bool = False

    def stored(self, kind: FloatType) -> Tensor | None:
        """Return the radius of what a reader gets, who may have got it stored."""
        if not self.pending:
            return self.radius
        return added(self.radius, kind.half_unit(self.value))


def added(*radii: Tensor | None) -> Tensor | None:
    """Return the sum of radii, of which None are nothing."""
    known = [radius for radius in radii if radius is not None]
    return sum(known[1:], known[0]) if known else None


def is_float(tensor: Tensor) -> bool:
    """Return whether a tensor holds the network's floats."""
    return bool(tensor.dtype == tensorflow().float64)


def zeros_for(radius: Tensor | None, value: Tensor) -> Tensor:
    """Return a radius as a tensor of the shape of ``value``."""
    if radius is not None and radius.shape == value.shape:
        return radius
    zeros = tensorflow().zeros_like(value)
    return zeros if radius is None else radius + zeros


def applied(node: Node, inputs: Sequence[Tensor], op: str | None = None) -> list[Tensor]:
    """Return what TensorFlow computes for ``node`` on other inputs, in float64 where the node has float32.

    Args:
        node: the node.
        inputs: one tensor per data input.
        op: another operator with the same attributes.
    """
    from tensorflow.python.eager import context, execute  # takes names and order of a NodeDef

    name = op or node.op
    attributes: list[Any] = []
    for entry in op_definition(name).attr:
        attributes += [entry.name, _decoded(entry.type, attribute(node, entry.name))]
    count = len(output_types(node))
    return list(execute.execute(name, count, list(inputs), tuple(attributes), context.context()))


def _decoded(kind: str, value: Any) -> Any:
    """Return an attribute as TensorFlow's functions take it; float32 becomes float64."""
    tf = tensorflow()
    if kind.startswith("list("):
        single = kind.removeprefix("list(").removesuffix(")")
        field = {"string": "s", "int": "i", "float": "f", "bool": "b", "type": "type"}[single]
        return [_plain(single, item) for item in getattr(value.list, field)]
    if kind == "shape":
        return tf.TensorShape(value.shape)
    field = {"string": "s", "int": "i", "float": "f", "bool": "b", "type": "type"}[kind]
    return _plain(kind, getattr(value, field))


def _plain(kind: str, value: Any) -> Any:
    tf = tensorflow()
    if kind == "string":
        return value
    if kind == "type":
        return (tf.float64 if value == tf.float32 else tf.as_dtype(value)).as_datatype_enum
    return value
