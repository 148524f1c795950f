"""Convolutions by Winograd's algorithm in float32, as a device that is right by another way may sum them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from conformance.expected.sensitivity.fixed_point_faults import FaultyFixedPoint
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.expected.enclosing.tensors import Tensor
    from conformance.graph.frozen import FrozenGraph, Node

WINDOW = [3, 3]
OF_DATA = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
OF_FILTERS = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
OF_RESULTS = ((1, 1, 1, 0), (0, 1, -1, -1))
"""F(2 x 2, 3 x 3).

Source: A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
"""


@dataclasses.dataclass(frozen=True)
class Winograd(FaultyFixedPoint):
    """The rule of a device without a fault that convolves 3 x 3 windows by Winograd's algorithm."""

    def total(self, node: Node, arguments: Sequence[Tensor]) -> Tensor:
        """Return the sum of products, in float32 where the algorithm applies."""
        if not applies(node) or arguments[1].shape[:2] != WINDOW:
            return super().total(node, arguments)
        tf = tensorflow()
        same = attribute(node, "padding").s == b"SAME"
        return tf.cast(_convolved(*(tf.cast(item, tf.float32) for item in arguments), same=same), tf.float64)


def applies(node: Node) -> bool:
    """Whether a node is a convolution of pictures with steps of one; its window must be 3 x 3."""
    ones = [list(attribute(node, key).list.i) == [1, 1, 1, 1] for key in ("strides", "dilations")]
    plain = attribute(node, "padding").s in (b"SAME", b"VALID")
    return node.op == "Conv2D" and all(ones) and plain and attribute(node, "data_format").s == b"NHWC"


def is_computed_by(part: FrozenGraph) -> bool:
    """Whether a part of a graph has a convolution that the algorithm applies to."""
    for node in part.nodes.values():
        if node.op == "Conv2D" and applies(node):
            filters = part.constant(node.input[known(node.op).data_arguments[1]])
            if filters is not None and list(filters.shape[:2]) == WINDOW:
                return True
    return False


def _convolved(x: Tensor, filters: Tensor, *, same: bool) -> Tensor:
    """Return a convolution in tiles of 2 x 2 results, every step in float32."""
    tf = tensorflow()
    border = 1 if same else 0
    rows, columns = (length + 2 * border - 2 for length in x.shape[1:3])
    down, right = (rows + 1) // 2, (columns + 1) // 2
    room = [
        (border, 2 * count + 2 - length - border)
        for count, length in ((down, x.shape[1]), (right, x.shape[2]))
    ]
    padded = tf.pad(x, [(0, 0), *room, (0, 0)])
    tiles = tf.stack(
        [
            tf.stack([padded[:, i : i + 2 * down : 2, j : j + 2 * right : 2] for j in range(4)])
            for i in range(4)
        ]
    )
    data, weights, results = (tf.constant(table, tf.float32) for table in (OF_DATA, OF_FILTERS, OF_RESULTS))
    data = tf.einsum("ai,bj,ijnhwc->abnhwc", data, data, tiles)
    weights = tf.einsum("ai,bj,ijco->abco", weights, weights, filters)
    products = tf.einsum("abnhwc,abco->abnhwo", data, weights)
    whole = tf.einsum("pa,qb,abnhwo->nhpwqo", results, results, products)
    whole = tf.reshape(whole, [x.shape[0], 2 * down, 2 * right, filters.shape[3]])
    return whole[:, :rows, :columns]
