"""Which tensors of two sides belong together: by tensor name where both know it, else by file name."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from conformance.dumps.manifest import squashed
from conformance.errors import UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.dumps.tensors import Side, Tensor

SHOWN = 3
"""Names that an error lists."""


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
    names = [
        tensor.name if tensor.sample is None else f"{tensor.name} (sample {tensor.sample})"
        for tensor in tensors
    ]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
