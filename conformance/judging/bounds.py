"""Bounds derived from what an ideal device attains: amplitude times a margin, plus an allowance for sums.

Every criterion is turned into an amplitude first, because errors add as amplitudes and not as squares:
the largest error, the root mean square (RMS), and the chord ``sqrt(2 * cosine_distance)`` between the two
directions, which all obey the triangle inequality. The bound is ``factor * attainable + allowance`` of the
amplitude, squared again where the criterion is a square.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import msgspec

from conformance.files import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from conformance.numerics.metrics import Metrics

OperatorClass = Literal["fixed-point", "reduction", "activation", "elementwise", "movement", "other"]

OPERATOR_CLASSES: tuple[OperatorClass, ...] = get_args(OperatorClass)
"""Every class has a margin; which operator is of which class, the table of operators says."""

FLOAT32_ROUNDOFF = 2.0**-24
"""Largest relative error of one rounding to float32."""

FARTHEST_COSINE_DISTANCE = 2.0
"""Cosine distance of opposite directions; no bound needs to be larger."""

Text = Annotated[str, msgspec.Meta(pattern=r"\S")]


class ErrorValues(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number per criterion of :class:`~conformance.numerics.metrics.Metrics`, finite and >= 0.

    Attributes:
        cosine_distance: 1 - cosine.
        mse: mean squared error.
        max_abs: largest absolute error.
        worst_channel_mse: mean squared error of the worst channel.
    """

    cosine_distance: float
    mse: float
    max_abs: float
    worst_channel_mse: float

    def __post_init__(self) -> None:
        _require_finite(self)


class Attainable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an ideal device (exact arithmetic, one correct rounding per operator) attains at one node.

    Attributes:
        errors: its own error.
        terms: summed terms of the longest sum between the fed goldens and the node; 0 where there is none.
        magnitude: largest sum of the terms' absolute values over the node's elements (an average: divided).
        magnitude_square: mean square of these sums over the node's elements.
        golden_square: mean square of the golden.
        golden_max: largest absolute value of the golden.
    """

    errors: ErrorValues
    terms: Annotated[int, msgspec.Meta(ge=0)] = 0
    magnitude: float = 0.0
    magnitude_square: float = 0.0
    golden_square: float
    golden_max: float

    def __post_init__(self) -> None:
        _require_finite(self)


class ClassMargin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The margin of one operator class.

    Attributes:
        factor: what the attainable amplitude is multiplied with, >= 1.
        reason: why this factor.
        arithmetic: whether its operators compute. What only moves values gets the factor and nothing else.
    """

    factor: float
    reason: Text
    arithmetic: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise ValueError(f"factor is {self.factor}, but should be finite and >= 1")


class SumAllowance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The allowance of sums: ``factor`` is the lambda of Higham and Mary, >= 0, with its reason."""

    factor: float
    reason: Text

    def __post_init__(self) -> None:
        _require_finite(self)


class Margins(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"classes": "class"}
):
    """The content of ``fixtures/margins.toml``: one margin per operator class, and the allowance of sums."""

    sum_allowance: SumAllowance
    classes: dict[OperatorClass, ClassMargin]

    def __post_init__(self) -> None:
        missing = [name for name in OPERATOR_CLASSES if name not in self.classes]
        if missing:
            raise ValueError(f"class {missing[0]!r} has no margin")


def read_margins(path: Path) -> Margins:
    """Read the margins file.

    Raises:
        UsageError: it cannot be read, a key is missing, unknown or wrong, or a class has no margin.
    """
    return read_toml(path, Margins, "margins file")


def error_values(metrics: Metrics, *, golden_is_zero: bool) -> ErrorValues:
    """Return the errors as ``metrics`` satisfies.

    Where the cosine is undefined, a zero golden demands nothing of it, and a zero result for a golden that is
    not zero counts as orthogonal (distance 1), so that it never passes an ordinary bound.
    """
    undefined = 0.0 if golden_is_zero else 1.0
    distance = undefined if metrics.cosine_distance is None else metrics.cosine_distance
    return ErrorValues(
        cosine_distance=float(distance),
        mse=float(metrics.mse),
        max_abs=float(metrics.max_abs),
        worst_channel_mse=float(metrics.worst_channel_mse),
    )


def largest_values(values: list[ErrorValues]) -> ErrorValues:
    """Return the field-wise largest of ``values``, which must not be empty."""
    return ErrorValues(*(max(values) for values in zip(*map(msgspec.structs.astuple, values), strict=True)))


def bound(attainable: Attainable, operator_class: OperatorClass, margins: Margins) -> ErrorValues:
    """Return the bound of a node: ``factor * attainable + allowance`` of every criterion's amplitude.

    An attainable error below the golden's own rounding to float32 is luck, so arithmetic is never held to
    less than that rounding. A sum of k terms is allowed ``lambda * sqrt(k) * u * sum|terms|`` with u of
    float32 at every precision: a device that sums in half floats deviates, and shall.

    Args:
        attainable: what an ideal device attains at this node and precision.
        operator_class: the class of the operator that decides the margin; of a node that only moves what
            operators before it computed since the fed goldens, the class of the computing one.
        margins: factor per operator class and lambda.

    Source: N. J. Higham and T. Mary, "A new approach to probabilistic rounding error analysis", SIAM J. Sci.
        Comput. 41 (2019), A2815-A2835.
    """
    return _bound(
        attainable, margins.classes[operator_class], margins, margins.classes[operator_class].factor
    )


def rounding_error(attainable: Attainable, operator_class: OperatorClass, margins: Margins) -> ErrorValues:
    """Return a node's bound without its margin: differences below it are a matter of rounding."""
    return _bound(attainable, margins.classes[operator_class], margins, 1.0)


def _bound(attainable: Attainable, margin: ClassMargin, margins: Margins, factor: float) -> ErrorValues:
    errors, allowance = attainable.errors, ErrorValues(0.0, 0.0, 0.0, 0.0)
    if margin.arithmetic:
        errors = _at_least_golden_rounding(attainable)
        allowance = _sum_allowance(attainable, margins.sum_allowance.factor)
    return _widened(errors, factor, allowance)


def _sum_allowance(attainable: Attainable, factor: float) -> ErrorValues:
    """Return what summing ``terms`` terms in float32 may add on its own."""
    relative = factor * math.sqrt(attainable.terms) * FLOAT32_ROUNDOFF
    mse = relative**2 * attainable.magnitude_square
    largest = relative * attainable.magnitude
    return _from_errors(attainable, mse=mse, max_abs=largest)


def _at_least_golden_rounding(attainable: Attainable) -> ErrorValues:
    """Return the attainable errors, each at least that of rounding the golden to float32."""
    mse = FLOAT32_ROUNDOFF**2 * attainable.golden_square
    rounding = _from_errors(attainable, mse=mse, max_abs=FLOAT32_ROUNDOFF * attainable.golden_max)
    return largest_values([attainable.errors, rounding])


def _from_errors(attainable: Attainable, *, mse: float, max_abs: float) -> ErrorValues:
    """Return the limits of an error of this size: a channel may hold the largest error everywhere."""
    square = attainable.golden_square
    distance = min(mse / square / 2, FARTHEST_COSINE_DISTANCE) if square > 0 else 0.0
    return ErrorValues(distance, mse, max_abs, max_abs**2)


def _widened(errors: ErrorValues, factor: float, allowance: ErrorValues) -> ErrorValues:
    """Return ``factor * errors + allowance``, added as amplitudes."""
    distance = _square_sum(errors.cosine_distance, factor, allowance.cosine_distance)
    return ErrorValues(
        cosine_distance=min(distance, FARTHEST_COSINE_DISTANCE),
        mse=_square_sum(errors.mse, factor, allowance.mse),
        max_abs=factor * errors.max_abs + allowance.max_abs,
        worst_channel_mse=_square_sum(errors.worst_channel_mse, factor, allowance.worst_channel_mse),
    )


def _square_sum(square: float, factor: float, added: float) -> float:
    """Return ``(factor * sqrt(square) + sqrt(added))**2``, multiplied out: factor 1 keeps ``square``."""
    return factor**2 * square + 2 * factor * math.sqrt(square) * math.sqrt(added) + added


def _require_finite(numbers: msgspec.Struct) -> None:
    """Raise ValueError unless every number of ``numbers`` is finite and >= 0."""
    for name in numbers.__struct_fields__:
        value = getattr(numbers, name)
        if isinstance(value, (int, float)) and not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value}, but should be finite and >= 0")


def excess(needed: ErrorValues | None, bounds: ErrorValues | None) -> float:
    """Return the largest error over its bound, as amplitudes.

    Squared criteria are compared by their square roots, so that 2.0 always means twice the error.

    Args:
        needed: the smallest bounds that would have passed; None where none would: the excess is infinite.
        bounds: what the errors were compared with; None where there are none: the excess is 0.
    """
    if bounds is None:
        return 0.0
    return math.inf if needed is None else max(_ratios(needed, bounds))


def _ratios(needed: ErrorValues, bounds: ErrorValues) -> Iterable[float]:
    for name in ErrorValues.__struct_fields__:
        found, limit = getattr(needed, name), getattr(bounds, name)
        if limit > 0:
            yield (found / limit) ** (1.0 if name == "max_abs" else 0.5)
        else:
            yield math.inf if found > 0 else 0.0
