"""Verdicts on conformance: whether a right device of the precision may have computed this."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.errors import GoldenError
from conformance.judging.comparison import against, distinct
from conformance.judging.conformity import errors_and_limits, worst_of
from conformance.judging.verdicts import Verdict
from conformance.numerics.metrics import worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.judging.bounds import ErrorValues
    from conformance.judging.comparison import Comparison
    from conformance.judging.conformity import Conformity
    from conformance.numerics.metrics import Metrics

MORE_EXACT = 0.25
"""Mean squared error over that of an ideal device below which a deviation is one of too much exactness."""


def has_conformity(comparisons: Sequence[Comparison]) -> bool:
    """Return whether every sample that could be compared was held to right devices, and there is one."""
    found = [item.conformity for item in comparisons if item.metrics is not None]
    return bool(found) and None not in found


def judge_conformity(comparisons: Sequence[Comparison], cost: ErrorValues, precision: str) -> Verdict:
    """Judge samples of a node by what right devices of the precision may give.

    Args:
        comparisons: one per sample.
        cost: what an ideal device's errors against the golden are.
        precision: its name.

    Raises:
        GoldenError: there is none that was held to right devices.
    """
    found = [item.conformity for item in comparisons if item.conformity is not None]
    if not found:
        raise GoldenError("nothing was compared, so there is no verdict; run at least one sample")
    reasons = [reason for item in comparisons for reason in (*item.reasons, *_beyond(item, precision))]
    metrics = [item.metrics for item in comparisons if item.metrics is not None]
    errors = worst(metrics) if len(metrics) == len(comparisons) else None
    if reasons and errors is not None:
        reasons += _too_exact(errors, cost, precision)
    needed, bounds = errors_and_limits(worst_of(found))
    return Verdict(
        outcome="deviates" if reasons else "conforms",
        reasons=reasons,
        notes=[note for item in comparisons for note in item.notes],
        metrics=errors,
        bounds=bounds,
        needed=needed if errors is not None else None,
        conformity=worst_of(found),
        cost=cost,
    )


def _beyond(item: Comparison, precision: str) -> list[str]:
    """Return what is wrong with a sample that no right device gives."""
    found = item.conformity
    if found is None or found.conforms:
        return []
    return [
        *_worst_element(item.where, found, precision),
        *_no_halves(item.where, found),
        *_leaning(item.where, found),
    ]


def _worst_element(where: str, found: Conformity, precision: str) -> list[str]:
    if not found.beyond or found.found is None or found.ideal is None or found.allowed is None:
        return []
    index = f"[{','.join(map(str, found.index))}]" if found.index else ""
    values = distinct(found.found, found.ideal)
    apart = against(abs(found.found - found.ideal), found.allowed, "> allowed")
    others = f"; {found.beyond} of {found.elements} elements" if found.elements > 1 else ""
    others += "" if found.channel is None else f", all in channel {found.channel}"
    return [
        f"{where}{index}={values[0]}, but an ideal {precision} device gives {values[1]} ({apart}{others})"
    ]


def _leaning(where: str, found: Conformity) -> list[str]:
    if not found.lean > 1:
        return []
    return [
        (
            f"{where} leans to one side: its differences from an ideal device add up to {found.lean:.3g} "
            "times what roundings, which go either way, can come to"
        )
    ]


def _no_halves(where: str, found: Conformity) -> list[str]:
    if not found.wider:
        return []
    return [
        (
            f"{where} holds {found.wider} numbers of {found.elements} that its float type does not have: "
            "computed in a wider one"
        )
    ]


def _too_exact(errors: Metrics, cost: ErrorValues, precision: str) -> list[str]:
    """Return the sentence on a device whose error is smaller than the precision allows."""
    if not errors.mse < MORE_EXACT * cost.mse:
        return []
    sizes = distinct(math.sqrt(errors.mse), math.sqrt(cost.mse))
    return [
        (
            f"it is more exact than {precision} can be (root mean square error {sizes[0]}, an ideal device's "
            f"{sizes[1]}): computed in float32, the precision ignored, or run on the host"
        )
    ]
