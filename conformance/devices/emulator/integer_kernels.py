"""Convolutions of 8-bit integers by the processor's integer instructions, where these are exact.

TensorFlow's own kernel for quantised convolutions, oneDNN's, is called with scales of 1, so that it returns
plain sums. It rounds them to float32 at its very end: they are exact up to ±2^24, in whatever order it adds.
A processor without instructions for it saturates halfway, and is found out by a check at first use.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.errors import InfrastructureError, UsageError
from conformance.graph.editing import constant, placeholder, plain
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import op_definition
from conformance.graph.sums import same_padding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.graph.frozen import Node

Array = np.ndarray[Any, Any]

KERNEL = "_MklQuantizedConv2D"
"""What TensorFlow replaces ``QuantizedConv2D`` by. Named itself, it takes signed inputs and filters that are
no constants of the graph, and does not depend on whether oneDNN is on for other operators."""

LABEL = b"QuantizedMklOp"

EXACT = 2**24
"""No sum may leave ±this: the kernel rounds to float32."""

WORTHWHILE = 2**22
"""So many products an operator must have for integer kernels to be faster than float kernels."""

WHOLE = {"int8": 127.0, "uint8": 255.0}
"""The real number that the largest integer stands for, so that every integer stands for itself."""

QUANTIZED = {"int8": "qint8", "uint8": "quint8"}


def convolution(
    name: str,
    data: str,
    dtype: str,
    filters: str,
    *,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    padding: bytes = b"VALID",
    pads: Sequence[int] = (),
) -> list[Node]:
    """Return nodes that convolve integers; the last, called ``name``, is the int32 sums.

    Args:
        name: of the last node; the others stand below it.
        data: the input: (samples, rows, columns, channels).
        dtype: of the input: ``int8`` or ``uint8``.
        filters: an int8 tensor (rows, columns, channels, outputs), the same in every run. With fewer
            channels than the input has, the convolution is a grouped one.
        strides: along rows and columns.
        dilations: along rows and columns.
        padding: ``SAME`` or ``VALID``.
        pads: two numbers for each axis of the input, in place of ``padding``.
    """
    integers = [
        plain(f"{name}/data", "Bitcast", [data], T=dtype, type=QUANTIZED[dtype]),
        plain(f"{name}/filter", "Bitcast", [filters], T="int8", type="qint8"),
    ]
    ends = [
        constant(f"{name}/largest_{of}", np.float32(WHOLE[kind]))
        for of, kind in (("data", dtype), ("filter", "int8"))
    ]
    inputs = [part.name for part in (*integers, ends[0], ends[0], ends[1], ends[1])]
    kernel = plain(
        f"{name}/kernel", KERNEL, inputs, Tinput=QUANTIZED[dtype], Tfilter="qint8", out_type="qint32"
    )
    kernel.attr["_kernel"].s = LABEL
    kernel.attr["is_filter_const"].b = True
    kernel.attr["data_format"].s = b"NHWC"
    kernel.attr["padding"].s = padding
    for key, values in (("strides", strides), ("dilations", dilations)):
        kernel.attr[key].list.i.extend([1, *values, 1])
    kernel.attr["padding_list"].list.i.extend(pads)
    return [*integers, *ends, kernel, plain(name, "Bitcast", [kernel.name], T="qint32", type="int32")]


@functools.cache
def exact() -> bool:
    """Whether this TensorFlow has the kernel, and it is exact on this processor, worst cases included."""
    if op_definition(KERNEL) is None:
        return False
    try:
        return all(np.array_equal(found, expected) for found, expected in _worst_cases())
    except (InfrastructureError, UsageError):  # which a graph becomes that TensorFlow cannot load or run
        return False


class _Case(NamedTuple):
    """Shapes of a convolution: small ones, of every kind."""

    image: tuple[int, int]
    window: tuple[int, int]
    channels: int
    outputs: int
    groups: int = 1
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: bytes = b"SAME"


_CASES = (
    _Case((5, 7), (3, 3), 33, 5),
    _Case((9, 6), (3, 2), 56, 24, strides=(2, 2)),
    _Case((12, 9), (7, 7), 3, 32, padding=b"VALID"),
    _Case((8, 8), (3, 3), 56, 64),
    _Case((9, 9), (3, 3), 16, 16, dilations=(2, 2)),
    _Case((7, 7), (3, 3), 24, 24, groups=24),
    _Case((6, 5), (3, 3), 32, 48, groups=4, strides=(2, 1), padding=b"VALID"),
    _Case((3, 1), (1, 1), 514, 20),
    _Case((1, 1), (1, 1), 511, 64),
)
"""Of the largest, sums of the largest integers just keep to ``EXACT``."""


def _worst_cases() -> list[tuple[Array, Array]]:
    """Return found and expected sums, of integers at the ends of their ranges, over ``_CASES``."""
    nodes, feeds, expected = [], {}, {}
    for number, case in enumerate(_CASES):
        random = np.random.default_rng(number)
        shape = (*case.window, case.channels // case.groups, case.outputs)
        filters = random.choice(np.array([-128, 127], np.int8), shape)
        filters[..., : case.outputs // 2] = filters[0, 0, 0, : case.outputs // 2]  # the largest sums
        nodes.append(constant(f"filter_{number}", filters))
        for dtype, ends in (("int8", [-128, 127]), ("uint8", [0, 255])):
            data = random.choice(np.array(ends, dtype), (2, *case.image, case.channels))
            data[0] = ends[number % 2]
            name, fed = f"{dtype}_{number}", f"data_{dtype}_{number}"
            nodes.append(placeholder(fed, dtype, data.shape))
            nodes += convolution(
                name,
                fed,
                dtype,
                f"filter_{number}",
                strides=case.strides,
                dilations=case.dilations,
                padding=case.padding,
            )
            feeds[fed], expected[name] = data, _in_int64(data, filters, case)
    found = GraphRunner(FrozenGraph(nodes, list(expected)), list(expected))(feeds)
    return [(found[name], sums) for name, sums in expected.items()]


def _in_int64(data: Array, filters: Array, case: _Case) -> Array:
    """Return a convolution in NumPy's int64, tap by tap."""
    sizes = [(taps - 1) * step + 1 for taps, step in zip(case.window, case.dilations, strict=True)]
    images = zip(case.image, sizes, case.strides, strict=True)
    pads = [same_padding(*axis) if case.padding == b"SAME" else (0, 0) for axis in images]
    padded = np.pad(data.astype(np.int64), [(0, 0), *pads, (0, 0)])
    spans = [length - size + 1 for length, size in zip(padded.shape[1:3], sizes, strict=True)]
    sums: Any = 0
    for row, column in np.ndindex(case.window):
        top, left = row * case.dilations[0], column * case.dilations[1]
        seen = padded[:, top : top + spans[0] : case.strides[0], left : left + spans[1] : case.strides[1]]
        grouped = seen.reshape(*seen.shape[:3], case.groups, -1)
        weights = filters[row, column].astype(np.int64).reshape(filters.shape[2], case.groups, -1)
        sums = sums + np.einsum("nhwgc,cgo->nhwgo", grouped, weights)
    return np.asarray(sums.reshape(*sums.shape[:3], -1))
