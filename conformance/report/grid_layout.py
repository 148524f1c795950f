"""Which inputs meet in a grid of pictures: every one with every other, or the samples one by one."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from conformance.report.pixels import input_pixels, is_picture
from conformance.report.sheet import Cell, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from conformance.network_file import Input
    from conformance.networks import Network

    Feeds = dict[str, np.ndarray[Any, Any]]

MOST = 6
"""Rows, and columns, of a grid: what a person can look at."""
CROSSED = 2
"""Inputs of which every one meets every other."""


@dataclasses.dataclass(frozen=True)
class GridLayout:
    """The inputs of a grid, row by row.

    Attributes:
        left: the pictures at the left of each row.
        top: the pictures above each column; empty where a row has a single column.
        feeds: what the network is fed, one per cell.
        samples: the sample that a cell is, one per cell; None where no sample pairs these inputs.
        explanation: how to read it, and what was left out.
    """

    left: Rows
    top: tuple[Cell, ...]
    feeds: list[Feeds]
    samples: list[int | None]
    explanation: str

    @property
    def columns(self) -> int:
        """How many cells a row has."""
        return max(1, len(self.top))


def layout_of(network: Network) -> GridLayout:
    """Return every picture of the first input with every one of the second, where a network has just these.

    Any other network's samples are taken one by one; so are those whose answers are counted, because only a
    sample has a truth.
    """
    entries = network.description.input
    answering = any(output.answers is not None for output in network.outputs)
    if len(entries) == CROSSED and len(_pictures(network)) == CROSSED and not answering:
        return crossed(network)
    return paired(network, range(network.samples))


def crossed(network: Network) -> GridLayout:
    """Return the pictures of the first input at the left, those of the second on top, all met by all."""
    rows, columns = network.description.input
    left, top = _distinct(rows), _distinct(columns)
    pairs = [(row, column) for row in left[:MOST] for column in top[:MOST]]
    samples = [_sample_of(network, rows.files[row], columns.files[column]) for row, column in pairs]
    feeds = [
        {
            rows.name: network.feeds(row)[rows.name],
            columns.name: network.feeds(column)[columns.name],
        }
        for row, column in pairs
    ]
    explanation = f"{rows.name} at the left, {columns.name} on top, the result where they meet"
    return GridLayout(
        tuple((_cell(network, rows, row),) for row in left[:MOST]),
        tuple(_cell(network, columns, column) for column in top[:MOST]),
        feeds,
        samples,
        explanation + _left_out(max(len(left), len(top)), "files of an input"),
    )


def paired(network: Network, samples: Sequence[int]) -> GridLayout:
    """Return a row per sample, its input pictures at the left."""
    chosen, entries = samples[:MOST], _pictures(network)
    rows = tuple(tuple(_cell(network, entry, sample) for entry in entries) for sample in chosen)
    names = " and ".join(entry.name for entry in entries)
    explanation = f"a row per sample, {names} at the left" if entries else "a row per sample"
    return GridLayout(
        rows if entries else (),
        (),
        [network.feeds(sample) for sample in chosen],
        list(chosen),
        explanation + _left_out(len(samples), "samples"),
    )


def _pictures(network: Network) -> list[Input]:
    """Return the inputs that are pictures."""
    feeds = network.feeds(0)
    return [entry for entry in network.description.input if is_picture(feeds[entry.name])]


def _distinct(entry: Input) -> list[int]:
    """Return the first sample of every file of an input."""
    return [entry.files.index(name) for name in dict.fromkeys(entry.files)]


def _sample_of(network: Network, *files: str) -> int | None:
    """Return the first sample that is fed these files."""
    fed = list(zip(*(entry.files for entry in network.description.input), strict=True))
    return fed.index(files) if files in fed else None


def _cell(network: Network, entry: Input, sample: int) -> Cell:
    name = entry.files[sample]
    pixels = input_pixels(network.feeds(sample)[entry.name], entry, name)
    return Cell(pixels, f"{entry.name}: {PurePosixPath(name).name}")


def _left_out(count: int, what: str) -> str:
    return f"; the first {MOST} of {count} {what}" if count > MOST else ""
