"""One golden beside one result: structure first, then NaN and Inf, then the errors; nothing is broadcast."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from conformance.errors import GoldenError
from conformance.judging.bounds import Attainable, ErrorValues, error_values, largest_values
from conformance.numerics.metrics import Metrics, compare, nonfinite_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.judging.answers import Counted
    from conformance.judging.conformity import Conformity

Array: TypeAlias = npt.NDArray[np.floating]
Result: TypeAlias = "npt.NDArray[np.generic] | np.generic | None"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a comparison of one sample found.

    Attributes:
        where: the sample's name for sentences.
        reasons: what is wrong with the result's form, NaN or Inf; then there are no errors.
        notes: what a reader should know although it is not wrong.
        metrics: the errors.
        needed: the smallest limits that the errors satisfy.
        golden_is_zero: the golden is zero everywhere, so that no cosine is defined.
        worst_values: where the largest error is, what is there and what should be.
        elements: how many numbers were compared.
        answers: how many answers are right, of an output that gives answers.
        gain: norm of the result over that of the golden, of an output that a cosine alone accepts.
        conformity: the result beside what right devices of its precision give, where that is known.
    """

    where: str
    reasons: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    metrics: Metrics | None = None
    needed: ErrorValues | None = None
    golden_is_zero: bool = False
    worst_values: str = ""
    elements: int = 0
    answers: Counted | None = None
    gain: float | None = None
    conformity: Conformity | None = None


def compare_sample(golden: Array, result: Result, where: str) -> Comparison:
    """Compare one sample in the order structure, NaN and Inf, numbers; nothing of the arrays is kept."""
    _check_golden(golden, where)
    reasons = _structure(golden, result, where)
    if reasons or result is None:
        return Comparison(where, reasons)
    array = _as_float(result)
    try:
        metrics = compare(golden, array)
    except ValueError:  # the form is right, so something is not finite; looking first would cost a pass
        return _compare_nonfinite(golden, array, where)
    return _with_errors(golden, array, metrics, where)


def gain(golden: Array, result: Array) -> float | None:
    """Return the norm of a result over that of its golden; None where that is 0 or something is infinite."""
    with np.errstate(over="ignore"):
        norms = [float(np.linalg.norm(np.asarray(item, np.float64).reshape(-1))) for item in (golden, result)]
    return norms[1] / norms[0] if norms[0] > 0 and all(map(math.isfinite, norms)) else None


def attained(goldens: Sequence[Array], results: Sequence[Array], **terms: Any) -> Attainable:
    """Return what an ideal device attains at a node, from its results.

    Args:
        goldens: of the node, one per sample.
        results: one per golden, of its shape, finite.
        terms: what its sums are made of, as :class:`Attainable` names it; nothing for a node without any.
    """
    parts = [_attained(golden, result) for golden, result in zip(goldens, results, strict=True)]
    return attained_by_all(parts, **terms)


def attained_by_all(parts: Sequence[Attainable], **terms: Any) -> Attainable:
    """Return what an ideal device attains at a node on several samples, from what it does on each.

    Args:
        parts: one per sample.
        terms: what its sums are made of, as :class:`Attainable` names it.
    """
    return Attainable(
        errors=largest_values([part.errors for part in parts]),
        golden_square=min(part.golden_square for part in parts),
        golden_max=max(part.golden_max for part in parts),
        **terms,
    )


def _attained(golden: Array, result: Array) -> Attainable:
    return Attainable(
        errors=error_values(compare(golden, result), golden_is_zero=not golden.any()),
        golden_square=float(np.mean(np.square(golden, dtype=np.float64))),
        golden_max=float(np.abs(golden).max()),
    )


def _compare_nonfinite(golden: Array, result: Array, where: str) -> Comparison:
    """Compare a sample in which something is not finite."""
    if np.isnan(golden).any():
        raise GoldenError(f"the golden of {where} holds NaN, so nothing can be compared; make it again")
    reasons = _nonfinite(golden, result, where)
    if reasons:
        return Comparison(where, reasons)
    finite = np.isfinite(golden)  # an infinity that both share counts as exact
    pair = np.where(finite, golden, 0), np.where(finite, result, 0)
    return _with_errors(*pair, compare(*pair), where)


def _check_golden(golden: Array, where: str) -> None:
    """Raise GoldenError unless ``golden`` can be compared with."""
    if golden.dtype not in (np.float32, np.float64):
        raise GoldenError(f"the golden of {where} has dtype {golden.dtype} instead of float32; make it again")
    if golden.size == 0:
        raise GoldenError(
            f"the golden of {where} is empty (shape {golden.shape}), so nothing can be compared"
        )


def _structure(golden: Array, result: Result, where: str) -> list[str]:
    """Return what is wrong with the result's presence, type, dtype and shape."""
    if result is None:
        return [f"{where} is missing from what the device returned"]
    if not isinstance(result, (np.ndarray, np.generic)):
        return [f"{where} is of type {type(result).__name__}, but should be an array"]
    reasons = []
    if not np.issubdtype(result.dtype, np.floating):
        reasons.append(f"{where} has dtype {result.dtype}, but should be floating")
    if result.size == 0:
        reasons.append(f"{where} is empty (shape {result.shape}), but should have shape {golden.shape}")
    elif result.shape != golden.shape:
        reasons.append(f"{where} has shape {result.shape}, but should have shape {golden.shape}")
    return reasons


def _as_float(result: npt.NDArray[np.generic] | np.generic) -> Array:
    """Return the result as float32, or as float64 where it is wider."""
    array = np.asarray(result)
    wide = array.dtype.itemsize > np.dtype(np.float32).itemsize
    with np.errstate(over="ignore"):
        return array.astype(np.float64 if wide else np.float32, copy=False)


def _nonfinite(golden: Array, result: Array, where: str) -> list[str]:
    """Return what is wrong with the result's NaN and Inf, and where the golden is infinite."""
    reasons = []
    stray = np.isfinite(golden) & ~np.isfinite(result)
    if stray.any():
        found = nonfinite_counts(result[stray])
        reasons.append(
            f"{where} has {found.nan} NaN, {found.positive_inf} +Inf and {found.negative_inf} -Inf"
            f" where the golden is finite, the first at {_text(_first(stray))}"
        )
    lost = np.isinf(golden) & (golden != result)
    if lost.any():
        index = _first(lost)
        values = f"{where}{_text(index)}={result[index]:g}, but should be {golden[index]:g}"
        reasons.append(f"{values} ({np.count_nonzero(lost)} such elements)")
    return reasons


def _with_errors(golden: Array, result: Array, metrics: Metrics, where: str) -> Comparison:
    """Return the comparison of a finite golden and result with these errors."""
    golden_is_zero = metrics.cosine_distance is None and not golden.any()
    note = f"the cosine of {where} is undefined, because the golden is zero everywhere"
    index = tuple(metrics.worst_index)
    found, wanted = distinct(float(result[index]), float(golden[index]))
    return Comparison(
        where,
        notes=[note] if golden_is_zero else [],
        metrics=metrics,
        needed=error_values(metrics, golden_is_zero=golden_is_zero),
        golden_is_zero=golden_is_zero,
        elements=int(golden.size),
        worst_values=f"{where}{_text(index)}={found}, but should be {wanted}",
    )


def _first(mask: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index of the first true element."""
    return tuple(int(axis) for axis in np.unravel_index(int(mask.argmax()), mask.shape))


def _text(index: tuple[int, ...]) -> str:
    """Return ``[0,3,7]``; nothing for a scalar."""
    return f"[{','.join(map(str, index))}]" if index else ""


def against(found: float, limit: float, sign: str) -> str:
    """Return two numbers with a sign between them, ``0.5 < 0.999``, in digits that tell them apart."""
    texts = distinct(found, limit)
    return f"{texts[0]} {sign} {texts[1]}"


def distinct(first: float, second: float) -> tuple[str, str]:
    """Return both numbers with as few digits as tell them apart, at least four."""
    for digits in range(4, 17):
        texts = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{first:.17g}", f"{second:.17g}"
