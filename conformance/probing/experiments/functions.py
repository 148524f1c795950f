"""Activations: the whole transfer function at fp16, and even steps at fp32, where tables show corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.probing.sheet import Sheet

    Array = np.ndarray[Any, Any]

STEP, STEPS = 2.0**-8, 2048
"""Even steps at fp32: from the start of a function's stretch, eight long."""


class Function(NamedTuple):
    """A function: its operator, what it is in float64, its domain, and where even steps start."""

    op: str
    exact: Callable[[Array], Array]
    positive: bool
    start: float


def _softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


FUNCTIONS = (
    Function("Tanh", np.tanh, positive=False, start=0.0),
    Function("Sigmoid", lambda x: 1 / (1 + np.exp(-x)), positive=False, start=0.0),
    Function("Exp", np.exp, positive=False, start=-8.0),
    Function("Softplus", _softplus, positive=False, start=-4.0),
    Function("Rsqrt", lambda x: 1 / np.sqrt(x), positive=True, start=1.0),
    Function("Sqrt", np.sqrt, positive=True, start=1.0),
    Function("Reciprocal", lambda x: 1 / x, positive=True, start=1.0),
    Function("Log", np.log, positive=True, start=1.0),
)


def halves(*, positive: bool) -> Array:
    """Return all finite halves but zeros, in their order; the positive ones, or all."""
    above = np.arange(1, 0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    return above if positive else np.concatenate([-above[::-1], above])


def singles(*, positive: bool) -> Array:
    """Return float32 numbers in their order, of many exponents and 64 significands each."""
    above = np.ldexp(1 + np.arange(64) / 64 + 2.0**-20, np.arange(-20, 7)[:, None]).ravel()
    return above if positive else np.concatenate([-above[::-1], above])


def inputs(bits: int, *, positive: bool) -> Array:
    """Return what a function is tried on."""
    return halves(positive=positive) if bits == 16 else singles(positive=positive)


def steps(function: Function) -> Array:
    """Return the even steps of a function."""
    return function.start + STEP * np.arange(1, STEPS + 1)


def _adding(function: Function) -> Callable[[Sheet], None]:
    def add(sheet: Sheet) -> None:
        bits, name = sheet.precision.float_bits, f"function-{function.op.lower()}"
        x = sheet.feed(f"{name}/x", inputs(bits, positive=function.positive))
        sheet.compute(name, function.op, [x])
        if bits == 32:
            even = sheet.feed(f"{name}-steps/x", steps(function))
            sheet.compute(f"{name}-steps", function.op, [even])

    return add


EXPERIMENTS = tuple(map(_adding, FUNCTIONS))
