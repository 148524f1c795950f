"""Answers of a network in its task's own terms: how many of them are right.

The truth is part of the task, not what the network computes in float64: a golden may be wrong, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, Any]
CLASS, WITHIN = "class", "within"


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[output.answers]``: when an answer is right.

    Attributes:
        measure: ``class``, where the largest value along the last axis stands at the true class, or
            ``within``, where a value is at most ``tolerance`` from the true one.
        truth: one ``.npy`` file per sample: whole numbers of the output's shape without its last axis for
            ``class``, numbers of the output's shape for ``within``.
        tolerance: in units of the output; for ``within`` alone.
    """

    measure: Literal["class", "within"]
    truth: Annotated[list[str], msgspec.Meta(min_length=1)]
    tolerance: Annotated[float, msgspec.Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        if (self.measure == WITHIN) != (self.tolerance is not None):
            raise ValueError(
                f"measure is {self.measure!r} and tolerance is {self.tolerance}, but 'within' asks for a "
                "tolerance, and 'class' for none"
            )

    def check_truth(self, truth: Array, shape: Sequence[int], where: str) -> None:
        """Check that a sample's truth can be compared with an output.

        Args:
            truth: the true answers.
            shape: of the output.
            where: the file, for the sentence.

        Raises:
            UsageError: it has another shape or type, a class that the output does not have, or is empty.
        """
        wanted = tuple(shape[:-1]) if self.measure == CLASS else tuple(shape)
        if truth.shape != wanted or not truth.size:
            raise UsageError(f"truth {where} has shape {truth.shape}, but should have {wanted}")
        if self.measure == WITHIN:
            if truth.dtype.kind not in "fiu" or not np.isfinite(truth).all():
                raise UsageError(f"truth {where} holds {truth.dtype}; give finite numbers")
        elif truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= shape[-1]:
            raise UsageError(
                f"truth {where} holds {truth.dtype} from {truth.min()} to {truth.max()}; give whole numbers "
                f"from 0 to {shape[-1] - 1}"
            )

    def count(self, result: Array, truth: Array) -> Counted:
        """Return how many answers of a result are right; what is no number is wrong.

        Args:
            result: what the device returned, in the output's shape.
            truth: the true answers, as :meth:`check_truth` wants them.
        """
        if self.measure == CLASS:
            finite = np.isfinite(result).all(axis=-1)
            right = finite & (np.where(np.isnan(result), -np.inf, result).argmax(axis=-1) == truth)
        else:
            with np.errstate(invalid="ignore"):
                right = np.abs(result.astype(np.float64) - truth) <= self.tolerance
        return Counted(int(np.count_nonzero(right)), int(truth.size))


class Counted(msgspec.Struct, frozen=True):
    """How many answers of a sample are right, of how many."""

    right: int
    total: int

    @property
    def share(self) -> float:
        """Right answers as a part of all."""
        return self.right / self.total
