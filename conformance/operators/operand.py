"""Operands of a case: a shape, and numbers that follow from a recipe's name and a seed alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]
    Generator = np.random.Generator
    Shape = tuple[int, ...]

DType = Literal["float32", "int32", "bool"]
SHOWN = 12
"""Numbers of an operand that a sentence shows."""
TIE = 2.0**-11
"""Half of the distance between two halves from 1 to 2: odd multiples of it are ties."""


def _whole(random: Generator, shape: Shape) -> Array:
    return random.integers(-4, 5, shape)


def _uniform(random: Generator, shape: Shape) -> Array:
    return random.uniform(-1, 1, shape)


def _normal(random: Generator, shape: Shape) -> Array:
    return random.normal(0, 2, shape)


def _above_one(random: Generator, shape: Shape) -> Array:
    return random.uniform(1.0625, 6, shape)


def _below_one(random: Generator, shape: Shape) -> Array:
    return random.uniform(-0.9, 0.9, shape)


def _near_one(random: Generator, shape: Shape) -> Array:
    """Return numbers of which a thousand come to some tens at most."""
    return random.choice([-1.0, 1.0], shape) * random.uniform(1 - 2.0**-8, 1 + 2.0**-8, shape)


def _signed_zeros(random: Generator, shape: Shape) -> Array:
    return random.choice(np.array([0.0, -0.0, 1.0, -1.0]), shape)


def _ties(random: Generator, shape: Shape) -> Array:
    """Return numbers half-way between two halves, from 1 to 2 in magnitude."""
    away = (2 * random.integers(0, 1024, shape) + 1) * TIE
    return np.asarray(random.choice([-1.0, 1.0], shape) * (1 + away))


def _halves_between(random: Generator, shape: Shape) -> Array:
    """Return whole numbers and a half, where rounding to whole numbers has ties."""
    return random.integers(-40, 41, shape) + 0.5


def _almost_halves(random: Generator, shape: Shape) -> Array:
    """Return whole numbers and nearly a half, which a half float does not tell from a half."""
    return random.integers(-40, 41, shape) + 0.5 + random.choice([-1.0, 1.0], shape) * 2.0**-13


def _equal(_: Generator, shape: Shape) -> Array:
    return np.full(shape, 0.1)


def _cancelling(random: Generator, shape: Shape) -> Array:
    """Return pairs of a number and its opposite, nearly."""
    signs = np.where(np.arange(int(np.prod(shape))) % 2, -1.0, 1.0).reshape(shape)
    return signs * 3.7 + random.uniform(-0.01, 0.01, shape)


def _wide_channels(random: Generator, shape: Shape) -> Array:
    """Return channels whose numbers range over five powers of ten."""
    return random.normal(0, 1, shape) * 10.0 ** np.linspace(-3, 2, shape[-1] if shape else 1)


def _outlier(random: Generator, shape: Shape) -> Array:
    """Return small numbers, but for one channel."""
    values = random.uniform(-1, 1, shape)
    if shape:
        values[..., int(random.integers(shape[-1]))] *= 300
    return values


def _largest(random: Generator, shape: Shape) -> Array:
    """Return numbers up to the largest half, and it."""
    values = random.uniform(-65000, 65000, shape)
    return np.where(random.uniform(size=shape) < 0.3, np.sign(values) * 65504, values)


def _subnormal(random: Generator, shape: Shape) -> Array:
    """Return multiples of 2^-24 below the normal halves."""
    return random.integers(-1023, 1024, shape) * 2.0**-24


def _logits(random: Generator, shape: Shape) -> Array:
    """Return logits of which some are beyond where an exponential is finite."""
    return np.where(random.uniform(size=shape) < 0.3, 378.0, 12.0) + random.integers(-2, 3, shape)


RECIPES: dict[str, Callable[[Generator, Shape], Array]] = {
    "whole": _whole,
    "uniform": _uniform,
    "normal": _normal,
    "above one": _above_one,
    "below one": _below_one,
    "near one": _near_one,
    "signed zeros": _signed_zeros,
    "equal": _equal,
    "ties": _ties,
    "halves between": _halves_between,
    "almost halves": _almost_halves,
    "cancelling": _cancelling,
    "wide channels": _wide_channels,
    "outlier": _outlier,
    "subnormal": _subnormal,
    "logits": _logits,
    "largest": _largest,
}
"""What makes the numbers of an operand, plain ones first: to these hypothesis shrinks."""


@dataclasses.dataclass(frozen=True)
class Operand:
    """An operand of a case.

    Attributes:
        shape: of the tensor.
        recipe: of :data:`RECIPES`; of whole numbers and truth values, none.
        seed: of its random numbers.
        dtype: of the tensor.
        below: of whole numbers, the least that does not occur; they begin with 0.
        stored: whether it is a constant of the graph, such as a filter; else it is fed.
        halves: whether its numbers are rounded to halves: for operators of which it is not derived what right
            devices give where they store an operand otherwise.
    """

    shape: tuple[int, ...]
    recipe: str = "whole"
    seed: int = 0
    dtype: DType = "float32"
    below: int = 2
    stored: bool = False
    halves: bool = False

    def array(self) -> Array:
        """Return the numbers, the same on every machine."""
        random = np.random.default_rng([self.seed, *self.shape])
        if self.dtype != "float32":
            return random.integers(0, self.below, self.shape).astype(self.dtype)
        values = np.asarray(RECIPES[self.recipe](random, self.shape), np.float32).reshape(self.shape)
        return values.astype(np.float16).astype(np.float32) if self.halves else values

    @property
    def largest(self) -> float:
        """The largest magnitude, which decides its scale in fixed point."""
        return float(np.abs(self.array()).max())

    @property
    def in_words(self) -> str:
        """Shape, dtype and the first numbers."""
        what = "constant" if self.stored else "fed"
        return f"{_shaped(self.array())} ({what}, {self.recipe}, seed {self.seed}): {_first(self.array())}"


@dataclasses.dataclass(frozen=True)
class TakenOperand:
    """Parts of another operand, along an axis.

    In fixed point it has the scale of the other one: what is taken decides no rounding.

    Attributes:
        source: the other operand.
        axis: the axis.
        indices: what is taken there, in this order.
    """

    source: Operand
    axis: int
    indices: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        shape = list(self.source.shape)
        shape[self.axis] = len(self.indices)
        return tuple(shape)

    @property
    def dtype(self) -> DType:
        """The dtype of the tensor."""
        return self.source.dtype

    @property
    def stored(self) -> bool:
        """Whether it is a constant of the graph."""
        return self.source.stored

    @property
    def seed(self) -> int:
        """The seed of the other one's random numbers."""
        return self.source.seed

    @property
    def largest(self) -> float:
        """The largest magnitude of the other operand."""
        return self.source.largest

    def array(self) -> Array:
        """Return the numbers, the same on every machine."""
        return np.take(self.source.array(), self.indices, self.axis)

    @property
    def in_words(self) -> str:
        """Shape, dtype and the first numbers."""
        return f"{_shaped(self.array())} (parts of another along axis {self.axis}): {_first(self.array())}"


AnyOperand = Operand | TakenOperand


def _shaped(values: Array) -> str:
    return f"{'x'.join(map(str, values.shape)) or 'scalar'} {values.dtype}"


def _first(values: Array) -> str:
    """Return the first numbers of an operand."""
    numbers = values.reshape(-1)
    more = ", ..." if numbers.size > SHOWN else ""
    return f"[{', '.join(f'{number:.9g}' for number in numbers[:SHOWN].tolist())}{more}]"
