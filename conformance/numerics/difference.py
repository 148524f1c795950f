"""The sums behind every metric of a golden and a result, taken in one pass over both.

The pass goes over blocks. A block's sums depend on the block alone and are added up in the order of the
blocks, so the same two tensors give the same bits on one thread or on many. NumPy lets other threads run
only while it works inside a call; calls are therefore made on as many elements as a core's own cache holds.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.machine import helper_threads, usable_cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Doubles = NDArray[np.float64]

BLOCK = 1 << 18
"""Elements of a block at most."""

_PIECE = 1 << 16
"""Elements of a piece of a block: three float64 buffers of a piece, 1.5 MiB, stay in a core's own cache."""

_DOT = 1 << 13
"""Elements of one dot product; BLAS starts threads of its own, and with them other sums, only above 10000."""

_LANES = 1 << 10
"""Channel sums are taken in this many lanes at least, so that few channels cost no more than many."""

_WIDTH = 1 << 13
"""Blocks of very many channels are narrower than a row: they return a sum per channel, not one per value."""

_MOST_THREADS = 8

_SILENT: dict[str, Any] = {"over": "ignore", "under": "ignore", "invalid": "ignore"}
"""Sums that are not finite say themselves what is wrong."""


class DifferenceSums(NamedTuple):
    """Sums over a golden a and the difference d of the result from it, in float64.

    Attributes:
        golden_squares: Σ a².
        golden_difference: Σ a d.
        channel_squares: Σ d² of each channel.
        largest: max |d|.
        largest_at: flat index of the first element with this |d|.
    """

    golden_squares: float
    golden_difference: float
    channel_squares: Doubles
    largest: float
    largest_at: int

    @property
    def difference_squares(self) -> float:
        """Σ d²."""
        return float(np.sum(self.channel_squares))


class _Block(NamedTuple):
    """A part of one pair of tensors: a range of rows of a range of channels."""

    pair: int
    golden: Floats
    result: Floats
    first_row: int
    first_channel: int


@np.errstate(**_SILENT)
def difference_sums(
    pairs: Sequence[tuple[Floats, Floats]], threads: int | None = None
) -> list[DifferenceSums]:
    """Return the sums of every pair.

    Args:
        pairs: goldens and results; of each pair both are of one shape (rows, channels), not empty, and
            float32 or float64. Values that are not finite give sums that are not finite.
        threads: how many work at once; one per CPU of this process unless given. No effect on the sums.

    Returns:
        One entry per pair, in order.
    """
    blocks = [
        block for index, (golden, result) in enumerate(pairs) for block in _blocks(index, golden, result)
    ]
    sums = _on_threads(blocks, threads or usable_cores())
    by_pair: list[list[tuple[_Block, DifferenceSums]]] = [[] for _ in pairs]
    for block, part in zip(blocks, sums, strict=True):
        by_pair[block.pair].append((block, part))
    return [_combine(parts, golden.shape[1]) for parts, (golden, _) in zip(by_pair, pairs, strict=True)]


def _blocks(pair: int, golden: Floats, result: Floats) -> list[_Block]:
    """Cut a pair into blocks of nearly equal height; the cut depends on the shape alone."""
    rows, channels = golden.shape
    width = min(channels, max(_WIDTH, BLOCK // rows))
    height = math.ceil(rows / math.ceil(rows * width / BLOCK))
    return [
        _Block(
            pair,
            golden[row : row + height, channel : channel + width],
            result[row : row + height, channel : channel + width],
            row,
            channel,
        )
        for row in range(0, rows, height)
        for channel in range(0, channels, width)
    ]


def _combine(parts: list[tuple[_Block, DifferenceSums]], channels: int) -> DifferenceSums:
    channel_squares = np.zeros(channels)
    for block, part in parts:
        channel_squares[block.first_channel :][: len(part.channel_squares)] += part.channel_squares
    largest = max(part.largest for _, part in parts)
    at = [_flat_index(block, part.largest_at, channels) for block, part in parts if part.largest == largest]
    return DifferenceSums(
        _sum([part.golden_squares for _, part in parts]),
        _sum([part.golden_difference for _, part in parts]),
        channel_squares,
        largest,
        min(at, default=0),
    )


def _flat_index(block: _Block, at: int, channels: int) -> int:
    row, channel = divmod(at, block.golden.shape[1])
    return int((block.first_row + row) * channels + block.first_channel + channel)


def _sum(values: list[float]) -> float:
    return float(np.sum(np.array(values)))  # math.fsum would raise on what overflowed


def _on_threads(blocks: list[_Block], threads: int) -> list[DifferenceSums]:
    """Work through the blocks on the calling thread and, when there are several, on helpers beside it."""
    sums: list[DifferenceSums | None] = [None] * len(blocks)
    waiting = deque(enumerate(blocks))
    pool = helper_threads("metrics", _MOST_THREADS - 1)
    helpers = [
        pool.submit(_work_off, waiting, sums) for _ in range(min(threads, len(blocks), _MOST_THREADS) - 1)
    ]
    _work_off(waiting, sums)
    for helper in helpers:
        helper.result()
    return [part for part in sums if part is not None]


@np.errstate(**_SILENT)  # of the calling thread alone
def _work_off(waiting: deque[tuple[int, _Block]], sums: list[DifferenceSums | None]) -> None:
    while True:
        try:
            index, block = waiting.popleft()
        except IndexError:
            return
        sums[index] = _block_sums(block)


class _Buffers(threading.local):
    """The float64 buffers of one thread: fresh ones for every block would cost more than the sums."""

    def __init__(self) -> None:
        self._squares = np.empty(0)
        self._operands = np.empty((2, 0))

    def of(self, operands: int, squares: int) -> tuple[Doubles, Doubles]:
        """Return arrays of (2, ``operands``) and (``squares``), with any content."""
        if self._operands.shape[1] < operands:
            self._operands = np.empty((2, operands))
        if len(self._squares) < squares:
            self._squares = np.empty(squares)
        return self._operands[:, :operands], self._squares[:squares]


_BUFFERS = _Buffers()


def _block_sums(block: _Block) -> DifferenceSums:
    """Return the sums of a block; ``largest_at`` counts from its start.

    It is taken piece by piece, each sum in the order in which the whole block would be summed.
    """
    size, channels = block.golden.size, block.golden.shape[1]
    lanes, dot = channels * math.ceil(_LANES / channels), min(size, _DOT)
    piece = _PIECE if size > _PIECE and _PIECE % math.lcm(lanes, dot) == 0 else size
    operands, squares = _BUFFERS.of(_round_up(piece, dot), lanes + _round_up(piece, lanes))
    products = np.empty((2, math.ceil(size / dot)))
    largest: list[tuple[float, int]] = []
    squares[:lanes] = 0  # the sums so far, in front of what is added to them
    for start in range(0, size, piece):
        rows = slice(start // channels, (start + piece) // channels)
        golden, result = block.golden[rows], block.result[rows]
        difference = _differences(operands, golden, result)
        np.square(difference, out=squares[lanes : lanes + len(difference)])
        squares[lanes + len(difference) :] = 0
        at = _largest_at(difference, squares[lanes:], golden.dtype, result.dtype)
        largest.append((float(abs(difference[at])), start + at))
        squares[:lanes] = np.add.reduce(squares.reshape(-1, lanes), axis=0)
        of_dots = slice(start // dot, math.ceil((start + len(difference)) / dot))
        products[:, of_dots] = _dots(operands, dot)[:, : of_dots.stop - of_dots.start]
    golden_squares, golden_difference = products.sum(axis=1).tolist()
    by_channel = squares[:lanes].reshape(-1, channels).sum(axis=0)
    peak = int(np.argmax([value for value, _ in largest]))
    return DifferenceSums(golden_squares, golden_difference, by_channel, *largest[peak])


def _differences(operands: Doubles, golden: Floats, result: Floats) -> Doubles:
    """Put a golden and the difference of a result from it into two buffers, and return the difference."""
    _fill(operands[0], golden)
    _fill(operands[1], result)
    np.subtract(operands[1], operands[0], out=operands[1])
    return operands[1, : golden.size]


def _dots(operands: Doubles, length: int) -> Doubles:
    """Return Σ a² and Σ a d of each stretch of this length, as two rows."""
    golden = operands[0].reshape(1, -1, 1, length)
    dots: Doubles = np.matmul(golden, operands.reshape(2, -1, length, 1))[:, :, 0, 0]
    return dots


def _round_up(size: int, unit: int) -> int:
    return math.ceil(size / unit) * unit


def _fill(buffer: Doubles, values: Floats) -> None:
    """Copy ``values`` to ``buffer`` as float64 and put zeros, which change no sum, behind them."""
    buffer[: values.size].reshape(values.shape)[...] = values
    buffer[values.size :] = 0


def _largest_at(difference: Doubles, squares: Doubles, *dtypes: np.dtype[Any]) -> int:
    """Return where |difference| is largest.

    The squares of differences of float32 values neither overflow nor underflow, and are then in the order of
    the absolute values: for such x, sqrt(x²) is |x| in binary floating point. Those of float64 values may.
    """
    if all(dtype == np.float32 for dtype in dtypes):
        return int(np.argmax(squares))
    return int(np.argmax(np.abs(difference)))
