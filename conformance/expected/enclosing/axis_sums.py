"""Sums over several axes of which one is reduced after the other, and what comes out between is stored.

CNML reduces one dimension per operator, and a real card was seen to store what one axis comes to before the
next: ``reduction_sum`` and ``reduction_order`` in ``fixtures/devices/mlu270.toml``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from conformance.expected.enclosing.tensors import Enclosed, FloatType, Tensor, applied, zeros_for
from conformance.graph.editing import copied
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.graph.frozen import Node

    Pass = Callable[[Tensor], Tensor]

WINDOW = (1, 2)
"""Axes along which a window slides."""


def stored_between(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, like: Tensor) -> Tensor | None:
    """Return the radius of a sum whose terms are off, and that is stored between axes, whichever is first.

    A mean over axes is stored as a sum, and once more when it was divided, as the card's is. Nothing was seen
    of a window's; where it goes by axes, what it stores are means.

    Args:
        node: a sum or a mean over axes or a window.
        inputs: the tensor, and perhaps axes.
        kind: the float type.
        like: the result.

    Returns:
        The radius before the result is stored; None where but one axis is reduced.
    """
    tf = tensorflow()
    passes = _passes(node, inputs)
    if len(passes) < 2:
        return None
    entry = known(node.op)
    roundings = 2 if entry.running_sum == "mean" and entry.reduces == "axes" else 1
    radii = []
    for order in (passes, passes[::-1]):
        value = inputs[0].value
        radius = zeros_for(inputs[0].stored(kind), value)
        for reduce in order[:-1]:
            value, radius = reduce(value), reduce(radius)
            radius += roundings * kind.half_unit(tf.abs(value) + radius)
        radii.append(tf.reshape(order[-1](radius), tf.shape(like)))
    return tf.maximum(*radii)


def _passes(node: Node, inputs: Sequence[Enclosed]) -> list[Pass]:
    """Return what reduces each axis by itself, the first axis first."""
    tf = tensorflow()
    if known(node.op).reduces == "window":
        window = list(attribute(node, "ksize").list.i)
        return [_along_one(node, axis) for axis in WINDOW if window[axis] > 1]
    reduce = tf.reduce_mean if known(node.op).running_sum == "mean" else tf.reduce_sum
    rank = len(inputs[0].value.shape)
    axes = sorted({int(axis) % rank for axis in inputs[1].value.numpy().reshape(-1)})
    return [functools.partial(reduce, axis=axis, keepdims=True) for axis in axes]


def _along_one(node: Node, axis: int) -> Pass:
    """Return a pooling along one axis of the window; the other's strides are taken with its own pooling."""
    pooling = copied(node)
    for key in ("ksize", "strides"):
        sizes = [1, 1, 1, 1]
        sizes[axis] = list(attribute(node, key).list.i)[axis]
        pooling.attr[key].list.i[:] = sizes
    return lambda x: applied(pooling, [x])[0]
