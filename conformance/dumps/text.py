"""Numbers in text: read fast and strictly, together with how exactly the text can tell them."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Mask = NDArray[np.bool_]

CHUNK = 1 << 22
"""Bytes read at once."""

_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[nN][aA][nN]|[iI][nN][fF](?:inity)?)")
_SPACES = np.zeros(256, np.bool_)
_SPACES[list(b" \t\n\v\f\r")] = True


class Numbers(NamedTuple):
    """What a text file holds.

    Attributes:
        values: every number, in the order of the file.
        resolution: how far each may be from what was written, see :class:`Digits`.
    """

    values: Doubles
    resolution: float


class Digits(NamedTuple):
    """How numbers are written.

    Where all have the same number of decimals, as by ``%8.3f``, the resolution is half a unit of the last.
    Otherwise, as by ``%e``, ``%g`` or the shortest text that reads back, it is that of the largest number
    written with as many significant digits as the most exact one has.

    Attributes:
        fewest, most: decimals of a number.
        significant: most significant digits of a number.
        exponent: of the largest number.
        scientific: whether a number has an exponent.
    """

    fewest: int = 1 << 30
    most: int = -1
    significant: int = 0
    exponent: int = -(1 << 30)
    scientific: bool = False

    def __or__(self, other: Digits) -> Digits:
        """Return the digits of both together."""
        return Digits(
            min(self.fewest, other.fewest),
            max(self.most, other.most),
            max(self.significant, other.significant),
            max(self.exponent, other.exponent),
            self.scientific or other.scientific,
        )

    @property
    def resolution(self) -> float:
        """How far a written number may be from the true one; 0 where no number is finite."""
        if self.most < 0:
            return 0.0
        if self.fewest == self.most and not self.scientific:
            return 0.5 * 10.0**-self.most
        return 0.5 * 10.0 ** (self.exponent - self.significant + 1) if self.significant else 0.0


def read_numbers(path: Path) -> Numbers:
    """Read a file of numbers that white space separates; several on a line and blank lines are fine.

    Raises:
        UsageError: it cannot be read, holds no number, or something that is none: names the line.
    """
    parts: list[Doubles] = []
    digits, line = Digits(), 1
    for chunk in _chunks(path):
        starts = _starts(chunk)
        values = _values(chunk, int(np.count_nonzero(starts)), path, line)
        parts.append(values)
        digits |= _digits(chunk, starts, values)
        line += chunk.count(b"\n")
    total = np.concatenate(parts) if parts else np.empty(0)
    if not total.size:
        raise UsageError(f"{path} holds no numbers; dump it again")
    return Numbers(total, digits.resolution)


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the file in parts that end where a line does, or at least a number."""
    rest = b""
    try:
        with path.open("rb") as file:
            while part := file.read(CHUNK):
                part = rest + part
                end = 1 + max(part.rfind(b"\n"), part.rfind(b" "))
                rest = part[end:]
                yield part[:end]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    yield rest


def _starts(chunk: bytes) -> Mask:
    """Return where a word starts: behind white space, or at the very beginning."""
    spaces = _SPACES[np.frombuffer(chunk, np.uint8)]
    starts = ~spaces
    starts[1:] &= spaces[:-1]
    return starts


def _values(chunk: bytes, count: int, path: Path, line: int) -> Doubles:
    """Return the numbers of a chunk that has this many words and starts on this line."""
    if not count:
        return np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # NumPy's word for "stopped early"
        try:
            values = np.fromstring(chunk, np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return _values_one_by_one(chunk, path, line)
    # NumPy takes "1.02.0" for two numbers
    return values if len(values) == count else _values_one_by_one(chunk, path, line)


def _values_one_by_one(chunk: bytes, path: Path, line: int) -> Doubles:
    """Return the numbers of a chunk, or say which one is none."""
    values = []
    for number, text in enumerate(chunk.split(b"\n"), start=line):
        for word in text.split():
            if not _NUMBER.fullmatch(word):
                shown = word[:20].decode("ascii", "backslashreplace")
                raise UsageError(f"{path} line {number}: {shown!r} is not a number; dump it again")
            values.append(float(word))
    return np.array(values, np.float64)


def _digits(chunk: bytes, starts: Mask, values: Doubles) -> Digits:
    """Return how the finite numbers of a chunk are written."""
    finite = np.isfinite(values)
    if not finite.any():
        return Digits()
    decimals, scientific = _decimals(chunk, starts, len(values))
    decimals, scientific, values = decimals[finite], scientific[finite], values[finite]
    exponents = _exponents(values)
    significant = decimals + 1 + np.where(scientific, 0, exponents)
    some = values != 0
    return Digits(
        int(decimals.min()),
        int(decimals.max()),
        int(significant[some].max(initial=0)),
        int(exponents[some].max(initial=Digits().exponent)),
        bool(scientific.any()),
    )


def _decimals(chunk: bytes, starts: Mask, count: int) -> tuple[NDArray[np.int64], Mask]:
    """Return how many digits follow each number's point, and which numbers have an exponent."""
    buffer = np.frombuffer(chunk, np.uint8)
    decimals, scientific = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    others = np.flatnonzero((buffer < ord("0")) | (buffer > ord("9")))
    points = np.flatnonzero(buffer[others] == ord("."))
    after = np.append(others, len(buffer))[points + 1]
    owner = np.cumsum(starts, dtype=np.int32) - np.int32(1)
    decimals[owner[others[points]]] = after - others[points] - 1
    scientific[owner[np.flatnonzero((buffer | 0x20) == ord("e"))]] = True
    return decimals, scientific


def _exponents(values: Doubles) -> NDArray[np.int64]:
    """Return floor(log10 |x|); 0 for 0."""
    magnitudes = np.abs(values)
    magnitudes[magnitudes == 0] = 1
    return np.floor(np.log10(magnitudes)).astype(np.int64)
