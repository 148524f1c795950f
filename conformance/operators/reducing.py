"""Operators that make one number out of many: reductions, pooling, softmax, normalisation."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from conformance.graph.operators import EXACT
from conformance.operators.drawing import (
    IMAGES,
    MATRICES,
    MOVED,
    TERMS,
    VECTORS,
    axis_of,
    operand_of,
    shape_of,
)
from conformance.operators.independent import CHANNELS, EACH, ROWS, Independent
from conformance.operators.operand import Operand
from conformance.operators.tested import OperatorTest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    from conformance.operators.tested import Drawn

    Tensor = Any

REDUCED = (*VECTORS[1::3], *MATRICES[2::2], *IMAGES[2::2])
POOLED = ((1, 2, 2, 1), (1, 3, 2, 2), (1, 4, 5, 1), (1, 7, 5, 3), (2, 6, 8, 4), (1, 9, 11, 2), (1, 4, 4, 65))
POOLS = ((2, 2), (1, 1), (3, 3), (2, 3), (3, 1), (1, 2))
LOGITS = ((1, 2), (2, 3), (1, 7), (3, 10), (2, 64), (1, 129), (1, 2, 5), (1, 1000))
SOFT = ("whole", "uniform", "normal", "logits", "equal", "ties")
FACTORS = ("signed zeros", "near one", "uniform", "below one")
"""Recipes of what is multiplied: no product of some of it goes beyond the largest half on its way."""
NORMED = ((1, 2, 2, 1), (1, 3, 2, 2), (2, 4, 3, 5), (1, 5, 7, 64))


def _draw_reduction(draw: DrawFn, *, recipes: Sequence[str], integral: bool = False) -> Drawn:
    shape = shape_of(draw, REDUCED)
    chosen = draw(st.sampled_from(_axes(len(shape))))
    operand = operand_of(draw, shape, recipes, halves=integral)
    return [operand], {"axes": chosen, "keep_dims": draw(st.booleans())}


def _axes(rank: int) -> list[tuple[int, ...]]:
    """Return axes that are reduced: the last, the first, rows and columns, all."""
    found = [(rank - 1,), (0,), tuple(range(1, rank - 1)) or (0,), tuple(range(rank)), (-1,)]
    return list(dict.fromkeys(found))


def _draw_pool(draw: DrawFn, *, recipes: Sequence[str]) -> Drawn:
    shape, padding = shape_of(draw, POOLED), draw(st.sampled_from(["VALID", "SAME"]))
    window = draw(st.sampled_from(POOLS))
    if padding == "VALID":
        window = (min(window[0], shape[1]), min(window[1], shape[2]))
    strides = draw(st.sampled_from([(1, 1), (2, 2), (3, 3), (1, 2), (2, 1), (5, 5)]))
    return [operand_of(draw, shape, recipes)], {
        "ksize": (1, *window, 1),
        "strides": (1, *strides, 1),
        "padding": padding,
    }


def _draw_soft(draw: DrawFn) -> Drawn:
    return [operand_of(draw, shape_of(draw, LOGITS), SOFT)], {}


def _draw_normed(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, NORMED)
    channels = shape[-1:]
    per_channel = [operand_of(draw, channels, recipes, stored=True) for recipes in (TERMS, TERMS, TERMS)]
    variance = operand_of(draw, channels, ("above one",), stored=True)
    return [operand_of(draw, shape, ("uniform", "whole", "normal")), *per_channel, variance], {
        "epsilon": draw(st.sampled_from([0.001, 0.01]))
    }


def _draw_response(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, NORMED)
    return [operand_of(draw, shape, ("uniform", "normal"), halves=True)], {
        "depth_radius": draw(st.sampled_from([1, 2, 5])),
        "bias": 1.0,
        "alpha": draw(st.sampled_from([1.0, 0.5])),
        "beta": draw(st.sampled_from([0.5, 0.75])),
    }


def _draw_extreme(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, REDUCED)
    return [operand_of(draw, shape, ("normal", "whole", "equal"), halves=True)], {
        "axis": axis_of(draw, len(shape))
    }


def _draw_cumulated(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, MATRICES[1:8])
    return [operand_of(draw, shape, ("whole", "uniform"), halves=True)], {
        "axis": axis_of(draw, len(shape)),
        "exclusive": draw(st.booleans()),
        "reverse": draw(st.booleans()),
    }


def _draw_segments(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, MATRICES[1:8])
    ends = tuple(sorted(draw(st.lists(st.integers(0, 2), min_size=shape[0], max_size=shape[0]))))
    return [Operand(shape, "whole", 0, halves=True)], {"ids": ends}


def _draw_dilation(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, POOLED[1:6])
    window = operand_of(draw, (2, 2, shape[-1]), ("whole", "uniform"), stored=True, halves=True)
    return [operand_of(draw, shape, ("whole", "uniform"), halves=True), window], {
        "strides": (1, 1, 1, 1),
        "rates": (1, 1, 1, 1),
        "padding": draw(st.sampled_from(["VALID", "SAME"])),
    }


def _build_reduction(tf: Any, x: Tensor, *, op: str, axes: tuple[int, ...], keep_dims: bool) -> Tensor:
    return getattr(tf.raw_ops, op)(input=x, axis=tf.constant(axes), keep_dims=keep_dims)


def _build_truths(tf: Any, x: Tensor, *, op: str, axes: tuple[int, ...], keep_dims: bool) -> Tensor:
    return tf.cast(_build_reduction(tf, x > 0, op=op, axes=axes, keep_dims=keep_dims), tf.float32)


def _build_pool(tf: Any, x: Tensor, *, op: str, **attributes: Any) -> Tensor:
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}
    return getattr(tf.raw_ops, op)(**{"value" if op == "AvgPool" else "input": x}, **listed)


def _build_soft(tf: Any, x: Tensor, *, op: str) -> Tensor:
    return getattr(tf.raw_ops, op)(logits=x)


def _build_normed(tf: Any, x: Tensor, *channels: Tensor, epsilon: float) -> Tensor:
    scale, offset, mean, variance = channels
    normed = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=epsilon, is_training=False
    )
    return normed.y


def _build_response(tf: Any, x: Tensor, **attributes: Any) -> Tensor:
    return tf.raw_ops.LRN(input=x, **attributes)


def _build_extreme(tf: Any, x: Tensor, *, op: str, axis: int) -> Tensor:
    return tf.cast(getattr(tf.raw_ops, op)(input=x, dimension=axis), tf.float32)


def _build_cumulated(tf: Any, x: Tensor, **attributes: Any) -> Tensor:
    return tf.raw_ops.Cumsum(x=x, **attributes)


def _build_segments(tf: Any, x: Tensor, *, ids: tuple[int, ...]) -> Tensor:
    return tf.raw_ops.SegmentSum(data=x, segment_ids=tf.constant(ids))


def _build_dilation(tf: Any, x: Tensor, window: Tensor, **attributes: Any) -> Tensor:
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in attributes.items()}
    return tf.raw_ops.Dilation2D(input=x, filter=window, **listed)


def _reduction(op: str, recipes: Sequence[str], *, halves: bool = False) -> OperatorTest:
    drawing = functools.partial(_draw_reduction, recipes=recipes, integral=halves)
    laws = () if op in EXACT else REST
    return OperatorTest(op, op, drawing, functools.partial(_build_reduction, op=op), laws)


REST = tuple(dataclasses.replace(axis, besides="axes") for axis in EACH)
"""Of a reduction: the axes that are not reduced."""
OTHER = tuple(dataclasses.replace(axis, besides="axis") for axis in EACH)
NORMALISED = (Independent("rows", 0, (0, *[None] * 4)), Independent("channels", -1, (-1,) * 5))
DILATED = (Independent("rows", 0, (0, None)), Independent("channels", -1, (-1, -1)))

REDUCING_TESTS = (
    _reduction("Mean", TERMS),
    _reduction("Sum", TERMS),
    _reduction("Max", MOVED),
    _reduction("Min", MOVED),
    _reduction("Prod", FACTORS),
    _reduction("EuclideanNorm", ("uniform", "whole"), halves=True),
    *(
        OperatorTest(
            op,
            op,
            functools.partial(_draw_reduction, recipes=("whole", "signed zeros"), integral=True),
            functools.partial(_build_truths, op=op),
        )
        for op in ("All", "Any")
    ),
    *(
        OperatorTest(op, op, _draw_extreme, functools.partial(_build_extreme, op=op))
        for op in ("ArgMax", "ArgMin")
    ),
    *(
        OperatorTest(
            op,
            op,
            functools.partial(_draw_pool, recipes=recipes),
            functools.partial(_build_pool, op=op),
            () if op in EXACT else EACH,
        )
        for op, recipes in (("AvgPool", TERMS), ("MaxPool", MOVED))
    ),
    *(
        OperatorTest(op, op, _draw_soft, functools.partial(_build_soft, op=op), (ROWS,))
        for op in ("Softmax", "LogSoftmax")
    ),
    OperatorTest("FusedBatchNormV3", "FusedBatchNormV3", _draw_normed, _build_normed, NORMALISED),
    OperatorTest("LRN", "LRN", _draw_response, _build_response, (ROWS,)),
    OperatorTest("Cumsum", "Cumsum", _draw_cumulated, _build_cumulated, OTHER),
    OperatorTest("SegmentSum", "SegmentSum", _draw_segments, _build_segments, (CHANNELS,)),
    OperatorTest("Dilation2D", "Dilation2D", _draw_dilation, _build_dilation, DILATED),
)
