"""Figures of run directories, kept in an index so that each is read once.

The run directories are the truth. A run is read again when the size or the time of one of its files differs
from what the index remembers, and an index that is missing, damaged, of another version, in use, or cannot be
written costs time and nothing else.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import os
from typing import TYPE_CHECKING

import msgspec

from conformance.errors import UsageError
from conformance.history.run_figures import SeriesKey, read_figures
from conformance.runs.directory import ENVIRONMENT, RECORDS, TIMES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

INDEX = ".mlu-conformance-index.sqlite"
"""Name of its file, in the directory that was asked for."""
FILES = (ENVIRONMENT, RECORDS, TIMES)
"""What is read of a run directory."""


@dataclasses.dataclass(frozen=True)
class IndexedRun:
    """A run as an index has it.

    Attributes:
        path: its directory.
        started: when it started.
        environment: its environment, flattened; one object for all runs that have the same.
        values: its figures.
    """

    path: str
    started: dt.datetime
    environment: Mapping[str, str]
    values: list[tuple[SeriesKey, float]]


class RunIndex:
    """An index of the runs below one directory.

    Args:
        root: the directory.
        connection: of :func:`conformance.history.index_file.index_connection`.
    """

    def __init__(self, root: Path, connection: sqlite3.Connection) -> None:
        self._root, self._connection = root, connection
        self._numbers = {content: number for number, content in self._texts.items()}

    def update(self, paths: Iterable[Path], progress: Callable[[int, int, str], object]) -> None:
        """Read what is new or changed, and forget what is gone.

        Args:
            paths: of every run directory below the root.
            progress: is told how many of how many were read, and what.
        """
        stamps = {str(path.relative_to(self._root)): _stamp(path) for path in paths}
        known = dict(self._connection.execute("select path, stamp from runs"))
        gone = [(path,) for path in known if path not in stamps]
        self._connection.executemany("delete from runs where path = ?", gone)
        changed = [path for path, stamp in stamps.items() if known.get(path) != stamp]
        for done, path in enumerate(changed):
            progress(done, len(changed), "reading runs")
            row = (path, stamps[path], *self._row(self._root / path))
            self._connection.execute("insert or replace into runs values (?, ?, ?, ?, ?, ?)", row)
        if changed:
            progress(len(changed), len(changed), "reading runs")

    def _row(self, path: Path) -> tuple[object, ...]:
        """Return start, environment, figures and what is broken of a run."""
        try:
            found = read_figures(path)
        except UsageError as error:
            return None, None, None, str(error)
        figures = [(self._number(key), value) for key, value in found.values.items()]
        environment = self._number(found.environment)
        return found.started.isoformat(), environment, msgspec.json.encode(figures).decode(), None

    def _number(self, value: object) -> int:
        """Return the number of a text that many runs share; a new one gets the next."""
        content = msgspec.json.encode(value).decode()
        if content not in self._numbers:
            self._numbers[content] = len(self._numbers) + 1
            row = (self._numbers[content], content)
            self._connection.execute("insert into texts values (?, ?)", row)
        return self._numbers[content]

    @property
    def _texts(self) -> dict[int, str]:
        return dict(self._connection.execute("select id, content from texts"))

    @property
    def runs(self) -> dict[str, IndexedRun]:
        """All runs that are whole, by their path from the root."""
        texts = self._texts
        environment_of = functools.cache(
            lambda number: msgspec.json.decode(texts[number], type=dict[str, str])
        )
        key_of = functools.cache(lambda number: msgspec.json.decode(texts[number], type=SeriesKey))
        figures = msgspec.json.Decoder(list[tuple[int, float]])
        rows = self._connection.execute(
            "select path, started, environment, figures from runs where broken is null"
        )
        return {
            path: IndexedRun(
                self._place(path),
                dt.datetime.fromisoformat(started),
                environment_of(environment),
                [(key_of(number), value) for number, value in figures.decode(encoded)],
            )
            for path, started, environment, encoded in rows
        }

    @property
    def broken(self) -> dict[str, str]:
        """Why runs cannot be read, by their path from the root."""
        rows = self._connection.execute(
            "select path, broken from runs where broken is not null order by path"
        )
        return dict(rows)

    def _place(self, path: str) -> str:
        return str(self._root) if path == os.curdir else f"{self._root}{os.sep}{path}"


def _stamp(path: Path) -> str:
    """Return sizes and times of the files of a run."""
    directory = str(path)
    return " ".join(_stamp_of_file(f"{directory}{os.sep}{name}") for name in FILES)


def _stamp_of_file(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path costs more than the call
    except OSError:
        return "-"
    return f"{status.st_mtime_ns}/{status.st_size}"
