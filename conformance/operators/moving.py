"""Operators that move numbers: concatenation, slices, padding, gathers, space and batch, and resizing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from conformance.operators.drawing import (
    IMAGES,
    MATRICES,
    MOVED,
    VECTORS,
    axis_of,
    indices_of,
    operand_of,
    shape_of,
)
from conformance.operators.independent import CHANNELS, EACH
from conformance.operators.tested import OperatorTest

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from conformance.operators.tested import Drawn

    Tensor = Any

ANY = (*VECTORS[1::2], *MATRICES[1::2], (2, 3, 4), *IMAGES[1::2])
TABLES = ((3,), (2, 3), (5, 2), (129, 3), (2503, 2))
"""What is gathered from; whole numbers above 2048 are not all halves."""
TILES = ((1, 2, 2, 1), (1, 2, 4, 3), (2, 4, 6, 2), (1, 6, 4, 5), (1, 12, 6, 1))
"""Pictures whose rows and columns 2 divides."""
RESIZED = ((1, 2, 2, 1), (1, 3, 2, 2), (1, 4, 5, 3), (2, 7, 3, 2), (1, 8, 8, 65))
SMOOTH = ("whole", "uniform", "normal", "ties")


def _draw_any(draw: DrawFn) -> Drawn:
    return [operand_of(draw, shape_of(draw, ANY), MOVED)], {}


def _draw_joined(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    axis = axis_of(draw, len(shape))
    lengths = [shape[axis], draw(st.sampled_from([1, 2, 3, 64]))]
    shapes = [(*shape[:axis], length, *shape[axis + 1 :]) for length in lengths]
    return [operand_of(draw, each, MOVED) for each in shapes], {"axis": axis}


def _draw_packed(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    return [operand_of(draw, shape, MOVED) for _ in range(2)], {"axis": draw(st.integers(0, len(shape)))}


def _draw_divided(draw: DrawFn) -> Drawn:
    parts, length = draw(st.sampled_from([2, 3])), draw(st.sampled_from([1, 2, 5]))
    shape = shape_of(draw, ANY)
    axis = axis_of(draw, len(shape))
    shape = (*shape[:axis], parts * length, *shape[axis + 1 :])
    return [operand_of(draw, shape, MOVED)], {"axis": axis, "parts": parts}


def _draw_split(draw: DrawFn) -> Drawn:
    sizes = draw(st.sampled_from([(1, 2), (2, 1), (1, 3, 1), (63, 1, 64)]))
    shape = shape_of(draw, ANY)
    axis = axis_of(draw, len(shape))
    shape = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    return [operand_of(draw, shape, MOVED)], {"axis": axis, "sizes": sizes}


def _draw_slice(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    begin = tuple(draw(st.integers(0, min(length - 1, 2))) for length in shape)
    size = tuple(draw(st.sampled_from([-1, 1])) for _ in shape)
    return [operand_of(draw, shape, MOVED)], {"begin": begin, "size": size}


def _draw_strided(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    steps = tuple(draw(st.sampled_from([1, 2, -1, 3])) for _ in shape)
    return [operand_of(draw, shape, MOVED)], {"strides": steps}


def _draw_padded(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    paddings = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 3))) for _ in shape)
    return [operand_of(draw, shape, MOVED)], {"paddings": paddings}


def _draw_padded_with(draw: DrawFn) -> Drawn:
    operands, attributes = _draw_padded(draw)
    return operands, {**attributes, "value": draw(st.sampled_from([1.0, -2.5]))}


def _draw_mirrored(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    mode = draw(st.sampled_from(["REFLECT", "SYMMETRIC"]))
    less = 1 if mode == "REFLECT" else 0
    paddings = tuple(
        (draw(st.integers(0, min(length - less, 2))), draw(st.integers(0, min(length - less, 2))))
        for length in shape
    )
    return [operand_of(draw, shape, MOVED)], {"paddings": paddings, "mode": mode}


def _draw_transposed(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, [shape for shape in ANY if len(shape) > 1])
    return [operand_of(draw, shape, MOVED)], {"perm": tuple(draw(st.permutations(range(len(shape)))))}


def _draw_reversed(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    return [operand_of(draw, shape, MOVED)], {"axis": axis_of(draw, len(shape))}


def _draw_tiled(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, ANY)
    return [operand_of(draw, shape, MOVED)], {"multiples": tuple(draw(st.integers(1, 3)) for _ in shape)}


def _draw_broadcast(draw: DrawFn) -> Drawn:
    narrow, wide = draw(st.sampled_from([((1,), (3,)), ((3,), (2, 3)), ((2, 1), (2, 5)), ((65,), (3, 65))]))
    return [operand_of(draw, narrow, MOVED)], {"shape": wide}


def _draw_filled(draw: DrawFn) -> Drawn:
    return [operand_of(draw, (), MOVED)], {"dims": shape_of(draw, ANY)}


def _draw_gathered(draw: DrawFn) -> Drawn:
    shape, count = shape_of(draw, TABLES), draw(st.sampled_from([1, 3, 64]))
    axis = draw(st.integers(0, len(shape) - 1))
    return [operand_of(draw, shape, MOVED), indices_of(draw, (count,), shape[axis])], {"axis": axis}


def _draw_gathered_nd(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, TABLES)
    return [operand_of(draw, shape, MOVED), indices_of(draw, (3, 1), shape[0])], {}


def _draw_one_hot(draw: DrawFn) -> Drawn:
    depth = draw(st.sampled_from([2, 3, 64, 2503]))
    return [indices_of(draw, (draw(st.sampled_from([1, 2, 5])),), depth)], {
        "depth": depth,
        "values": draw(st.sampled_from([(1.0, 0.0), (0.9, -0.1)])),
    }


def _draw_top(draw: DrawFn, *, ordered: bool = True) -> Drawn:
    shape = shape_of(draw, [(3,), (7,), (2, 5), (3, 65), (1, 129)])
    k = draw(st.sampled_from([2, 1, 3]))
    return [operand_of(draw, shape, ("normal", "uniform"), halves=True)], {"k": k, "sorted": ordered}


def _draw_cast(draw: DrawFn) -> Drawn:
    operand = operand_of(
        draw, shape_of(draw, ANY), ("whole", "normal", "uniform", "signed zeros"), halves=True
    )
    return [operand], {"through": draw(st.sampled_from(["int16", "int8", "float16"]))}


def _draw_blocks(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, TILES)
    paddings = draw(st.sampled_from([((0, 0), (0, 0)), ((1, 1), (0, 2)), ((2, 0), (1, 1))]))
    return [operand_of(draw, shape, MOVED)], {"block": (2, 2), "paddings": paddings}


def _draw_batches(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, [(4, 1, 2, 1), (4, 3, 2, 3), (8, 2, 2, 2)])
    crops = draw(st.sampled_from([((0, 0), (0, 0)), ((0, 1), (1, 0)), ((1, 0), (0, 1))]))
    return [operand_of(draw, shape, MOVED)], {"block": (2, 2), "crops": crops}


def _draw_depth(draw: DrawFn, *, deep: bool) -> Drawn:
    shape = shape_of(draw, TILES)
    shape = (*shape[:3], 4 * shape[3]) if deep else shape
    return [operand_of(draw, shape, MOVED)], {"block_size": 2}


def _draw_resized(draw: DrawFn, *, recipes: tuple[str, ...], halves: bool = False) -> Drawn:
    shape = shape_of(draw, RESIZED)
    size = draw(st.sampled_from([(4, 4), (1, 1), (2, 3), (5, 7), (8, 6), (3, 16)]))
    operand = operand_of(draw, shape, recipes, halves=halves)
    return [operand], {"size": size, "align_corners": draw(st.booleans())}


def _draw_cropped(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, RESIZED)
    box = draw(st.sampled_from([(0.0, 0.0, 1.0, 1.0), (0.25, 0.0, 1.0, 0.5), (-0.5, 0.0, 1.0, 1.5)]))
    return [operand_of(draw, shape, SMOOTH, halves=True)], {
        "box": box,
        "size": draw(st.sampled_from([(2, 2), (3, 4), (5, 1)])),
        "extrapolation_value": draw(st.sampled_from([0.0, 1.0])),
    }


def _build_joined(tf: Any, *inputs: Tensor, axis: int) -> Tensor:
    return tf.raw_ops.ConcatV2(values=list(inputs), axis=axis)


def _build_packed(tf: Any, *inputs: Tensor, axis: int) -> Tensor:
    return tf.raw_ops.Pack(values=list(inputs), axis=axis)


def _build_divided(tf: Any, x: Tensor, *, axis: int, parts: int) -> Tensor:
    """Return the parts of a Split, the last one first."""
    found = tf.raw_ops.Split(axis=axis, value=x, num_split=parts)
    return tf.concat(list(reversed(found)), axis)


def _build_split(tf: Any, x: Tensor, *, axis: int, sizes: tuple[int, ...]) -> Tensor:
    found = tf.raw_ops.SplitV(value=x, size_splits=tf.constant(sizes), axis=axis, num_split=len(sizes))
    return tf.concat(list(reversed(found)), axis)


def _build_unpacked(tf: Any, x: Tensor, *, axis: int, parts: int) -> Tensor:  # noqa: ARG001 - drawn as for Split
    """Return what an Unpack takes apart along an axis, put together the other way round."""
    return tf.stack(list(reversed(tf.raw_ops.Unpack(value=x, num=int(x.shape[axis]), axis=axis))), axis)


def _build_slice(tf: Any, x: Tensor, *, begin: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
    return tf.raw_ops.Slice(input=x, begin=tf.constant(begin), size=tf.constant(size))


def _build_strided(tf: Any, x: Tensor, *, strides: tuple[int, ...]) -> Tensor:
    everything = (1 << len(strides)) - 1
    zeros = tf.constant([0] * len(strides))
    return tf.raw_ops.StridedSlice(
        input=x,
        begin=zeros,
        end=zeros,
        strides=tf.constant(strides),
        begin_mask=everything,
        end_mask=everything,
    )


def _build_padded(tf: Any, x: Tensor, *, paddings: Any) -> Tensor:
    return tf.raw_ops.Pad(input=x, paddings=tf.constant(paddings))


def _build_padded_with(tf: Any, x: Tensor, *, paddings: Any, value: float) -> Tensor:
    return tf.raw_ops.PadV2(input=x, paddings=tf.constant(paddings), constant_values=value)


def _build_mirrored(tf: Any, x: Tensor, *, paddings: Any, mode: str) -> Tensor:
    return tf.raw_ops.MirrorPad(input=x, paddings=tf.constant(paddings), mode=mode)


def _build_transposed(tf: Any, x: Tensor, *, perm: tuple[int, ...]) -> Tensor:
    return tf.raw_ops.Transpose(x=x, perm=tf.constant(perm))


def _build_reversed(tf: Any, x: Tensor, *, axis: int) -> Tensor:
    return tf.raw_ops.ReverseV2(tensor=x, axis=tf.constant([axis]))


def _build_tiled(tf: Any, x: Tensor, *, multiples: tuple[int, ...]) -> Tensor:
    return tf.raw_ops.Tile(input=x, multiples=tf.constant(multiples))


def _build_broadcast(tf: Any, x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    return tf.raw_ops.BroadcastTo(input=x, shape=tf.constant(shape))


def _build_filled(tf: Any, x: Tensor, *, dims: tuple[int, ...]) -> Tensor:
    return tf.raw_ops.Fill(dims=tf.constant(dims), value=x)


def _build_flat(tf: Any, x: Tensor) -> Tensor:
    return tf.raw_ops.Reshape(tensor=x, shape=tf.constant([1, -1]))


def _build_expanded(tf: Any, x: Tensor) -> Tensor:
    return tf.raw_ops.ExpandDims(input=x, axis=0)


def _build_squeezed(tf: Any, x: Tensor) -> Tensor:
    return tf.raw_ops.Squeeze(input=x)


def _build_gathered(tf: Any, table: Tensor, at: Tensor, *, axis: int) -> Tensor:
    return tf.raw_ops.GatherV2(params=table, indices=at, axis=axis)


def _build_gathered_nd(tf: Any, table: Tensor, at: Tensor) -> Tensor:
    return tf.raw_ops.GatherNd(params=table, indices=at)


def _build_one_hot(tf: Any, at: Tensor, *, depth: int, values: tuple[float, float]) -> Tensor:
    on, off = values
    return tf.raw_ops.OneHot(indices=at, depth=depth, on_value=on, off_value=off)


def _build_top(tf: Any, x: Tensor, *, k: int, sorted: bool) -> Tensor:  # noqa: A002 - the attribute's name
    return tf.raw_ops.TopKV2(input=x, k=k, sorted=sorted).values


def _build_top_in_order(tf: Any, x: Tensor, *, k: int, sorted: bool) -> Tensor:  # noqa: A002
    """Return the largest of the largest: where their order is not asked for, any is right."""
    return tf.raw_ops.TopKV2(input=_build_top(tf, x, k=k, sorted=sorted), k=k).values


def _build_top_places(tf: Any, x: Tensor, *, k: int, sorted: bool) -> Tensor:  # noqa: A002
    return tf.cast(tf.raw_ops.TopKV2(input=x, k=k, sorted=sorted).indices, tf.float32)


def _build_cast(tf: Any, x: Tensor, *, through: str) -> Tensor:
    return tf.raw_ops.Cast(x=tf.raw_ops.Cast(x=x, DstT=through), DstT=tf.float32)


def _build_blocks(tf: Any, x: Tensor, *, block: tuple[int, int], paddings: Any) -> Tensor:
    return tf.raw_ops.SpaceToBatchND(input=x, block_shape=tf.constant(block), paddings=tf.constant(paddings))


def _build_batches(tf: Any, x: Tensor, *, block: tuple[int, int], crops: Any) -> Tensor:
    return tf.raw_ops.BatchToSpaceND(input=x, block_shape=tf.constant(block), crops=tf.constant(crops))


def _build_depth(tf: Any, x: Tensor, *, op: str, block_size: int) -> Tensor:
    return getattr(tf.raw_ops, op)(input=x, block_size=block_size)


def _build_resized(tf: Any, x: Tensor, *, op: str, size: tuple[int, int], align_corners: bool) -> Tensor:
    return getattr(tf.raw_ops, op)(images=x, size=tf.constant(size), align_corners=align_corners)


def _build_cropped(tf: Any, x: Tensor, *, box: Any, size: Any, extrapolation_value: float) -> Tensor:
    return tf.raw_ops.CropAndResize(
        image=x,
        boxes=tf.constant([box]),
        box_ind=tf.constant([0]),
        crop_size=tf.constant(size),
        extrapolation_value=extrapolation_value,
    )


MOVING_TESTS = (
    OperatorTest("ConcatV2", "ConcatV2", _draw_joined, _build_joined),
    OperatorTest("Pack", "Pack", _draw_packed, _build_packed),
    OperatorTest("Split", "Split", _draw_divided, _build_divided),
    OperatorTest("SplitV", "SplitV", _draw_split, _build_split),
    OperatorTest("Unpack", "Unpack", _draw_divided, _build_unpacked),
    OperatorTest("Slice", "Slice", _draw_slice, _build_slice),
    OperatorTest("StridedSlice", "StridedSlice", _draw_strided, _build_strided),
    OperatorTest("Pad", "Pad", _draw_padded, _build_padded),
    OperatorTest("PadV2", "PadV2", _draw_padded_with, _build_padded_with),
    OperatorTest("MirrorPad", "MirrorPad", _draw_mirrored, _build_mirrored),
    OperatorTest("Transpose", "Transpose", _draw_transposed, _build_transposed),
    OperatorTest("ReverseV2", "ReverseV2", _draw_reversed, _build_reversed),
    OperatorTest("Tile", "Tile", _draw_tiled, _build_tiled),
    OperatorTest("BroadcastTo", "BroadcastTo", _draw_broadcast, _build_broadcast),
    OperatorTest("Fill", "Fill", _draw_filled, _build_filled),
    OperatorTest("Reshape", "Reshape", _draw_any, _build_flat),
    OperatorTest("ExpandDims", "ExpandDims", _draw_any, _build_expanded),
    OperatorTest("Squeeze", "Squeeze", _draw_any, _build_squeezed),
    OperatorTest("GatherV2", "GatherV2", _draw_gathered, _build_gathered),
    OperatorTest("GatherNd", "GatherNd", _draw_gathered_nd, _build_gathered_nd),
    OperatorTest("OneHot", "OneHot", _draw_one_hot, _build_one_hot),
    OperatorTest("TopKV2", "TopKV2", _draw_top, _build_top),
    OperatorTest(
        "TopKV2/unsorted", "TopKV2", functools.partial(_draw_top, ordered=False), _build_top_in_order
    ),
    OperatorTest("TopKV2/indices", "TopKV2", _draw_top, _build_top_places),
    OperatorTest("Cast", "Cast", _draw_cast, _build_cast),
    OperatorTest("SpaceToBatchND", "SpaceToBatchND", _draw_blocks, _build_blocks),
    OperatorTest("BatchToSpaceND", "BatchToSpaceND", _draw_batches, _build_batches),
    OperatorTest(
        "SpaceToDepth",
        "SpaceToDepth",
        functools.partial(_draw_depth, deep=False),
        functools.partial(_build_depth, op="SpaceToDepth"),
    ),
    OperatorTest(
        "DepthToSpace",
        "DepthToSpace",
        functools.partial(_draw_depth, deep=True),
        functools.partial(_build_depth, op="DepthToSpace"),
    ),
    *(
        OperatorTest(
            op,
            op,
            functools.partial(_draw_resized, recipes=recipes, halves=recipes is SMOOTH),
            functools.partial(_build_resized, op=op),
            () if recipes is MOVED else EACH,
        )
        for op, recipes in (
            ("ResizeNearestNeighbor", MOVED),
            ("ResizeBilinear", SMOOTH),
            ("ResizeBicubic", SMOOTH),
        )
    ),
    OperatorTest("CropAndResize", "CropAndResize", _draw_cropped, _build_cropped, (CHANNELS,)),
)
