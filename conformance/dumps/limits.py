"""Limits that the user sets on a comparison, and whether the formats can show that they are kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from conformance.dumps.histogram import ROUNDED
from conformance.errors import UsageError, near_names
from conformance.judging.comparison import distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from conformance.numerics.metrics import Metrics

    Floats = NDArray[np.floating[Any]]

Criterion = Literal["cosine", "mse", "max_abs", "worst_channel_mse"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)
"""A cosine must be at least its limit, every other error at most."""

Limits = dict[Criterion, float]


def parse_limits(texts: Sequence[str]) -> Limits:
    """Return ``CRITERION=NUMBER`` texts as limits.

    Raises:
        UsageError: a text is none, a criterion is unknown or given twice, or a number cannot be its limit.
    """
    limits: Limits = {}
    for text in texts:
        name, _, number = text.partition("=")
        criterion = _criterion(name, text)
        if criterion in limits:
            raise UsageError(f"--limit {criterion} is given twice; drop one")
        limits[criterion] = _number(criterion, number, text)
    return limits


def _criterion(name: str, text: str) -> Criterion:
    for criterion in CRITERIA:
        if name == criterion:
            return criterion
    raise UsageError(
        f"--limit {text!r} names no criterion{near_names(name, list(CRITERIA))}; write it like cosine=0.999"
    )


def _number(criterion: Criterion, number: str, text: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    largest = 1.0 if criterion == "cosine" else math.inf
    if not (math.isfinite(value) and 0 <= value <= largest):
        above = "" if math.isinf(largest) else " to 1"
        raise UsageError(f"--limit {text!r} should have a number from 0{above}, such as {criterion}=0.999")
    return value


def rounding_floors(limits: Limits, first: Floats, second: Floats, resolution: float) -> Limits:
    """Return how much of each error rounding to the formats alone can make; empty where it makes none.

    With a resolution r of both sides together, rounding adds up to r to an error and r² to its square. It
    turns a tensor b of n elements by an angle of at most r √n / |b|, which costs the cosine r² n / (2 |b|²).

    Args:
        limits: what was asked for.
        first: one tensor.
        second: the other.
        resolution: of both formats, added; 0 where both keep every bit.
    """
    if not resolution:
        return {}
    floors: Limits = {"mse": resolution**2, "max_abs": resolution, "worst_channel_mse": resolution**2}
    if "cosine" in limits:
        floors["cosine"] = _cosine_floor(first, second, resolution)
    return floors


def _cosine_floor(first: Floats, second: Floats, resolution: float) -> float:
    """Return what rounding can cost of the cosine, at most 1."""
    squares = min(float(np.mean(np.square(tensor, dtype=np.float64))) for tensor in (first, second))
    return min(resolution**2 / (2 * squares), 1.0) if squares > 0 else 1.0


def too_fine(limits: Limits, floors: Limits) -> list[str]:
    """Return a text for every limit that rounding to the formats alone can break."""
    return [
        f"{name}={limit:g}"
        for name, limit in limits.items()
        if _as_error(name, limit) < floors.get(name, 0.0)
    ]


def exceeded(metrics: Metrics, limits: Limits, floors: Limits) -> list[str]:
    """Return a text, ``cosine 0.5 < 0.999``, for every limit that is broken by more than rounding can.

    A cosine that is not defined is no reason where nothing differs (both are zero), else counts as 0.
    """
    found = _measured(metrics)
    return [
        f"{name} {_against(found[name], limit, '<' if name == 'cosine' else '>')}"
        for name, limit in limits.items()
        if _as_error(name, found[name]) > max(_as_error(name, limit), floors.get(name, 0.0) * ROUNDED)
    ]


def _as_error(name: Criterion, value: float) -> float:
    """Return a criterion's value as an error: how far a cosine is from 1."""
    return 1 - value if name == "cosine" else value


def _measured(metrics: Metrics) -> dict[Criterion, float]:
    undefined = 1.0 if metrics.max_abs == 0 else 0.0
    return {
        "cosine": undefined if metrics.cosine is None else metrics.cosine,
        "mse": metrics.mse,
        "max_abs": metrics.max_abs,
        "worst_channel_mse": metrics.worst_channel_mse,
    }


def _against(found: float, limit: float, sign: str) -> str:
    texts = distinct(found, limit)
    return f"{texts[0]} {sign} {texts[1]}"
