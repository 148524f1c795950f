"""A comparison of two sides as a whole, and how it came out."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import msgspec

from conformance.dumps.comparison import TensorComparison, compare_pair
from conformance.dumps.manifest import squashed
from conformance.errors import EXIT_ACCURACY, EXIT_INCONCLUSIVE, ConformanceError, UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.dumps.comparison import Limits
    from conformance.dumps.tensors import Side, Tensor


SHOWN = 3
"""Names that an error lists."""

Outcome = Literal["fine", "deviates", "inconclusive"]


class Pair(NamedTuple):
    """A tensor of the first side and its counterpart on the second."""

    first: Tensor
    second: Tensor

    @property
    def name(self) -> str:
        """The tensor's own name where a side knows it, else what the files are called."""
        whole = [tensor.name for tensor in self if tensor.whole]
        return whole[0] if whole else " and ".join(dict.fromkeys(tensor.name for tensor in self))

    @property
    def sample(self) -> int | None:
        """The sample where a side knows it."""
        return self.second.sample if self.first.sample is None else self.first.sample


def paired(first: Side, second: Side, sample: int | None = None) -> list[Pair]:
    """Return every tensor with its counterpart, in the order of the second side.

    Two files of one tensor each belong together whatever they are called.

    Args:
        first: one side.
        second: the other.
        sample: only this sample, and what tensors hold whose source does not tell; None for all.

    Raises:
        UsageError: a tensor stands twice or is missing on one side, or it is not clear which one is meant.
    """
    if first.one_file and second.one_file:
        return [Pair(first.tensors[0], second.tensors[0])]
    first, second = _of_sample(first, sample), _of_sample(second, sample)
    first, second = _numbered(first, second), _numbered(second, first)
    pairs = _matched(first, second)
    _require_all(first, second, pairs)
    place = {id(tensor): index for index, tensor in enumerate(second.tensors)}
    return sorted(pairs, key=lambda pair: place[id(pair.second)])


def _of_sample(side: Side, sample: int | None) -> Side:
    """Drop the other samples."""
    if sample is None:
        return side
    kept = [tensor for tensor in side.tensors if tensor.sample in (None, sample)]
    if not kept:
        raise UsageError(f"sample {sample} is not in {side.source}{_samples(side)}; give another one")
    return dataclasses.replace(side, tensors=kept)


def _samples(side: Side) -> str:
    numbers = sorted({tensor.sample for tensor in side.tensors if tensor.sample is not None})
    return f" (known: {', '.join(map(str, numbers))})"


def _numbered(side: Side, other: Side) -> Side:
    """Give tensors whose source does not tell their sample the only one that the other side has."""
    unknown = [tensor for tensor in side.tensors if tensor.sample is None]
    numbers = {tensor.sample for tensor in other.tensors if tensor.sample is not None}
    if not unknown or not numbers:
        return side
    if len(numbers) > 1:
        raise UsageError(
            f"{side.source} does not say which sample it holds, and there are several in {other.source}"
            f"{_samples(other)}; give --sample"
        )
    (number,) = numbers
    tensors = [
        dataclasses.replace(tensor, sample=number) if tensor.sample is None else tensor
        for tensor in side.tensors
    ]
    return dataclasses.replace(side, tensors=tensors)


def _matched(first: Side, second: Side) -> list[Pair]:
    """Pair tensors of one name and sample, then what is left by what file names leave of names."""
    ours, theirs = _by_name(first), _by_name(second)
    pairs = [Pair(ours.pop(key), theirs.pop(key)) for key in list(ours) if key in theirs]
    for tensor in ours.values():
        match = _by_file_name(tensor, list(theirs.values()), second.source)
        if match is not None:
            pairs.append(Pair(tensor, theirs.pop((match.name, match.sample))))
    return pairs


def _by_name(side: Side) -> dict[tuple[str, int | None], Tensor]:
    counts = collections.Counter((tensor.name, tensor.sample) for tensor in side.tensors)
    (name, sample), times = counts.most_common(1)[0]
    if times > 1:
        which = "" if sample is None else f", sample {sample},"
        raise UsageError(f"{side.source} has tensor {name}{which} {times} times; keep one")
    return {(tensor.name, tensor.sample): tensor for tensor in side.tensors}


def _by_file_name(tensor: Tensor, others: Sequence[Tensor], source: str) -> Tensor | None:
    """Return the tensor that is called the same but for what file names leave out; at least one is a file."""
    candidates = [
        other for other in others if other.sample == tensor.sample and not (other.whole and tensor.whole)
    ]
    for short in (False, True):
        name = _file_name(tensor, short=short)
        matches = [other for other in candidates if _file_name(other, short=short) == name]
        if len(matches) > 1:
            named = ", ".join(match.name for match in matches[:SHOWN])
            raise UsageError(f"{tensor.name!r} may be any of {named} of {source}; compare a dump instead")
        if matches:
            return matches[0]
    return None


def _file_name(tensor: Tensor, *, short: bool) -> str:
    """Return a name as files have it, ``generatorxs0``, or short, ``generatorxs``; a file's own as it is."""
    if not tensor.whole:
        return tensor.name
    return squashed(tensor.name.removesuffix(":0") if short else tensor.name)


def _require_all(first: Side, second: Side, pairs: Sequence[Pair]) -> None:
    """Raise UsageError if a side lacks what the other has, unless it does not matter there."""
    if not pairs:
        named = "; ".join(f"{side.source}: {_list(side.tensors)}" for side in (first, second))
        raise UsageError(f"no tensor is on both sides ({named}); dump the same nodes and samples")
    matched = {id(tensor) for pair in pairs for tensor in pair}
    for side, other in ((first, second), (second, first)):
        missing = [tensor for tensor in side.tensors if id(tensor) not in matched]
        if missing and side.complete:
            raise _missing(missing, side, other)


def _missing(missing: Sequence[Tensor], side: Side, lacking: Side) -> UsageError:
    near = near_names(missing[0].name, list(dict.fromkeys(tensor.name for tensor in lacking.tensors)))
    be = "is" if len(missing) == 1 else "are"
    return UsageError(
        f"{_list(missing)} of {side.source} {be} not in {lacking.source}{near}; dump the same on both sides"
    )


def _list(tensors: Sequence[Tensor]) -> str:
    names = [_shown(tensor) for tensor in tensors]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _shown(tensor: Tensor) -> str:
    return tensor.name if tensor.sample is None else f"{tensor.name} (sample {tensor.sample})"


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
    report: Callable[[int, int, str], None] = lambda *_: None,
) -> ComparisonReport:
    """Compare every tensor of two sides.

    Args:
        first: one side.
        second: the other; what it holds is the order of the graph.
        limits: that errors must keep.
        sample: only this one; None for all.
        report: called with (done, total, what).

    Raises:
        UsageError: the sides do not fit each other, or a tensor cannot be read.
    """
    _require_same_inputs(first, second)
    pairs = paired(first, second, sample)
    second.prepare(list(dict.fromkeys(pair.second.name for pair in pairs)))
    tensors = []
    for order, pair in enumerate(pairs, start=1):
        tensors.append(compare_pair(pair, order, limits))
        report(order, len(pairs), "comparing")
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
