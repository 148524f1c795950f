"""Sums of products: convolutions of every kind, and matmuls."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from conformance.operators.drawing import TERMS, operand_of, shape_of
from conformance.operators.independent import Independent
from conformance.operators.tested import OperatorTest

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from conformance.operators.tested import Drawn

    Tensor = Any

PICTURES = (
    *((1, 2, 2, 1), (1, 3, 2, 1), (1, 3, 4, 2), (1, 5, 7, 3), (2, 6, 5, 4), (1, 8, 8, 16)),
    *((1, 9, 4, 5), (1, 4, 6, 63), (1, 3, 5, 64), (1, 5, 3, 65), (2, 3, 3, 129)),
)
WINDOWS = ((1, 1), (2, 2), (3, 3), (2, 1), (1, 3), (3, 2), (5, 5))
FILTERS = ("whole", "uniform", "normal", "wide channels", "equal", "cancelling")
MATRICES = (
    *((1, 1, 1), (1, 2, 1), (2, 3, 2), (5, 7, 3), (1, 63, 2), (3, 64, 5), (2, 65, 1), (4, 127, 2)),
    *((2, 129, 3), (1, 1009, 2)),
)
"""Rows, summed length, columns."""
PADDINGS = ("VALID", "SAME")


def _picture_and_window(
    draw: DrawFn, padding: str, *, dilation: int = 1
) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Return shapes that give at least one output."""
    picture, window = shape_of(draw, PICTURES), shape_of(draw, WINDOWS)
    if padding == "VALID":
        fitting = zip(window, picture[1:3], strict=True)
        window = tuple(min(size, (length - 1) // dilation + 1) for size, length in fitting)
    return picture, (window[0], window[1])


def _draw_convolution(draw: DrawFn, *, dilated: bool = False) -> Drawn:
    padding = draw(st.sampled_from(PADDINGS))
    dilation = draw(st.sampled_from([2, 3])) if dilated else 1
    picture, window = _picture_and_window(draw, padding, dilation=dilation)
    stride = 1 if dilated else draw(st.sampled_from([1, 2, 3]))
    across = 1 if dilated else draw(st.sampled_from([stride, 1, 2]))
    out = draw(st.sampled_from([1, 2, 3, 8]))
    filters = operand_of(draw, (*window, picture[-1], out), FILTERS, stored=True)
    return [operand_of(draw, picture, TERMS), filters], {
        "strides": (1, stride, across, 1),
        "padding": padding,
        "dilations": (1, dilation, dilation, 1),
    }


def _draw_depthwise(draw: DrawFn) -> Drawn:
    padding = draw(st.sampled_from(PADDINGS))
    picture, window = _picture_and_window(draw, padding)
    stride, times = draw(st.sampled_from([1, 2])), draw(st.sampled_from([1, 2]))
    filters = operand_of(draw, (*window, picture[-1], times), FILTERS, stored=True)
    return [operand_of(draw, picture, TERMS), filters], {
        "strides": (1, stride, stride, 1),
        "padding": padding,
        "dilations": (1, 1, 1, 1),
    }


def _draw_transposed(draw: DrawFn) -> Drawn:
    padding, window = draw(st.sampled_from(PADDINGS)), shape_of(draw, WINDOWS)
    small, stride = shape_of(draw, PICTURES[:7]), draw(st.sampled_from([1, 2, 3]))
    channels = draw(st.sampled_from([1, 2, 3]))
    sizes = [_enlarged(draw, *pair, stride, padding) for pair in zip(small[1:3], window, strict=True)]
    filters = operand_of(draw, (*window, channels, small[-1]), FILTERS, stored=True)
    return [operand_of(draw, small, TERMS), filters], {
        "sizes": (small[0], *sizes, channels),
        "strides": (1, stride, stride, 1),
        "padding": padding,
    }


def _enlarged(draw: DrawFn, length: int, window: int, stride: int, padding: str) -> int:
    """Return one of the lengths of which a convolution makes ``length``."""
    least = (length - 1) * stride + (window if padding == "VALID" else 1)
    return least + draw(st.integers(0, stride - 1))


def _draw_volume(draw: DrawFn) -> Drawn:
    picture = shape_of(draw, [(1, 2, 2, 2, 1), (1, 3, 2, 4, 2), (1, 4, 5, 3, 3)])
    window = draw(st.sampled_from([(1, 1, 1), (2, 2, 2), (1, 2, 2)]))
    filters = operand_of(draw, (*window, picture[-1], draw(st.sampled_from([1, 2]))), FILTERS, stored=True)
    return [operand_of(draw, picture, TERMS), filters], {"padding": draw(st.sampled_from(PADDINGS))}


def _draw_matmul(draw: DrawFn) -> Drawn:
    rows, length, columns = draw(st.sampled_from(MATRICES))
    turned = draw(st.booleans()), draw(st.booleans())
    left = (length, rows) if turned[0] else (rows, length)
    right = (columns, length) if turned[1] else (length, columns)
    stored = draw(st.booleans())
    operands = [operand_of(draw, left, TERMS), operand_of(draw, right, FILTERS, stored=stored)]
    return operands, {"transpose_a": turned[0], "transpose_b": turned[1]}


def _draw_batched(draw: DrawFn) -> Drawn:
    rows, length, columns = draw(st.sampled_from(MATRICES[:8]))
    batch, turned = draw(st.sampled_from([(1,), (2,), (3,), (2, 2)])), draw(st.booleans())
    right = (columns, length) if turned else (length, columns)
    operands = [operand_of(draw, (*batch, rows, length), TERMS), operand_of(draw, (*batch, *right), FILTERS)]
    return operands, {"adj_y": turned}


def _draw_einsum(draw: DrawFn) -> Drawn:
    rows, length, columns = draw(st.sampled_from(MATRICES[:8]))
    equation = draw(st.sampled_from(["ab,bc->ac", "ab,cb->ac", "ab,bc->ca"]))
    right = (columns, length) if equation.startswith("ab,cb") else (length, columns)
    operands = [operand_of(draw, (rows, length), TERMS), operand_of(draw, right, FILTERS, stored=True)]
    return operands, {"equation": equation}


def _build_convolution(tf: Any, x: Tensor, filters: Tensor, **attributes: Any) -> Tensor:
    return tf.raw_ops.Conv2D(input=x, filter=filters, **_listed(attributes))


def _build_depthwise(tf: Any, x: Tensor, filters: Tensor, **attributes: Any) -> Tensor:
    return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=filters, **_listed(attributes))


def _build_transposed(
    tf: Any, x: Tensor, filters: Tensor, *, sizes: tuple[int, ...], **attributes: Any
) -> Tensor:
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.constant(sizes), filter=filters, out_backprop=x, **_listed(attributes)
    )


def _build_volume(tf: Any, x: Tensor, filters: Tensor, *, padding: str) -> Tensor:
    return tf.raw_ops.Conv3D(input=x, filter=filters, strides=[1] * 5, padding=padding)


def _build_matmul(tf: Any, a: Tensor, b: Tensor, **turned: bool) -> Tensor:
    return tf.raw_ops.MatMul(a=a, b=b, **turned)


def _build_batched(tf: Any, x: Tensor, y: Tensor, *, op: str, adj_y: bool) -> Tensor:
    return getattr(tf.raw_ops, op)(x=x, y=y, adj_y=adj_y)


def _build_einsum(tf: Any, x: Tensor, y: Tensor, *, equation: str) -> Tensor:
    return tf.raw_ops.Einsum(inputs=[x, y], equation=equation)


def _listed(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}


SAMPLES = Independent("rows", 0, (0, None))
CONVOLVED = (SAMPLES, Independent("channels", -1, (None, -1)))
TRANSPOSED = (
    Independent("rows", 0, (0, None), sizes="sizes"),
    Independent("channels", -1, (None, -2), sizes="sizes"),
)
MULTIPLIED = (
    Independent("rows", -2, (-2, None), where=("transpose_a", False)),
    Independent("channels", -1, (None, -1), where=("transpose_b", False)),
)
BATCHED = (Independent("rows", 0, (0, 0)), Independent("channels", -1, (None, -1), where=("adj_y", False)))
SUMMED = tuple(dataclasses.replace(axis, where=("equation", "ab,bc->ac")) for axis in (SAMPLES, CONVOLVED[1]))

PRODUCT_TESTS = (
    OperatorTest("Conv2D", "Conv2D", _draw_convolution, _build_convolution, CONVOLVED),
    OperatorTest(
        "Conv2D/dilated",
        "Conv2D",
        functools.partial(_draw_convolution, dilated=True),
        _build_convolution,
        CONVOLVED,
    ),
    OperatorTest(
        "DepthwiseConv2dNative", "DepthwiseConv2dNative", _draw_depthwise, _build_depthwise, (SAMPLES,)
    ),
    OperatorTest(
        "Conv2DBackpropInput", "Conv2DBackpropInput", _draw_transposed, _build_transposed, TRANSPOSED
    ),
    OperatorTest("Conv3D", "Conv3D", _draw_volume, _build_volume, CONVOLVED),
    OperatorTest("MatMul", "MatMul", _draw_matmul, _build_matmul, MULTIPLIED),
    *(
        OperatorTest(op, op, _draw_batched, functools.partial(_build_batched, op=op), BATCHED)
        for op in ("BatchMatMul", "BatchMatMulV2")
    ),
    OperatorTest("Einsum", "Einsum", _draw_einsum, _build_einsum, SUMMED),
)
