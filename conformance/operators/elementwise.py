"""Elementwise operators: arithmetic, comparison, functions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from conformance.graph.operators import EXACT
from conformance.operators.drawing import MOVED, SHAPES, SIGNED, operand_of, shape_of, truths_of
from conformance.operators.independent import EACH
from conformance.operators.tested import OperatorTest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    from conformance.operators.tested import Drawn

    Tensor = Any

BROADCAST = (
    *(((3,), (3,)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((1, 2, 3, 2), (2,)), ((1, 5, 7, 2), (1, 1, 1, 2))),
    *(((64,), (64,)), ((65,), ()), ((3, 65), (3, 65)), ((7, 129), (1, 129)), ((2, 4, 3, 3), (2, 1, 1, 3))),
    ((1021,), (1021,)),
)
"""Shapes of two operands."""
FUNCTION = ("uniform", "whole", "normal", "signed zeros", "ties", "equal", "outlier", "wide channels")
DIVISORS = ("above one",)


def _draw_one(draw: DrawFn, *, recipes: Sequence[str]) -> Drawn:
    return [operand_of(draw, shape_of(draw, SHAPES), recipes)], {}


def _draw_two(draw: DrawFn, *, first: Sequence[str], second: Sequence[str], halves: bool = False) -> Drawn:
    left, right = draw(st.sampled_from(BROADCAST))
    return [operand_of(draw, left, first, halves=halves), operand_of(draw, right, second, halves=halves)], {}


def _draw_same(draw: DrawFn, *, count: int) -> Drawn:
    shape = shape_of(draw, SHAPES)
    return [operand_of(draw, shape) for _ in range(count)], {}


def _draw_bias(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, [shape for shape in SHAPES if len(shape) > 1])
    return [operand_of(draw, shape), operand_of(draw, shape[-1:], stored=draw(st.booleans()))], {}


def _draw_leak(draw: DrawFn) -> Drawn:
    (operand,), _ = _draw_one(draw, recipes=SIGNED)
    return [operand], {"alpha": draw(st.sampled_from([0.1, 0.2, 0.3, 0.01]))}


def _draw_clip(draw: DrawFn) -> Drawn:
    (operand,), _ = _draw_one(draw, recipes=SIGNED)
    return [operand], {
        "low": draw(st.sampled_from([-1.0, -0.5, 0.0])),
        "high": draw(st.sampled_from([1.0, 6.0])),
    }


def _draw_slope(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, [shape for shape in SHAPES if len(shape) > 1])
    return [operand_of(draw, shape), operand_of(draw, shape[-1:], ("uniform", "ties"), stored=True)], {}


def _draw_chain(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, SHAPES)
    recipes = ("uniform", "whole", "ties", "normal")
    return [operand_of(draw, shape, recipes) for _ in range(3)], {}


def _draw_chosen(draw: DrawFn) -> Drawn:
    shape = shape_of(draw, SHAPES)
    return [truths_of(draw, shape), operand_of(draw, shape, MOVED), operand_of(draw, shape, MOVED)], {}


def _build_one(tf: Any, x: Tensor, *, op: str) -> Tensor:
    argument = {"Relu": "features", "Relu6": "features", "Elu": "features", "Selu": "features"}
    argument |= {"Softplus": "features", "Softsign": "features"}
    return getattr(tf.raw_ops, op)(**{argument.get(op, "x"): x}, name=op)


def _build_two(tf: Any, x: Tensor, y: Tensor, *, op: str) -> Tensor:
    return getattr(tf.raw_ops, op)(x=x, y=y, name=op)


def _build_compared(tf: Any, x: Tensor, y: Tensor, *, op: str) -> Tensor:
    return tf.cast(_build_two(tf, x, y, op=op), tf.float32)


def _build_logical(tf: Any, x: Tensor, y: Tensor, *, op: str) -> Tensor:
    """Return two comparisons with zero, joined."""
    found = getattr(tf.raw_ops, op)(x=x > 0, y=y > 0, name=op)
    return tf.cast(found, tf.float32)


def _build_not(tf: Any, x: Tensor) -> Tensor:
    return tf.cast(tf.raw_ops.LogicalNot(x=x > 0), tf.float32)


def _build_sum(tf: Any, *inputs: Tensor) -> Tensor:
    return tf.raw_ops.AddN(inputs=list(inputs))


def _build_bias(tf: Any, x: Tensor, bias: Tensor) -> Tensor:
    return tf.raw_ops.BiasAdd(value=x, bias=bias)


def _build_leak(tf: Any, x: Tensor, *, alpha: float) -> Tensor:
    return tf.raw_ops.LeakyRelu(features=x, alpha=alpha)


def _build_clip(tf: Any, x: Tensor, *, low: float, high: float) -> Tensor:
    return tf.raw_ops.ClipByValue(t=x, clip_value_min=low, clip_value_max=high)


def _build_slope(tf: Any, x: Tensor, slope: Tensor) -> Tensor:
    """Return PReLU as frameworks write it: max(x, 0) + slope · min(x, 0)."""
    return tf.raw_ops.AddV2(x=tf.nn.relu(x), y=slope * tf.minimum(x, tf.constant(0.0)), name="PRelu")


def _build_chain(tf: Any, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Return x · y + z, of which a fused segment may keep the product wider than it is stored."""
    return tf.raw_ops.AddV2(x=x * y, y=z, name="chain")


def _build_chosen(tf: Any, which: Tensor, x: Tensor, y: Tensor, *, op: str) -> Tensor:
    names = ("condition", "x", "y") if op == "Select" else ("condition", "t", "e")
    return getattr(tf.raw_ops, op)(**dict(zip(names, (which, x, y), strict=True)), name=op)


UNARY: dict[str, Sequence[str]] = {
    "Abs": MOVED,
    "Neg": MOVED,
    "Relu": MOVED,
    "Relu6": MOVED,
    "Sign": SIGNED,
    "Square": ("whole", "uniform", "normal", "signed zeros", "ties", "equal"),
    "Floor": (*SIGNED, "halves between", "almost halves"),
    "Ceil": (*SIGNED, "halves between", "almost halves"),
    "Rint": (*SIGNED, "halves between", "almost halves"),
    "Round": (*SIGNED, "halves between", "almost halves"),
    "Elu": FUNCTION,
    "Selu": FUNCTION,
    "Softplus": (*FUNCTION, "halves between"),
    "Softsign": FUNCTION,
    "Sigmoid": (*FUNCTION, "halves between"),
    "Tanh": FUNCTION,
    "Erf": FUNCTION,
    "Exp": ("uniform", "whole", "normal", "signed zeros", "ties", "equal"),
    "Expm1": ("uniform", "whole", "normal", "ties", "equal"),
    "Log": ("above one",),
    "Log1p": ("above one", "below one"),
    "Sin": FUNCTION,
    "Cos": FUNCTION,
    "Atan": FUNCTION,
    "Sqrt": ("above one",),
    "Rsqrt": ("above one",),
    "Reciprocal": ("above one",),
}
"""Operators of one operand, with recipes of it."""
BINARY: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "Add": (SIGNED, SIGNED),
    "AddV2": (SIGNED, SIGNED),
    "Sub": (SIGNED, SIGNED),
    "Mul": (SIGNED, ("whole", "uniform", "signed zeros", "ties", "equal")),
    "Maximum": (MOVED, MOVED),
    "Minimum": (MOVED, MOVED),
    "SquaredDifference": (("whole", "uniform", "normal", "ties"), ("whole", "uniform", "normal", "ties")),
    "RealDiv": (SIGNED, DIVISORS),
    "Div": (SIGNED, DIVISORS),
    "DivNoNan": (SIGNED, ("above one", "whole")),
    "Pow": (("above one",), ("uniform", "whole")),
}
"""Operators of two operands, with recipes of each."""
COMPARED = ("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual")
LOGICAL = ("LogicalAnd", "LogicalOr")
EVERY = ("signed zeros", "whole", "uniform", "ties", "equal")

ELEMENTWISE_TESTS = (
    *(
        OperatorTest(
            op,
            op,
            functools.partial(_draw_one, recipes=recipes),
            functools.partial(_build_one, op=op),
            () if op in EXACT else EACH,
        )
        for op, recipes in UNARY.items()
    ),
    *(
        OperatorTest(
            op,
            op,
            functools.partial(_draw_two, first=first, second=second),
            functools.partial(_build_two, op=op),
            () if op in EXACT else EACH,
        )
        for op, (first, second) in BINARY.items()
    ),
    *(
        OperatorTest(
            op,
            op,
            functools.partial(_draw_two, first=EVERY, second=EVERY, halves=True),
            functools.partial(_build_compared, op=op),
        )
        for op in COMPARED
    ),
    *(
        OperatorTest(
            op,
            op,
            functools.partial(_draw_two, first=EVERY, second=EVERY, halves=True),
            functools.partial(_build_logical, op=op),
        )
        for op in LOGICAL
    ),
    OperatorTest("LogicalNot", "LogicalNot", functools.partial(_draw_one, recipes=EVERY), _build_not),
    OperatorTest("AddN", "AddN", functools.partial(_draw_same, count=3), _build_sum, EACH),
    OperatorTest("BiasAdd", "BiasAdd", _draw_bias, _build_bias, EACH),
    OperatorTest("LeakyRelu", "LeakyRelu", _draw_leak, _build_leak, EACH),
    OperatorTest("ClipByValue", "ClipByValue", _draw_clip, _build_clip),
    OperatorTest("AddV2/chain", "AddV2", _draw_chain, _build_chain, EACH),
    OperatorTest("PRelu", "AddV2", _draw_slope, _build_slope, EACH),
    *(
        OperatorTest(op, op, _draw_chosen, functools.partial(_build_chosen, op=op))
        for op in ("Select", "SelectV2")
    ),
)
