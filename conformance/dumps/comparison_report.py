"""A comparison of two sides as a whole, and how it came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from conformance.dumps.comparison import TensorComparison, compare_pair
from conformance.dumps.pairing import paired
from conformance.errors import EXIT_ACCURACY, EXIT_INCONCLUSIVE, ConformanceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.dumps.comparison import Limits
    from conformance.dumps.tensors import Side

Outcome = Literal["fine", "deviates", "inconclusive"]


class Deviation(ConformanceError):
    """The sides differ by more than the limits allow, or in NaN and Inf."""

    exit_code: ClassVar[int] = EXIT_ACCURACY


class Inconclusive(ConformanceError):
    """The formats are too coarse to show whether the limits are kept."""

    exit_code: ClassVar[int] = EXIT_INCONCLUSIVE


class ComparisonReport(msgspec.Struct, frozen=True, kw_only=True):
    """A whole comparison.

    Attributes:
        first, second: the sides, as the user calls them.
        limits: what was asked for.
        outcome: ``deviates`` if NaN or Inf differ or a limit is exceeded; ``inconclusive`` if the
            formats are too coarse for a limit; else ``fine``, which without limits says no more than that
            everything was compared.
        reason: a sentence for an outcome that is not fine.
        notes: what concerns all tensors.
        tensors: in the order of the graph.
    """

    first: str
    second: str
    limits: dict[str, float]
    outcome: Outcome
    reason: str
    notes: list[str]
    tensors: list[TensorComparison]

    @property
    def worst_first(self) -> list[TensorComparison]:
        """The tensors, the worst first; equally bad ones in the order of the graph."""
        return _worst_first(self.tensors)

    def conclude(self) -> None:
        """Return if the outcome is fine.

        Raises:
            Deviation: it deviates.
            Inconclusive: it is inconclusive.
        """
        if self.outcome != "fine":
            raise {"deviates": Deviation, "inconclusive": Inconclusive}[self.outcome](self.reason)


def _worst_first(tensors: Sequence[TensorComparison]) -> list[TensorComparison]:
    return sorted(tensors, key=lambda tensor: tensor.badness, reverse=True)


def _outcome(tensors: Sequence[TensorComparison]) -> tuple[Outcome, str]:
    """Return how a comparison came out, and why."""
    worst = _worst_first(tensors)
    for wrong, what in (
        ([item for item in worst if item.nonfinite.elements], "differ in NaN or Inf"),
        ([item for item in worst if not item.metrics], "hold nothing finite"),
        ([item for item in worst if item.exceeded], "exceed the limits"),
    ):
        if wrong:
            why = f" ({'; '.join(wrong[0].exceeded)})" if wrong[0].exceeded else ""
            return "deviates", f"{len(wrong)} of {len(worst)} tensors {what}, first {wrong[0].title}{why}"
    coarse = [item for item in worst if item.too_fine]
    if coarse:
        rounding = f"rounding to the format, by up to {coarse[0].resolution:g}, could break"
        return "inconclusive", f"{rounding} {', '.join(coarse[0].too_fine)} of {coarse[0].title}; dump as npy"
    return "fine", ""


def compare_sides(
    first: Side,
    second: Side,
    limits: Limits,
    *,
    sample: int | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> ComparisonReport:
    """Compare every tensor of two sides.

    Args:
        first: one side.
        second: the other; what it holds is the order of the graph.
        limits: that errors must keep.
        sample: only this one; None for all.
        progress: called with (done, total, what).

    Raises:
        UsageError: the sides do not fit each other, or a tensor cannot be read.
    """
    _require_same_inputs(first, second)
    pairs = paired(first, second, sample)
    second.prepare(list(dict.fromkeys(pair.second.name for pair in pairs)))
    tensors = []
    for order, pair in enumerate(pairs, start=1):
        tensors.append(compare_pair(pair, order, limits))
        progress(order, len(pairs), "comparing")
    outcome, reason = _outcome(tensors)
    return ComparisonReport(
        first=first.source,
        second=second.source,
        limits={str(name): limit for name, limit in limits.items()},
        outcome=outcome,
        reason=reason,
        notes=_notes(first, second),
        tensors=tensors,
    )


def _require_same_inputs(first: Side, second: Side) -> None:
    made = first.input_sha256, second.input_sha256
    if all(made) and made[0] != made[1]:
        raise UsageError(
            f"{first.source} was made from other inputs than {second.source} (sha256 {made[0][:12]} and "
            f"{made[1][:12]}), so they cannot be compared; dump both from the same network"
        )


def _notes(first: Side, second: Side) -> list[str]:
    made = first.graph_sha256, second.graph_sha256
    if not all(made) or made[0] == made[1]:
        return []
    return [f"the graphs or their weights differ: sha256 {made[0][:12]} and {made[1][:12]}"]
