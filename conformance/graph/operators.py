"""What is known of TensorFlow's operators: which are fixed point on an MLU, which sum, which only move data.

Operators that stand in no set here are run by TensorFlow's kernels all the same; the emulator reports them.
"""

from __future__ import annotations

FIXED_POINT: frozenset[str] = frozenset(
    {
        "BatchMatMul",
        "BatchMatMulV2",
        "Conv2D",
        "Conv2DBackpropInput",
        "Conv3D",
        "DepthwiseConv2dNative",
        "MatMul",
    }
)
"""Operators whose inputs and filters the MLU takes in fixed point only.

Source: mlu-ops user guide, quantisation: only convolution and matmul are quantised.
"""

DATA_ARGUMENTS: dict[str, tuple[int, int]] = {"Conv2DBackpropInput": (2, 1)}
"""Positions of (input, filter) among a fixed-point operator's arguments, where they are not (0, 1)."""

SUMS: frozenset[str] = frozenset({"Mean", "Sum"})
"""Reductions over axes with a running sum."""

AVERAGES: frozenset[str] = frozenset({"AvgPool"})
"""Reductions over a window with a running sum. Not AvgPool3D: TensorFlow has no float64 kernel of it, so that
it has neither a model nor an allowance."""

REDUCTIONS: frozenset[str] = SUMS | {
    "AvgPool",
    "AvgPool3D",
    "EuclideanNorm",
    "LogSoftmax",
    "Max",
    "MaxPool",
    "MaxPoolV2",
    "Min",
    "Prod",
    "Softmax",
}
"""Operators that make one number out of many."""

CONTROL_FLOW: frozenset[str] = frozenset(
    {"Enter", "Exit", "LoopCond", "Merge", "NextIteration", "RefSwitch", "Switch"}
)
"""Operators of TensorFlow 1 that let values into loops and branches and out again."""

STRUCTURAL: frozenset[str] = CONTROL_FLOW | frozenset(
    {
        "Cast",
        "CheckNumerics",
        "ExpandDims",
        "Identity",
        "IdentityN",
        "PreventGradient",
        "Reshape",
        "Snapshot",
        "Squeeze",
        "StopGradient",
    }
)
"""Operators that hand on the same values in the same order."""

MOVEMENT: frozenset[str] = STRUCTURAL | {
    "BatchToSpaceND",
    "BroadcastTo",
    "Concat",
    "ConcatV2",
    "DepthToSpace",
    "Gather",
    "GatherNd",
    "GatherV2",
    "MirrorPad",
    "Pack",
    "Pad",
    "PadV2",
    "ResizeNearestNeighbor",
    "Reverse",
    "ReverseV2",
    "Select",
    "SelectV2",
    "Slice",
    "SpaceToBatchND",
    "SpaceToDepth",
    "Split",
    "SplitV",
    "StridedSlice",
    "Tile",
    "Transpose",
    "Unpack",
}
"""Operators that move data and compute nothing."""

EXACT: frozenset[str] = MOVEMENT | {
    "Abs",
    "ClipByValue",
    "Max",
    "MaxPool",
    "MaxPoolV2",
    "Maximum",
    "Min",
    "Minimum",
    "Neg",
    "Relu",
    "Relu6",
    "Sign",
}
"""Operators whose result is one of their input values (or a constant of any half): nothing is rounded."""

ELEMENTWISE: frozenset[str] = frozenset(
    {
        "Abs",
        "Add",
        "AddN",
        "AddV2",
        "BiasAdd",
        "ClipByValue",
        "Div",
        "Elu",
        "Exp",
        "LeakyRelu",
        "Log",
        "Log1p",
        "Maximum",
        "Minimum",
        "Mul",
        "Neg",
        "Pow",
        "RealDiv",
        "Reciprocal",
        "Relu",
        "Relu6",
        "Rsqrt",
        "Selu",
        "Sigmoid",
        "Sign",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Square",
        "SquaredDifference",
        "Sub",
        "Tanh",
    }
)
"""Operators that compute each element by itself, rounded once to the float type by the emulator."""

TRANSCENDENTAL: frozenset[str] = frozenset(
    {
        "Elu",
        "Exp",
        "Log",
        "Log1p",
        "Pow",
        "Reciprocal",
        "Rsqrt",
        "Selu",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Tanh",
    }
)
"""Elementwise operators whose float32 kernels are off by more than one rounding."""
