"""Two tensors beside each other: NaN and Inf, errors, their distribution, and what formats cannot show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from conformance.dumps.histogram import ROUNDED, Histogram, histogram
from conformance.dumps.limits import Limits, exceeded, rounding_floors, too_fine
from conformance.errors import UsageError
from conformance.numerics.metrics import Metrics, NonFinite, compare, nonfinite_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from conformance.dumps.pairing import Pair
    from conformance.dumps.tensors import Reading

    Floats = NDArray[np.floating[Any]]
    Mask = NDArray[np.bool_]


class NonFiniteDifference(msgspec.Struct, frozen=True, kw_only=True):
    """NaN and Inf on both sides.

    Attributes:
        first, second: how many there are.
        elements: where one side has NaN, +Inf or -Inf and the other has not the same.
        index: of the first such element.
    """

    first: NonFinite
    second: NonFinite
    elements: int = 0
    index: list[int] = []


class TensorComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison of one tensor found.

    Attributes:
        tensor: its name.
        sample: of the network's inputs; None where no side knows it.
        order: its place in the graph, or in the file, from 1.
        shape: of both sides.
        metrics: the errors, where elements that are not finite on either side count as exact; None where no
            element is finite on both.
        nonfinite: NaN and Inf.
        histogram: of |error|, over the same elements.
        resolution: how far the formats' rounding alone may put the two sides apart.
        exceeded: limits that are not kept, and not because of the formats' rounding.
        too_fine: limits that the formats' rounding alone could break.
        notes: what a reader should know.
    """

    tensor: str
    sample: int | None
    order: int
    shape: list[int]
    metrics: Metrics | None
    nonfinite: NonFiniteDifference
    histogram: Histogram | None
    resolution: float
    exceeded: list[str]
    too_fine: list[str]
    notes: list[str]

    @property
    def title(self) -> str:
        """Its name, with its sample where that is known."""
        return self.tensor if self.sample is None else f"{self.tensor} (sample {self.sample})"

    @property
    def badness(self) -> tuple[bool, bool, float, float]:
        """What sorts the worst last: NaN and Inf, then limits, then the cosine, then the squared error."""
        if self.metrics is None:
            return True, True, 2.0, 0.0
        distance = self.metrics.cosine_distance
        undefined = 0.0 if self.metrics.max_abs == 0 else 1.0
        return (
            self.nonfinite.elements > 0,
            bool(self.exceeded),
            undefined if distance is None else distance,
            self.metrics.mse,
        )


def compare_pair(pair: Pair, order: int, limits: Limits) -> TensorComparison:
    """Read a tensor's two sides and compare them.

    Raises:
        UsageError: a side cannot be read, or they differ in their number of elements or their shape.
    """
    readings = pair.first.read(), pair.second.read()
    first, second = _of_one_shape(*readings, pair.name)
    resolution = readings[0].resolution + readings[1].resolution
    nonfinite, finite = _nonfinite(first, second)
    if finite is not None:
        first, second = np.where(finite, first, 0), np.where(finite, second, 0)
    metrics = compare(first, second) if finite is None or finite.any() else None
    floors = rounding_floors(limits, first, second, resolution)
    return TensorComparison(
        tensor=pair.name,
        sample=pair.sample,
        order=order,
        shape=list(first.shape),
        metrics=metrics,
        nonfinite=nonfinite,
        histogram=histogram(first, second, metrics.max_abs, decimal=resolution > 0) if metrics else None,
        resolution=resolution,
        exceeded=exceeded(metrics, limits, floors) if metrics else [],
        too_fine=too_fine(limits, floors) if metrics else [],
        notes=_notes(metrics, [reading.resolution for reading in readings]),
    )


def _of_one_shape(first: Reading, second: Reading, name: str) -> tuple[Floats, Floats]:
    """Return both tensors; one without a shape takes the other's."""
    ours, theirs = first.values, second.values
    if ours.size != theirs.size:
        raise UsageError(
            f"{name} has {ours.size:,} elements on the first side, but {theirs.size:,} on the second; dump "
            "the same tensor of the same network"
        )
    if first.shaped and second.shaped and ours.shape != theirs.shape:
        raise UsageError(
            f"{name} has shape {ours.shape} on the first side, but {theirs.shape} on the second; transpose "
            "or reshape one"
        )
    shape = ours.shape if first.shaped else theirs.shape
    return ours.reshape(shape), theirs.reshape(shape)


def _nonfinite(first: Floats, second: Floats) -> tuple[NonFiniteDifference, Mask | None]:
    """Return where NaN and Inf differ, and which elements are finite on both sides; None for all."""
    counts = nonfinite_counts(first), nonfinite_counts(second)
    if not (counts[0].total or counts[1].total):
        return NonFiniteDifference(first=counts[0], second=counts[1]), None
    finite = np.isfinite(first) & np.isfinite(second)
    same = finite | (np.isnan(first) & np.isnan(second)) | (first == second)
    stray = np.unravel_index(int(np.argmin(same)), same.shape)
    difference = NonFiniteDifference(
        first=counts[0],
        second=counts[1],
        elements=int(np.count_nonzero(~same)),
        index=[] if same.all() else [int(axis) for axis in stray],
    )
    return difference, finite


def _notes(metrics: Metrics | None, resolutions: Sequence[float]) -> list[str]:
    """Return what the errors do not say by themselves."""
    if metrics is None:
        return ["no element is finite on both sides"]
    undefined = ["a side is zero everywhere, so no cosine is defined"] if metrics.cosine is None else []
    return [*undefined, *_below_resolution(metrics, resolutions)]


def _below_resolution(metrics: Metrics, resolutions: Sequence[float]) -> list[str]:
    """Say so when the errors found are no more than rounding to the formats makes.

    Rounding to a resolution r is off by up to r, and by r² / 3 in the mean of squares.
    """
    largest, resolution = metrics.max_abs, sum(resolutions)
    if not resolution:
        return []
    if largest == 0:
        return [f"equal as far as the format shows, which proves nothing: {resolution:g} could not be seen"]
    if largest <= resolution * ROUNDED:
        rounding = f"within the {resolution:g} that rounding to the format can make"
        doubt = f"it may be none, or {largest + resolution:g}"
        return [f"the largest error found, {largest:g}, is {rounding}: {doubt}"]
    squares = sum(each**2 for each in resolutions) / 3
    if metrics.mse > squares:
        return []
    return [f"the MSE found is no more than the {squares:.3g} that rounding to the format makes by itself"]
