"""Sums over several axes of which one is reduced after the other, and what comes out between is stored.

CNML reduces one dimension per operator, and a real card was seen to store what one axis comes to before the
next: ``reduction_sum`` and ``reduction_order`` in ``fixtures/devices/mlu270.toml``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from conformance.expected.enclosing.tensors import FloatType, Tensor, zeros_for
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.graph.frozen import Node

    Pass = Callable[[Tensor], Tensor]


def stored_between(
    node: Node,
    data: Tensor,
    received: Tensor | None,
    rest: Sequence[Tensor],
    kind: FloatType,
    *,
    like: Tensor,
) -> Tensor | None:
    """Return the radius of a sum whose terms are off, and that is stored between axes, whichever is first.

    A mean is stored as a sum, and once more when it was divided, as the card's is. Nothing was seen of the
    sums of a window, so that for them this is not allowed.

    Args:
        node: a sum or a mean, over axes or a window.
        data: its terms.
        received: their radius; None where every right device has these very terms.
        rest: what else the node reads: its axes.
        kind: the float type.
        like: the result.

    Returns:
        The radius before the result is stored; None where but one axis is reduced, or a window.
    """
    tf = tensorflow()
    if known(node.op).reduces == "window" or len(passes := _passes(node, data, rest)) < 2:
        return None
    start = zeros_for(received, data)
    roundings = 2 if known(node.op).running_sum == "mean" else 1
    radii = []
    for order in (passes, passes[::-1]):
        value, radius = data, start
        for reduce in order[:-1]:
            value, radius = reduce(value), reduce(radius)
            radius += roundings * kind.half_unit(tf.abs(value) + radius)
        radii.append(tf.reshape(order[-1](radius), like.shape))
    return tf.maximum(*radii)


def _passes(node: Node, data: Tensor, rest: Sequence[Tensor]) -> list[Pass]:
    """Return what reduces each axis by itself, the first axis first."""
    tf = tensorflow()
    reduce = tf.reduce_mean if known(node.op).running_sum == "mean" else tf.reduce_sum
    rank = len(data.shape)
    axes = sorted({int(axis) % rank for axis in rest[0].numpy().reshape(-1)})
    return [functools.partial(reduce, axis=axis, keepdims=True) for axis in axes]
