"""What hypothesis draws for cases: shapes and operands; edges are as likely as anything else.

Shapes come from lists, because the emulator compiles each kernel anew for every shape that it meets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from conformance.operators.operand import Operand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

VECTORS = ((1,), (2,), (3,), (7,), (63,), (64,), (65,), (127,), (128,), (129,), (1021,))
MATRICES = ((1, 1), (1, 2), (2, 1), (2, 3), (5, 3), (1, 64), (3, 65), (63, 2), (7, 129), (2, 1009))
IMAGES = (
    *((1, 1, 1, 1), (1, 2, 2, 1), (1, 2, 3, 2), (1, 3, 2, 4), (2, 4, 3, 3), (1, 5, 7, 2), (2, 6, 4, 5)),
    *((1, 8, 6, 4), (1, 13, 11, 3), (1, 4, 5, 63), (1, 3, 4, 64), (2, 3, 2, 65), (1, 2, 3, 129)),
)
SHAPES = (*VECTORS, *MATRICES[1::2], (2, 3, 4), (1, 7, 5), *IMAGES[1::3], ())
"""Of elementwise operators: 1, odd, prime, around 64 and 128, and axes of different lengths."""

SIGNED = (
    "whole",
    "uniform",
    "normal",
    "signed zeros",
    "equal",
    "ties",
    "cancelling",
    "wide channels",
    "outlier",
)
"""Recipes of operands that may be of any size up to some hundreds."""
MOVED = (*SIGNED, "subnormal", "largest")
"""Recipes of operands that are not computed with."""
TERMS = ("whole", "uniform", "normal", "equal", "cancelling", "wide channels", "outlier")
"""Recipes of what is multiplied and summed."""
SEEDS = st.integers(0, 15)


def shape_of(draw: DrawFn, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return one of some shapes; small ones stand first, and hypothesis shrinks to these."""
    return draw(st.sampled_from(shapes))


def operand_of(
    draw: DrawFn,
    shape: Sequence[int],
    recipes: Sequence[str] = SIGNED,
    *,
    stored: bool = False,
    halves: bool = False,
) -> Operand:
    """Return an operand of this shape by one of these recipes."""
    recipe = draw(st.sampled_from(recipes))
    return Operand(tuple(shape), recipe, draw(SEEDS), stored=stored, halves=halves)


def indices_of(draw: DrawFn, shape: Sequence[int], below: int) -> Operand:
    """Return whole numbers from 0 on."""
    return Operand(tuple(shape), seed=draw(SEEDS), dtype="int32", below=below)


def truths_of(draw: DrawFn, shape: Sequence[int]) -> Operand:
    """Return truth values."""
    return Operand(tuple(shape), seed=draw(SEEDS), dtype="bool")


def axis_of(draw: DrawFn, rank: int) -> int:
    """Return an axis, the last one first."""
    return rank - 1 - draw(st.integers(0, rank - 1))
