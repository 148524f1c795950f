"""Two tensors beside each other: NaN and Inf, errors, their distribution, and what formats cannot show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
import numpy as np

from conformance.dumps.histogram import ROUNDED, Histogram, histogram
from conformance.errors import UsageError, near_names
from conformance.judging.comparison import against
from conformance.numerics.metrics import Metrics, NonFinite, compare, nonfinite_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from conformance.dumps.pairing import Pair
    from conformance.dumps.tensors import Reading

    Floats = NDArray[np.floating[Any]]
    Mask = NDArray[np.bool_]

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
        f"{name} {against(found[name], limit, '<' if name == 'cosine' else '>')}"
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
