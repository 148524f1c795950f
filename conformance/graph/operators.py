"""What is known of TensorFlow's operators: one entry per operator type.

An operator without an entry runs all the same, by TensorFlow's kernel: the emulator reports it as not
modelled, and its margin is that of class ``other``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MarginClass = Literal["fixed-point", "reduction", "activation", "elementwise", "movement", "other"]
"""The classes of ``fixtures/margins.toml``."""

Treatment = Literal[
    "fixed point",
    "float products",
    "reduction",
    "elementwise",
    "several steps",
    "movement",
    "source",
    "other",
]
"""What an MLU does with an operator.

``fixed point``: multiplies integers. ``float products``: sums products of floats, and of integers on a
device that takes it in fixed point. ``reduction``: makes one number out of many. ``elementwise``: computes
each element by itself. ``several steps``: normalises, interpolates or accumulates. ``movement``: moves data
and computes nothing. ``source``: holds a constant or an input. ``other``: not known.
"""

Emulation = Literal["fixed point", "running sum", "float64", "composed", "rounded", "exact", "stored"]
"""How the emulator computes an operator.

``fixed point``: it sums integers and rounds the real result once, or partial sums where the profile says so.
``running sum``: it adds one term after the other and rounds as the profile says.
``float64``: TensorFlow's float64 kernel, rounded once; the float32 kernel is off by more than one rounding.
``composed``: TensorFlow has no float64 kernel: others that have one compute it, and the result is rounded
once, and steps before that as the profile says; not modelled where more is read than its first output.
``rounded``: TensorFlow's kernel of the profile's arithmetic, rounded once.
``exact``: TensorFlow's kernel; a result is an input value or a constant of any half: nothing is rounded.
``stored``: the value is rounded once, where it is stored.
"""


class Divisor(NamedTuple):
    """The operand that an operator divides by: its position, and the power that it divides by."""

    position: int
    power: float


@dataclasses.dataclass(frozen=True)
class Operator:
    """What is known of an operator type.

    Attributes:
        margin_class: the class of ``fixtures/margins.toml`` whose margin holds.
        treatment: what an MLU does with it.
        emulation: how the emulator computes it, where the graph's constants and shapes allow; None: its
            numerics are not modelled, TensorFlow's kernel runs in float, and the emulator reports this.
        data_arguments: positions of (input, filter) among the arguments of a fixed-point operator.
        window_axes: how many leading axes of its filter are a window; 0 for a matmul.
        summed_axes: the filter axes over which one output sums; of a matmul: unless it transposes the filter.
        output_channel_axes: the filter axes that lie across output channels.
        reduces: what a reduction reduces: the axes of its second argument, a window that slides, or the
            last axis.
        running_sum: what a reduction makes of a running sum: the sum, the mean, or each term's share of it.
            Bounds have an allowance for such a sum.
        hands_on: how an operator hands on the values of its inputs, in their order: its first input bit for
            bit (``tensor``), perhaps in another shape or type (``values``), or into and out of the loops
            and branches of TensorFlow 1 (``frame``).
        combines: whether it adds its operands or subtracts one from the other.
        divisor: what it divides by.
        exponential: whether it raises e to its first operand.
    """

    margin_class: MarginClass
    treatment: Treatment
    emulation: Emulation | None = None
    _: dataclasses.KW_ONLY
    data_arguments: tuple[int, int] = (0, 1)
    window_axes: int = 0
    summed_axes: tuple[int, ...] = ()
    output_channel_axes: tuple[int, ...] = (-1,)
    reduces: Literal["axes", "window", "last axis"] | None = None
    running_sum: Literal["sum", "mean", "share"] | None = None
    hands_on: Literal["tensor", "values", "frame"] | None = None
    combines: Literal["sum", "difference"] | None = None
    divisor: Divisor | None = None
    exponential: bool = False


UNKNOWN = Operator("other", "other")
"""What is known of an operator type without an entry."""

OPERATORS: dict[str, Operator] = {
    # --- fixed point
    "BatchMatMul": Operator("fixed-point", "fixed point", "fixed point", summed_axes=(-2,)),
    "BatchMatMulV2": Operator("fixed-point", "fixed point", "fixed point", summed_axes=(-2,)),
    "Conv2D": Operator("fixed-point", "fixed point", "fixed point", window_axes=2, summed_axes=(0, 1, 2)),
    "Conv2DBackpropInput": Operator(
        "fixed-point",
        "fixed point",
        "fixed point",
        data_arguments=(2, 1),
        window_axes=2,
        summed_axes=(0, 1, 3),
        output_channel_axes=(-2,),
    ),
    "Conv3D": Operator("fixed-point", "fixed point", "fixed point", window_axes=3, summed_axes=(0, 1, 2, 3)),
    "DepthwiseConv2dNative": Operator(
        "reduction",
        "float products",
        "float64",
        window_axes=2,
        summed_axes=(0, 1),
    ),
    "MatMul": Operator("fixed-point", "fixed point", "fixed point", summed_axes=(-2,)),
    # reduction
    "AvgPool": Operator("reduction", "reduction", "running sum", reduces="window", running_sum="mean"),
    "AvgPool3D": Operator("reduction", "reduction", reduces="window"),
    "EuclideanNorm": Operator("reduction", "reduction", reduces="axes"),
    "LogSoftmax": Operator("activation", "reduction", "float64", reduces="last axis"),
    "Max": Operator("reduction", "reduction", "exact", reduces="axes"),
    "MaxPool": Operator("reduction", "reduction", "exact", reduces="window"),
    "MaxPoolV2": Operator("reduction", "reduction", "exact", reduces="window"),
    "Mean": Operator("reduction", "reduction", "running sum", reduces="axes", running_sum="mean"),
    "Min": Operator("reduction", "reduction", "exact", reduces="axes"),
    "Prod": Operator("reduction", "reduction", reduces="axes"),
    "Softmax": Operator(
        "activation", "reduction", "running sum", reduces="last axis", running_sum="share", exponential=True
    ),
    "Sum": Operator("reduction", "reduction", "running sum", reduces="axes", running_sum="sum"),
    # elementwise
    "Abs": Operator("elementwise", "elementwise", "exact"),
    "Add": Operator("elementwise", "elementwise", "rounded", combines="sum"),
    "AddN": Operator("elementwise", "elementwise", "rounded", combines="sum"),
    "AddV2": Operator("elementwise", "elementwise", "rounded", combines="sum"),
    "Atan": Operator("activation", "elementwise", "float64"),
    "BiasAdd": Operator("elementwise", "elementwise", "rounded", combines="sum"),
    "Ceil": Operator("elementwise", "elementwise", "exact"),
    "ClipByValue": Operator("elementwise", "elementwise", "exact"),
    "Cos": Operator("activation", "elementwise", "float64"),
    "Div": Operator("elementwise", "elementwise", "rounded", divisor=Divisor(1, 1.0)),
    "DivNoNan": Operator("elementwise", "elementwise", "rounded", divisor=Divisor(1, 1.0)),
    "Elu": Operator("activation", "elementwise", "float64"),
    "Erf": Operator("activation", "elementwise", "float64"),
    "Erfc": Operator("activation", "elementwise", "float64"),
    "Exp": Operator("activation", "elementwise", "float64", exponential=True),
    "Expm1": Operator("activation", "elementwise", "float64"),
    "Floor": Operator("elementwise", "elementwise", "exact"),
    "Inv": Operator("activation", "elementwise", "float64", divisor=Divisor(0, 1.0)),
    "LeakyRelu": Operator("elementwise", "elementwise", "rounded"),
    "Log": Operator("activation", "elementwise", "float64"),
    "Log1p": Operator("activation", "elementwise", "float64"),
    "Maximum": Operator("elementwise", "elementwise", "exact"),
    "Minimum": Operator("elementwise", "elementwise", "exact"),
    "Mul": Operator("elementwise", "elementwise", "rounded"),
    "Neg": Operator("elementwise", "elementwise", "exact"),
    "Pow": Operator("activation", "elementwise", "float64"),
    "RealDiv": Operator("elementwise", "elementwise", "rounded", divisor=Divisor(1, 1.0)),
    "Reciprocal": Operator("activation", "elementwise", "float64", divisor=Divisor(0, 1.0)),
    "Relu": Operator("elementwise", "elementwise", "exact"),
    "Relu6": Operator("elementwise", "elementwise", "exact"),
    "Rint": Operator("elementwise", "elementwise", "exact"),
    "Round": Operator("elementwise", "elementwise", "exact"),
    "Rsqrt": Operator("activation", "elementwise", "float64", divisor=Divisor(0, 0.5)),
    "Selu": Operator("activation", "elementwise", "float64"),
    "Sigmoid": Operator("activation", "elementwise", "float64"),
    "Sign": Operator("elementwise", "elementwise", "exact"),
    "Sin": Operator("activation", "elementwise", "float64"),
    "Softplus": Operator("activation", "elementwise", "float64"),
    "Softsign": Operator("activation", "elementwise", "float64"),
    "Sqrt": Operator("activation", "elementwise", "rounded"),
    "Square": Operator("elementwise", "elementwise", "rounded"),
    "SquaredDifference": Operator("elementwise", "elementwise", "rounded", combines="difference"),
    "Sub": Operator("elementwise", "elementwise", "rounded", combines="difference"),
    "Tanh": Operator("activation", "elementwise", "float64"),
    # several steps
    "Cumsum": Operator("reduction", "several steps", "float64"),
    "Dilation2D": Operator("elementwise", "several steps", "rounded"),
    "FusedBatchNorm": Operator("elementwise", "several steps", "composed"),
    "FusedBatchNormV2": Operator("elementwise", "several steps", "composed"),
    "FusedBatchNormV3": Operator("elementwise", "several steps", "composed"),
    "ResizeBicubic": Operator("elementwise", "several steps", "composed"),
    "ResizeBilinear": Operator("elementwise", "several steps", "composed"),
    # movement
    "BatchToSpaceND": Operator("movement", "movement", "exact"),
    "BroadcastTo": Operator("movement", "movement", "exact"),
    "Cast": Operator("elementwise", "movement", "exact", hands_on="values"),
    "CheckNumerics": Operator("movement", "movement", "exact", hands_on="tensor"),
    "Concat": Operator("movement", "movement", "exact"),
    "ConcatV2": Operator("movement", "movement", "exact"),
    "DepthToSpace": Operator("movement", "movement", "exact"),
    "Enter": Operator("movement", "movement", "exact", hands_on="frame"),
    "Exit": Operator("movement", "movement", "exact", hands_on="frame"),
    "ExpandDims": Operator("movement", "movement", "exact", hands_on="values"),
    "Fill": Operator("movement", "movement", "exact"),
    "Gather": Operator("movement", "movement", "exact"),
    "GatherNd": Operator("movement", "movement", "exact"),
    "GatherV2": Operator("movement", "movement", "exact"),
    "Identity": Operator("movement", "movement", "exact", hands_on="tensor"),
    "IdentityN": Operator("movement", "movement", "exact", hands_on="values"),
    "LoopCond": Operator("movement", "movement", "exact", hands_on="frame"),
    "Merge": Operator("movement", "movement", "exact", hands_on="frame"),
    "MirrorPad": Operator("movement", "movement", "exact"),
    "NextIteration": Operator("movement", "movement", "exact", hands_on="frame"),
    "OneHot": Operator("movement", "movement", "exact"),
    "Pack": Operator("movement", "movement", "exact"),
    "Pad": Operator("movement", "movement", "exact"),
    "PadV2": Operator("movement", "movement", "exact"),
    "PlaceholderWithDefault": Operator("movement", "movement", "exact", hands_on="tensor"),
    "PreventGradient": Operator("movement", "movement", "exact", hands_on="tensor"),
    "RefSwitch": Operator("movement", "movement", "exact", hands_on="frame"),
    "Reshape": Operator("movement", "movement", "exact", hands_on="values"),
    "ResizeNearestNeighbor": Operator("movement", "movement", "exact"),
    "Reverse": Operator("movement", "movement", "exact"),
    "ReverseV2": Operator("movement", "movement", "exact"),
    "Select": Operator("movement", "movement", "exact"),
    "SelectV2": Operator("movement", "movement", "exact"),
    "Slice": Operator("movement", "movement", "exact"),
    "Snapshot": Operator("movement", "movement", "exact", hands_on="tensor"),
    "SpaceToBatchND": Operator("movement", "movement", "exact"),
    "SpaceToDepth": Operator("movement", "movement", "exact"),
    "Split": Operator("movement", "movement", "exact"),
    "SplitV": Operator("movement", "movement", "exact"),
    "Squeeze": Operator("movement", "movement", "exact", hands_on="values"),
    "StopGradient": Operator("movement", "movement", "exact", hands_on="tensor"),
    "StridedSlice": Operator("movement", "movement", "exact"),
    "Switch": Operator("movement", "movement", "exact", hands_on="frame"),
    "TensorArrayGatherV3": Operator("movement", "movement", "exact"),
    "TensorArrayReadV3": Operator("movement", "movement", "exact"),
    "TensorArrayScatterV3": Operator("movement", "movement", "exact"),
    "TensorArrayV3": Operator("movement", "movement", "exact"),
    "TensorArrayWriteV3": Operator("movement", "movement", "exact"),
    "TensorListFromTensor": Operator("movement", "movement", "exact"),
    "TensorListGetItem": Operator("movement", "movement", "exact"),
    "TensorListReserve": Operator("movement", "movement", "exact"),
    "TensorListSetItem": Operator("movement", "movement", "exact"),
    "TensorListStack": Operator("movement", "movement", "exact"),
    "Tile": Operator("movement", "movement", "exact"),
    "TopK": Operator("movement", "movement", "exact"),
    "TopKV2": Operator("movement", "movement", "exact"),
    "Transpose": Operator("movement", "movement", "exact"),
    "Unpack": Operator("movement", "movement", "exact"),
    # source
    "Const": Operator("movement", "source", "stored"),
    "Placeholder": Operator("movement", "source", "stored"),
    "PlaceholderV2": Operator("movement", "source", "stored"),
    # other
    "LRN": Operator("reduction", "other"),
    "SegmentSum": Operator("reduction", "other"),
}
"""The entries, by operator type.

Cambricon's quantiser takes LRN in fixed point, and how is not documented: it is not modelled.
AvgPool3D has neither a model nor an allowance, because TensorFlow has no float64 kernel of it.

Source: mlu-ops user guide, quantisation: only convolution and matmul are quantised; cnml.h 7.2.1 and 7.4.0:
ConvDepthwise takes half or float only on an MLU270.
"""


def known(op: str) -> Operator:
    """Return what is known of an operator type."""
    return OPERATORS.get(op, UNKNOWN)


def _all_that(holds: Callable[[Operator], bool]) -> frozenset[str]:
    return frozenset(op for op, entry in OPERATORS.items() if holds(entry))


FIXED_POINT = _all_that(lambda entry: entry.treatment == "fixed point")
"""Operators whose inputs and filters the MLU takes in fixed point only."""

FLOAT_PRODUCTS = _all_that(lambda entry: entry.treatment == "float products")
"""Operators that sum products of floats, or of integers where a device takes them in fixed point."""

PRODUCT_SUMS = FIXED_POINT | FLOAT_PRODUCTS
"""Operators that sum products of an input and a filter, either of which can have a scale."""

REDUCTIONS = _all_that(lambda entry: entry.treatment == "reduction")
"""Operators that make one number out of many."""

SUMS = _all_that(lambda entry: entry.running_sum is not None and entry.reduces == "axes")
"""Reductions over axes with a running sum."""

AVERAGES = _all_that(lambda entry: entry.running_sum is not None and entry.reduces == "window")
"""Reductions over a window with a running sum."""

ELEMENTWISE = _all_that(lambda entry: entry.treatment == "elementwise")
"""Operators that compute each element by itself."""

MOVEMENT = _all_that(lambda entry: entry.treatment == "movement")
"""Operators that move data and compute nothing."""

STRUCTURAL = _all_that(lambda entry: entry.hands_on is not None)
"""Operators that hand on the same values in the same order."""

CONTROL_FLOW = _all_that(lambda entry: entry.hands_on == "frame")
"""Operators of TensorFlow 1 that let values into loops and branches and out again."""

EXACT = _all_that(lambda entry: entry.emulation == "exact")
"""Operators whose result is one of their input values, or a constant of any half: nothing is rounded."""

SOURCES = _all_that(lambda entry: entry.treatment == "source")
"""Constants and inputs."""
